//! The losses over pixels, each generic over the mode so that second order needs no second version.
//!
//! The two losses over the memory's slots are `models::memory::slot_losses`.
//! Source: Kim et al., CVPR 2022, Eq. 6-8; `loss.py` and `Memory_sup` in the reference.

use kernels::pair_scale;
use models::labels::PixelTargets;
use models::mode::Mode;

use crate::method::{EmptyBatch, SlotReduction};

/// Mean negative log-likelihood over the pixels that count, of logits resized to the targets.
///
/// Shapes: `logits` `[B, K, h, w]`; result `[1]`.
/// A batch without such a pixel gives what `empty` says.
pub fn cross_entropy<M: Mode>(
    logits: M::T<4>,
    targets: &PixelTargets,
    empty: EmptyBatch,
) -> M::T<1> {
    let mean = M::upsampled_cross_entropy(logits, &targets.labels, None);
    match (targets.valid, empty) {
        // The reference's 0 / 0: the value is not a number, the gradient is zero all the same.
        (0, EmptyBatch::Nan) => {
            let nan = M::value(&mean).without_autodiff().full_like(f64::NAN);
            M::add(mean, M::constant(nan))
        }
        _ => mean,
    }
}

/// Feature cohesion: cross entropy of the cosine scores, `[B, K, h, w]`, resized to the targets
/// (Eq. 6; the reference resizes to the label's size, the paper does not resize).
pub fn cohesion<M: Mode>(scores: M::T<4>, targets: &PixelTargets, empty: EmptyBatch) -> M::T<1> {
    cross_entropy::<M>(scores, targets, empty)
}

/// Memory divergence of `slots` slots: the mean over all ordered pairs, which the memory's kernel
/// gives, or their sum.
pub fn divergence<M: Mode>(mean: M::T<1>, slots: usize, reduction: SlotReduction) -> M::T<1> {
    match reduction {
        SlotReduction::Mean => mean,
        SlotReduction::Sum => M::scale(mean, 1.0 / pair_scale(slots)),
    }
}
