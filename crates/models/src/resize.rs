//! Bilinear resizing with aligned corners, as two products with constant matrices.
//!
//! Burn's own `interpolate` has no bilinear backward pass on GPUs, and a product with a constant
//! matrix is linear, so the same code serves values and tangents.

use burn::tensor::{DType, Device, Tensor};

use crate::layout::tensor_from;
use crate::mode::Mode;

/// Source position and weight of one output coordinate: `(low, high, weight of high)`.
///
/// Source: `torch.nn.functional.interpolate(mode="bilinear", align_corners=True)`.
#[must_use]
pub fn align_corners_tap(
    output: usize,
    input_size: usize,
    output_size: usize,
) -> (usize, usize, f64) {
    if output_size <= 1 || input_size <= 1 {
        return (0, 0, 0.0);
    }
    let position = output as f64 * ((input_size - 1) as f64 / (output_size - 1) as f64);
    let low = (position as usize).min(input_size - 1);
    (low, (low + 1).min(input_size - 1), position - low as f64)
}

/// Resizes `[B, C, h, w]` to `[B, C, H, W]`, corners aligned.
pub fn resize_bilinear<M: Mode>(x: M::T<4>, size: [usize; 2]) -> M::T<4> {
    let [_, _, height, width] = M::dims(&x);
    if [height, width] == size { x } else { M::resize(x, size) }
}

/// The body of [`Mode::resize`] where a mode has values.
pub(crate) fn resize_by_products<M: Mode>(x: M::T<4>, [height, width]: [usize; 2]) -> M::T<4> {
    let value = M::value(&x);
    let [batch, channels, from_height, from_width] = value.dims();
    let (device, dtype) = (value.device(), value.dtype());
    let across = matrix(from_width, width, &device, dtype).transpose();
    let down = matrix(from_height, height, &device, dtype).reshape([1, height, from_height]);
    M::linear(x, |x| {
        let rows = x.reshape([batch * channels * from_height, from_width]);
        let wide = rows.matmul(across.clone());
        let wide = wide.reshape([batch * channels, from_height, width]);
        let down = down.clone().expand([batch * channels, height, from_height]);
        down.matmul(wide).reshape([batch, channels, height, width])
    })
}

/// The interpolation matrix `[output, input]` of one axis.
fn matrix(input: usize, output: usize, device: &Device, dtype: DType) -> Tensor<2> {
    let mut weights = vec![0.0; output * input];
    for row in 0..output {
        let (low, high, weight) = align_corners_tap(row, input, output);
        weights[row * input + low] += 1.0 - weight;
        weights[row * input + high] += weight;
    }
    tensor_from(&weights, &device.clone().without_autodiff(), dtype).reshape([output, input])
}
