//! Cross entropy of logits against labels of a larger size, without logits of that size.

mod autodiff;
mod plain;
mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor, TensorData},
};

use crate::{launch::compiles_wgsl, pixel_ids::PixelLabels};
pub use plain::{upsampled_cross_entropy_pair_plain, upsampled_cross_entropy_plain};
use wgsl::{Sizes, UpsampledCrossEntropyOps};

/// Mean cross entropy over the pixels that count, of logits resized bilinearly to the labels' size,
/// corners aligned; differentiable in the logits.
///
/// Runs as WGSL on a wgpu device in f32, which keeps one number per label pixel for the backward
/// pass, and as [`upsampled_cross_entropy_plain`] elsewhere. A label of at least K counts for
/// nothing. With `class_weights`, K of them, the mean is `sum w l / sum w`; the loss of a batch of
/// no weight is zero, with zero gradient.
///
/// Shapes: `logits` `[B, K, h, w]` in any layout, labels `[B, H, W]`; result `[1]`.
///
/// # Panics
///
/// If the batches or the number of weights disagree, K is not between 1 and 255, or there are labels
/// but logits of no size.
///
/// Source: `torch.nn.functional.interpolate(mode="bilinear", align_corners=True)`, then
/// `torch.nn.functional.cross_entropy`.
pub fn upsampled_cross_entropy(
    logits: Tensor<4>,
    labels: &PixelLabels,
    class_weights: Option<&[f64]>,
) -> Tensor<1> {
    let weights = Weights::of(&logits, labels, class_weights);
    if is_empty(&logits, labels) {
        return logits.sum().mul_scalar(0.0);
    }
    if !runs_as_wgsl(&[&logits], labels) {
        return plain::mean(logits, labels, &weights);
    }
    let (sizes, class_weights) = (Sizes::of(&logits, labels, &weights), weights.tensor(&logits));
    Tensor::from_dispatch(<Dispatch as UpsampledCrossEntropyOps>::upsampled_cross_entropy(
        logits.into_dispatch(),
        labels.ids.words.clone().into_dispatch(),
        class_weights.into_dispatch(),
        sizes,
    ))
}

/// [`upsampled_cross_entropy`] with its derivative along `tangent`, both differentiable in logits
/// and tangent: what exact second order needs.
///
/// Shapes: `tangent` as `logits`; results `[1]`.
///
/// # Panics
///
/// As [`upsampled_cross_entropy`], or if the shapes of logits and tangent disagree.
pub fn upsampled_cross_entropy_pair(
    logits: Tensor<4>,
    tangent: Tensor<4>,
    labels: &PixelLabels,
    class_weights: Option<&[f64]>,
) -> (Tensor<1>, Tensor<1>) {
    let weights = Weights::of(&logits, labels, class_weights);
    assert_eq!(tangent.dims(), logits.dims(), "shape of the tangent, of the logits");
    if is_empty(&logits, labels) {
        return (logits.sum().mul_scalar(0.0), tangent.sum().mul_scalar(0.0));
    }
    if !runs_as_wgsl(&[&logits, &tangent], labels) {
        return plain::mean_pair(logits, tangent, labels, &weights);
    }
    let (sizes, class_weights) = (Sizes::of(&logits, labels, &weights), weights.tensor(&logits));
    let pair = <Dispatch as UpsampledCrossEntropyOps>::upsampled_cross_entropy_pair(
        logits.into_dispatch(),
        tangent.into_dispatch(),
        labels.ids.words.clone().into_dispatch(),
        class_weights.into_dispatch(),
        sizes,
    );
    let pair = Tensor::<1>::from_dispatch(pair);
    (pair.clone().slice_dim(0, 0..1), pair.slice_dim(0, 1..2))
}

/// What each class weighs, and what the weighted sum is multiplied with to be the mean.
struct Weights {
    of_classes: Vec<f64>,
    are_equal: bool,
    scale: f64,
}

impl Weights {
    /// Checks the arguments of the operation beside.
    fn of(logits: &Tensor<4>, labels: &PixelLabels, class_weights: Option<&[f64]>) -> Self {
        let [batch, classes, height, width] = logits.dims();
        assert_eq!(labels.ids.shape()[0], batch, "label maps, of as many logits");
        assert!((1..=255).contains(&classes), "{classes} classes, expected 1 to 255");
        assert!(batch * labels.ids.pixels() == 0 || height * width > 0, "logits of no size");
        let of_classes = class_weights.map_or_else(|| vec![1.0; classes], <[f64]>::to_vec);
        assert_eq!(of_classes.len(), classes, "class weights, of as many classes");
        let total = labels.total_weight(&of_classes);
        let scale = if total == 0.0 { 0.0 } else { 1.0 / total };
        Self { of_classes, are_equal: class_weights.is_none(), scale }
    }

    /// `[K]`, on the device of `like` and in its precision.
    fn tensor(&self, like: &Tensor<4>) -> Tensor<1> {
        let place = (&like.device().without_autodiff(), like.dtype());
        if self.are_equal {
            // Filled on the device: nothing is uploaded.
            return Tensor::ones([self.of_classes.len()], place);
        }
        let data = TensorData::new(self.of_classes.clone(), [self.of_classes.len()]);
        Tensor::from_data(data, place)
    }
}

fn is_empty(logits: &Tensor<4>, labels: &PixelLabels) -> bool {
    logits.shape().num_elements() * labels.ids.pixels() == 0
}

/// Whether the shaders can take these tensors.
fn runs_as_wgsl(tensors: &[&Tensor<4>], labels: &PixelLabels) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32 && compiles_wgsl(&tensor.device()))
        && wgsl::fits(tensors[0].dims(), labels.ids.shape())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    use crate::device::software_vulkan;

    #[test]
    fn f32_on_wgpu_is_what_the_shaders_take() {
        let device = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
        let takes = |device: &Device, dtype: DType| {
            let logits = Tensor::<4>::zeros([1, 2, 3, 3], (device, dtype));
            runs_as_wgsl(&[&logits], &PixelLabels::upload(&[0; 25], [1, 5, 5], device))
        };
        assert!(takes(&device, DType::F32));
        assert!(takes(&device.clone().autodiff(), DType::F32));
        assert!(!takes(&Device::flex(), DType::F32));
        assert!(!takes(&Device::flex(), DType::F64));
    }

    #[test]
    fn sizes_beyond_a_dispatch_or_an_index_are_left_to_burn() {
        assert!(wgsl::fits([8, 19, 192, 192], [8, 768, 768]));
        assert!(!wgsl::fits([65_536, 1, 1, 1], [65_536, 1, 1]));
        assert!(!wgsl::fits([1, 19, 65_536, 2], [1, 65_536, 2]));
        assert!(!wgsl::fits([1, 2, 2, 2], [1, 65_536, 65_536]));
        assert!(!wgsl::fits([64, 255, 1024, 1024], [64, 1024, 1024]));
        // Cells of 256 rows of labels, whose loops count once more each, and of one pixel to a row.
        assert!(wgsl::fits([1, 2, 2, 1], [1, 257, 127]));
        assert!(!wgsl::fits([1, 2, 2, 1], [1, 257, 128]));
        assert!(wgsl::fits([1, 2, 2, 1], [1, 16_385, 1]));
        assert!(!wgsl::fits([1, 2, 2, 1], [1, 16_386, 1]));
        // 128 pixels to a lane, each of 255 classes.
        assert!(wgsl::fits([64, 255, 128, 128], [64, 1024, 1024]));
        assert!(!wgsl::fits([65, 255, 128, 128], [65, 1024, 1024]));
    }
}
