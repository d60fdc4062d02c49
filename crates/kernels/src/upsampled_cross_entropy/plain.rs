//! The upsampled cross entropy in plain Burn operations.

use burn::tensor::{Int, Tensor, activation::log_softmax};

use super::Weights;
use crate::{pixel_ids::PixelLabels, resize::Resize};

/// [`super::upsampled_cross_entropy`] with plain Burn operations, on any device: its twin.
///
/// # Panics
///
/// As [`super::upsampled_cross_entropy`].
pub fn upsampled_cross_entropy_plain(
    logits: Tensor<4>,
    labels: &PixelLabels,
    class_weights: Option<&[f64]>,
) -> Tensor<1> {
    let weights = Weights::of(&logits, labels, class_weights);
    mean(logits, labels, &weights)
}

/// [`super::upsampled_cross_entropy_pair`] with plain Burn operations, on any device: its twin.
///
/// # Panics
///
/// As [`super::upsampled_cross_entropy_pair`].
pub fn upsampled_cross_entropy_pair_plain(
    logits: Tensor<4>,
    tangent: Tensor<4>,
    labels: &PixelLabels,
    class_weights: Option<&[f64]>,
) -> (Tensor<1>, Tensor<1>) {
    let weights = Weights::of(&logits, labels, class_weights);
    mean_pair(logits, tangent, labels, &weights)
}

/// The loss.
pub(super) fn mean(logits: Tensor<4>, labels: &PixelLabels, weights: &Weights) -> Tensor<1> {
    let targets = Targets::of(&logits, labels, weights);
    targets.mean(log_softmax(upsampled(logits, labels), 1))
}

/// The loss and its derivative along the tangent.
pub(super) fn mean_pair(
    logits: Tensor<4>,
    tangent: Tensor<4>,
    labels: &PixelLabels,
    weights: &Weights,
) -> (Tensor<1>, Tensor<1>) {
    let targets = Targets::of(&logits, labels, weights);
    let log_probability = log_softmax(upsampled(logits, labels), 1);
    let tangent = upsampled(tangent, labels);
    let mean_tangent = (log_probability.clone().exp() * tangent.clone()).sum_dim(1);
    (targets.mean(log_probability), targets.mean(tangent - mean_tangent))
}

fn upsampled(x: Tensor<4>, labels: &PixelLabels) -> Tensor<4> {
    let [_, height, width] = labels.ids.shape();
    match Resize::with_aligned_corners(&x, [height, width]) {
        Some(resize) => resize.apply(x),
        None => x,
    }
}

struct Targets {
    /// Class per pixel, `[B, 1, H, W]`; 0 where a label does not count.
    class: Tensor<4, Int>,
    /// What each pixel weighs, `[B, 1, H, W]`.
    weight: Tensor<4>,
    scale: f64,
}

impl Targets {
    fn of(logits: &Tensor<4>, labels: &PixelLabels, weights: &Weights) -> Self {
        let ids = labels.ids.unpacked();
        let no_class = ids.clone().greater_equal_elem(weights.of_classes.len() as i32);
        let class = ids.mask_fill(no_class.clone(), 0);
        let shape = class.dims();
        let all = match weights.are_equal {
            true => Tensor::ones(shape, (&class.device(), logits.dtype())),
            false => {
                let pixels = labels.ids.pixels();
                weights.tensor(logits).select(0, class.clone().reshape([pixels])).reshape(shape)
            }
        };
        Self { class, weight: all.mask_fill(no_class, 0.0), scale: weights.scale }
    }

    /// The weighted mean of the negated values, `[B, K, H, W]`, of each pixel's own class.
    fn mean(&self, values: Tensor<4>) -> Tensor<1> {
        let own = values.gather(1, self.class.clone());
        (own * self.weight.clone()).sum().mul_scalar(-self.scale)
    }
}
