//! Predicted classes at a larger size than the logits', and their counts against the truth.

mod plain;
mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Int, Tensor, TensorData},
};
use shaders::confusion_counts;

pub use plain::upsampled_argmax_plain;
pub use shaders::upsampled_argmax::NO_CLASS;

use crate::{launch::compiles_wgsl, pixel_ids::PixelIds};
use wgsl::{Sizes, UpsampledArgmaxOps};

/// The class of the largest logit at every pixel of `[H, W]`, after a bilinear resize with corners
/// aligned; of equal ones the lowest.
///
/// A pixel has the id [`NO_CLASS`] where any logit of any class that its scores are made of is NaN
/// or infinite: no class is the largest there.
///
/// Runs as WGSL on a wgpu device in f32, without a logit of that size and without waiting for the
/// device, and as [`upsampled_argmax_plain`] elsewhere.
///
/// Shapes: `logits` `[B, K, h, w]` in any layout; result `[B, H, W]`.
///
/// # Panics
///
/// If K is not between 1 and 255, or pixels are asked of logits of no size.
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

/// `[B, H, W]`.
fn checked_shape(logits: &Tensor<4>, [height, width]: [usize; 2]) -> [usize; 3] {
    let [batch, classes, from_height, from_width] = logits.dims();
    assert!((1..=255).contains(&classes), "{classes} classes, expected 1 to 255");
    let shape = [batch, height, width];
    assert!(shape.contains(&0) || from_height * from_width > 0, "logits of no size");
    shape
}

/// Adds the pixels of each true (row) and predicted class to `counts`, `[K + 1, K + 1]`.
///
/// The last row and column are of all ids that are no class, those of at least K, so that every
/// pixel counts once. A count has the bits of an unsigned number, which wraps around at 2^32. On a
/// wgpu device nobody waits; elsewhere this is plain Rust on the host.
///
/// # Panics
///
/// If the shapes disagree, the counts are not I32, or the device fails.
pub fn add_confusion(
    counts: Tensor<2, Int>,
    truth: &PixelIds,
    prediction: &PixelIds,
) -> Tensor<2, Int> {
    let [rows, columns] = counts.dims();
    assert!(rows == columns && rows > 0, "counts of {rows} x {columns}, expected [K + 1, K + 1]");
    assert_eq!(truth.shape(), prediction.shape(), "pixels of truth and prediction");
    assert_eq!(counts.dtype(), DType::I32, "type of the counts");
    let pixels = truth.pixels();
    let runs_as_wgsl = compiles_wgsl(&counts.device()) && pixels > 0 && wgsl::fits_counts(pixels);
    if runs_as_wgsl {
        return Tensor::from_dispatch(<Dispatch as UpsampledArgmaxOps>::add_confusion(
            counts.into_dispatch(),
            truth.words.clone().into_dispatch(),
            prediction.words.clone().into_dispatch(),
            pixels as u32,
        ));
    }
    let device = counts.device();
    let before: Vec<i32> = counts.try_into_vec_as().expect("the device holds counts");
    let mut sums: Vec<u32> = before.into_iter().map(|count| count as u32).collect();
    let (truth, prediction) = (truth.clone().download(), prediction.clone().download());
    confusion_counts::reference(&truth, &prediction, rows - 1, &mut sums);
    let sums: Vec<i32> = sums.into_iter().map(|count| count as i32).collect();
    Tensor::from_data(TensorData::new(sums, [rows, rows]), (&device, DType::I32))
}
