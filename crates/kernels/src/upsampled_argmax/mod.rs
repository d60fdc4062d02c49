//! Predicted classes at a larger size than the logits', and their counts against the truth.

mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Int, Tensor, TensorData},
};
use shaders::confusion_counts;

use crate::{launch::compiles_wgsl, pixel_ids::PixelIds, resize::Resize};
use wgsl::{Sizes, UpsampledArgmaxOps};

/// The class of the largest logit at every pixel of `[H, W]`, after a bilinear resize with corners
/// aligned; of equal ones the lowest.
///
/// Runs as WGSL on a wgpu device in f32, without a logit of that size and without waiting for the
/// device, and as [`upsampled_argmax_plain`] elsewhere.
///
/// Shapes: `logits` `[B, K, h, w]` in any layout; result `[B, H, W]`.
///
/// # Panics
///
/// If K is not between 1 and 256, or pixels are asked of logits of no size.
pub fn upsampled_argmax(logits: Tensor<4>, size: [usize; 2]) -> PixelIds {
    let shape = checked_shape(&logits, size);
    let runs_as_wgsl = logits.dtype() == DType::F32
        && compiles_wgsl(&logits.device())
        && !shape.contains(&0)
        && wgsl::fits(logits.dims(), size);
    if !runs_as_wgsl {
        return upsampled_argmax_plain(logits, size);
    }
    let sizes = Sizes::of(logits.dims(), size);
    let words = <Dispatch as UpsampledArgmaxOps>::upsampled_argmax(
        logits.without_autodiff().into_dispatch(),
        sizes,
    );
    PixelIds::from_words(Tensor::from_dispatch(words), shape)
}

/// [`upsampled_argmax`] with plain Burn operations, on any device: its twin, which waits for the
/// device.
///
/// # Panics
///
/// As [`upsampled_argmax`], or if the device fails.
pub fn upsampled_argmax_plain(logits: Tensor<4>, size: [usize; 2]) -> PixelIds {
    let (device, shape) = (logits.device(), checked_shape(&logits, size));
    if shape.contains(&0) {
        return PixelIds::upload(&[], shape, &device);
    }
    let upsampled = match Resize::with_aligned_corners(&logits, size) {
        Some(resize) => resize.apply(logits),
        None => logits,
    };
    let classes: Vec<i32> =
        upsampled.argmax(1).try_into_vec_as().expect("the device computes class indices");
    let ids: Vec<u8> = classes.into_iter().map(|class| class as u8).collect();
    PixelIds::upload(&ids, shape, &device)
}

/// `[B, H, W]`.
fn checked_shape(logits: &Tensor<4>, [height, width]: [usize; 2]) -> [usize; 3] {
    let [batch, classes, from_height, from_width] = logits.dims();
    assert!((1..=256).contains(&classes), "{classes} classes, expected 1 to 256");
    let shape = [batch, height, width];
    assert!(shape.contains(&0) || from_height * from_width > 0, "logits of no size");
    shape
}

/// Adds the pixels of each true (row) and predicted class to `counts`, `[K, K]`.
///
/// Truth or prediction of at least K counts for nothing. A count wraps around at 2^32. On a wgpu
/// device nobody waits; elsewhere this is plain Rust on the host.
///
/// # Panics
///
/// If the shapes disagree, or the device fails.
pub fn add_confusion(
    counts: Tensor<2, Int>,
    truth: &PixelIds,
    prediction: &PixelIds,
) -> Tensor<2, Int> {
    let [classes, columns] = counts.dims();
    assert_eq!(classes, columns, "a confusion matrix is square");
    assert_eq!(truth.shape(), prediction.shape(), "pixels of truth and prediction");
    let pixels = truth.pixels();
    let runs_as_wgsl = counts.dtype().size() == 4
        && compiles_wgsl(&counts.device())
        && pixels > 0
        && wgsl::fits_counts(pixels);
    if runs_as_wgsl {
        return Tensor::from_dispatch(<Dispatch as UpsampledArgmaxOps>::add_confusion(
            counts.into_dispatch(),
            truth.words.clone().into_dispatch(),
            prediction.words.clone().into_dispatch(),
            pixels as u32,
        ));
    }
    let (device, dtype) = (counts.device(), counts.dtype());
    let before: Vec<i64> = counts.try_into_vec_as().expect("the device holds counts");
    let mut sums: Vec<u32> = before.into_iter().map(|count| count as u32).collect();
    let (truth, prediction) = (truth.clone().download(), prediction.clone().download());
    confusion_counts::reference(&truth, &prediction, classes, &mut sums);
    Tensor::from_data(TensorData::new(sums, [classes, classes]), (&device, dtype))
}
