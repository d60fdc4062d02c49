//! The losses over pixels, each generic over the mode so that second order needs no second version.
//!
//! The two losses over the memory's slots are `models::memory::slot_losses`.
//! Source: Kim et al., CVPR 2022, Eq. 6-8; `loss.py` and `Memory_sup` in the reference.

use kernels::pair_scale;
use models::labels::PixelTargets;
use models::mode::Mode;
use models::resize::resize_bilinear;

use crate::method::{EmptyBatch, SlotReduction};

/// Mean negative log-likelihood over the pixels that count.
///
/// Shapes: `logits` `[B, K, H, W]` at the targets' resolution; result `[1]`.
/// A batch without such a pixel gives what `empty` says.
pub fn cross_entropy<M: Mode>(
    logits: M::T<4>,
    targets: &PixelTargets,
    empty: EmptyBatch,
) -> M::T<1> {
    let log_probability = M::gather(M::log_softmax(logits, 1), 1, &targets.index);
    let scale = -1.0 / targets.valid.max(1) as f64;
    let mean =
        M::linear(log_probability, |x| (x * targets.counted.clone()).sum().mul_scalar(scale));
    match (targets.valid, empty) {
        // The reference's 0 / 0: the value is not a number, the gradient is zero all the same.
        (0, EmptyBatch::Nan) => {
            let nan = M::value(&mean).without_autodiff().full_like(f64::NAN);
            M::add(mean, M::constant(nan))
        }
        _ => mean,
    }
}

/// Segmentation loss: logits resized to the labels, then cross entropy.
pub fn segmentation<M: Mode>(
    logits: M::T<4>,
    targets: &PixelTargets,
    empty: EmptyBatch,
) -> M::T<1> {
    let [_, _, height, width] = targets.counted.dims();
    cross_entropy::<M>(resize_bilinear::<M>(logits, [height, width]), targets, empty)
}

/// Feature cohesion: cross entropy of the cosine scores, `[N, K]` of `[B, h, w]` pixels, resized
/// to the targets (Eq. 6; the reference resizes to the label's size, the paper does not resize).
pub fn cohesion<M: Mode>(
    scores: M::T<2>,
    [batch, height, width]: [usize; 3],
    targets: &PixelTargets,
    empty: EmptyBatch,
) -> M::T<1> {
    let classes = M::value(&scores).dims()[1];
    let maps = models::memory::from_rows::<M>(scores, [batch, classes, height, width]);
    segmentation::<M>(maps, targets, empty)
}

/// Memory divergence of `slots` slots: the mean over all ordered pairs, which the memory's kernel
/// gives, or their sum.
pub fn divergence<M: Mode>(mean: M::T<1>, slots: usize, reduction: SlotReduction) -> M::T<1> {
    match reduction {
        SlotReduction::Mean => mean,
        SlotReduction::Sum => M::scale(mean, 1.0 / pair_scale(slots)),
    }
}
