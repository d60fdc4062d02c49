//! Bilinear resizing as two products with constant matrices, mostly with aligned corners.
//!
//! Burn's own `interpolate` has no bilinear backward pass on GPUs, and a product with a constant
//! matrix is linear, so the same code serves values and tangents.

use burn::tensor::{DType, Device, Tensor};
pub use kernels::align_corners_tap;

use crate::layout::tensor_from;
use crate::mode::Mode;

/// As [`align_corners_tap`], with pixels as areas whose outer edges are aligned.
///
/// Source: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`.
#[must_use]
pub fn half_pixel_tap(output: usize, input_size: usize, output_size: usize) -> (usize, usize, f64) {
    let centre = (output as f64 + 0.5) * (input_size as f64 / output_size as f64);
    let position = (centre - 0.5).max(0.0);
    let low = (position as usize).min(input_size - 1);
    (low, (low + 1).min(input_size - 1), position - low as f64)
}

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

/// Low and high input and the weight of the high one, of an output, input size and output size.
type Tap = fn(usize, usize, usize) -> (usize, usize, f64);

fn by_products<M: Mode>(x: M::T<4>, [height, width]: [usize; 2], tap: Tap) -> M::T<4> {
    let value = M::value(&x);
    let [batch, channels, from_height, from_width] = value.dims();
    let (device, dtype) = (value.device(), value.dtype());
    let across = matrix([from_width, width], tap, &device, dtype).transpose();
    let down = matrix([from_height, height], tap, &device, dtype);
    let down = down.reshape([1, height, from_height]);
    M::linear(x, |x| {
        let rows = x.reshape([batch * channels * from_height, from_width]);
        let wide = rows.matmul(across.clone());
        let wide = wide.reshape([batch * channels, from_height, width]);
        let down = down.clone().expand([batch * channels, height, from_height]);
        down.matmul(wide).reshape([batch, channels, height, width])
    })
}

/// The interpolation matrix `[output, input]` of one axis.
fn matrix([input, output]: [usize; 2], tap: Tap, device: &Device, dtype: DType) -> Tensor<2> {
    let mut weights = vec![0.0; output * input];
    for row in 0..output {
        let (low, high, weight) = tap(row, input, output);
        weights[row * input + low] += 1.0 - weight;
        weights[row * input + high] += weight;
    }
    tensor_from(&weights, &device.clone().without_autodiff(), dtype).reshape([output, input])
}
