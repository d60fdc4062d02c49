//! The five losses, each generic over the mode so that second order needs no second version.
//!
//! Source: Kim et al., CVPR 2022, Eq. 6-8; `loss.py` and `Memory_sup` in the reference.

use burn::tensor::Tensor;
use models::labels::PixelTargets;
use models::layout::tensor_from;
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
    cross_entropy::<M>(maps, targets, empty)
}

/// Memory divergence: mean positive cosine between different slots of `[K, C]`.
pub fn divergence<M: Mode>(memory: M::T<2>) -> M::T<1> {
    let value = M::value(&memory);
    let classes = value.dims()[0];
    let mut off_diagonal = vec![1.0; classes * classes];
    for class in 0..classes {
        off_diagonal[class * classes + class] = 0.0;
    }
    let mask =
        tensor_from(&off_diagonal, &value.device(), value.dtype()).reshape([classes, classes]);
    let transposed = M::linear(memory.clone(), Tensor::transpose);
    let cosines = M::relu(M::matmul(memory, transposed));
    // Not a division: Burn's backward pass of `div_scalar` rounds the divisor to f32.
    let scale = 1.0 / (classes * classes.saturating_sub(1)).max(1) as f64;
    M::linear(cosines, |x| (x * mask.clone()).sum().mul_scalar(scale))
}

/// Memory classification: cross entropy of G's scores `[K, K]` against the slot's own class.
pub fn classification<M: Mode>(scores: M::T<2>, reduction: SlotReduction) -> M::T<1> {
    let value = M::value(&scores);
    let classes = value.dims()[0];
    let scale = match reduction {
        SlotReduction::Mean => -1.0 / classes as f64,
        SlotReduction::Sum => -1.0,
    };
    let mut own_class = vec![0.0; classes * classes];
    for class in 0..classes {
        own_class[class * classes + class] = scale;
    }
    let mask = tensor_from(&own_class, &value.device(), value.dtype()).reshape([classes, classes]);
    M::linear(M::log_softmax(scores, 1), |x| (x * mask.clone()).sum())
}
