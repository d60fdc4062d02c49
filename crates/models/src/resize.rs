//! Bilinear resizing in every mode, mostly with aligned corners.

use kernels::resize::{Resize, Tap, half_pixel_tap};

use crate::mode::Mode;

pub use kernels::resize::{align_corners_tap, nearest_input};

/// Resizes `[B, C, h, w]` to `[B, C, H, W]`, corners aligned.
pub fn resize_bilinear<M: Mode>(x: M::T<4>, size: [usize; 2]) -> M::T<4> {
    let [_, _, height, width] = M::dims(&x);
    if [height, width] == size { x } else { M::resize(x, size) }
}

/// Resizes `[B, C, h, w]` to `[B, C, H, W]`, outer edges aligned.
///
/// Source: the `pooling` protocol of the reference's `eval.py`, which resizes probabilities so.
pub fn resize_half_pixel<M: Mode>(x: M::T<4>, size: [usize; 2]) -> M::T<4> {
    by_products::<M>(x, size, half_pixel_tap)
}

/// The body of [`Mode::resize`] where a mode has values.
pub(crate) fn resize_by_products<M: Mode>(x: M::T<4>, size: [usize; 2]) -> M::T<4> {
    by_products::<M>(x, size, align_corners_tap)
}

fn by_products<M: Mode>(x: M::T<4>, size: [usize; 2], tap: Tap) -> M::T<4> {
    let value = M::value(&x);
    let [_, _, height, width] = value.dims();
    let resize = Resize::new([height, width], size, tap, (&value.device(), value.dtype()));
    M::linear(x, |x| resize.apply(x))
}
