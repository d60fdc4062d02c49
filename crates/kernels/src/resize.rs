//! Bilinear resizing as two products with constant matrices.
//!
//! Burn's own `interpolate` has no bilinear backward pass on GPUs, and a product with a constant
//! matrix is linear, so the same code serves values and derivatives.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Low and high input and the weight of the high one, of an output, input size and output size.
pub type Tap = fn(usize, usize, usize) -> (usize, usize, f64);

/// Source position and weight of one output coordinate: `(low, high, weight of high)`.
///
/// Whole and remaining part of the position are exact, in integers: an output that lies on an input
/// has weight 0 for every other.
///
/// Source: `torch.nn.functional.interpolate(mode="bilinear", align_corners=True)`, which rounds the
/// positions in the tensor's precision. In f32 that leaves an input beside some exact positions with
/// a weight of up to 1e-4: of label rows that shrink to feature rows, for instance, 768 to 96, 512 to
/// 64 and 1024 to 64, but not 384 to 24, 640 to 40 or 768 to 48.
#[must_use]
pub fn align_corners_tap(
    output: usize,
    input_size: usize,
    output_size: usize,
) -> (usize, usize, f64) {
    if output_size <= 1 || input_size <= 1 {
        return (0, 0, 0.0);
    }
    let (place, steps) = (output * (input_size - 1), output_size - 1);
    let low = place / steps;
    (low, (low + 1).min(input_size - 1), (place % steps) as f64 / steps as f64)
}

/// The input that stands for an output where none is mixed: `floor(output * scale)`.
///
/// Source: `torch.nn.functional.interpolate(mode="nearest")`.
#[must_use]
pub fn nearest_input(output: usize, input_size: usize, output_size: usize) -> usize {
    output * input_size / output_size
}

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

/// The matrices of one resize.
#[derive(Clone, Debug)]
pub struct Resize {
    across: Tensor<2>, // [w, W]
    down: Tensor<2>,   // [H, h]
}

impl Resize {
    /// The resize from one `[height, width]` to another, as `tap` says.
    #[must_use]
    pub fn new(
        [height, width]: [usize; 2],
        [to_height, to_width]: [usize; 2],
        tap: Tap,
        (device, dtype): (&Device, DType),
    ) -> Self {
        let device = device.clone().without_autodiff();
        Self {
            across: matrix([width, to_width], tap, &device, dtype).transpose(),
            down: matrix([height, to_height], tap, &device, dtype),
        }
    }

    /// The resize with aligned corners of a tensor to `size`; `None` where it changes nothing.
    #[must_use]
    pub fn with_aligned_corners(x: &Tensor<4>, size: [usize; 2]) -> Option<Self> {
        let [_, _, height, width] = x.dims();
        let place = (&x.device(), x.dtype());
        ([height, width] != size)
            .then(|| Self::new([height, width], size, align_corners_tap, place))
    }

    /// Resizes `[B, C, h, w]` to `[B, C, H, W]`, differentiably.
    ///
    /// # Panics
    ///
    /// If the size is not the one that this resizes from.
    #[must_use]
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, from_height, from_width] = x.dims();
        let [[_, width], [height, _]] = [self.across.dims(), self.down.dims()];
        let rows = x.reshape([batch * channels * from_height, from_width]);
        let wide = rows.matmul(self.across.clone());
        let wide = wide.reshape([batch * channels, from_height, width]);
        let down = self.down.clone().reshape([1, height, from_height]);
        let down = down.expand([batch * channels, height, from_height]);
        down.matmul(wide).reshape([batch, channels, height, width])
    }
}

/// The interpolation matrix `[output, input]` of one axis.
fn matrix([input, output]: [usize; 2], tap: Tap, device: &Device, dtype: DType) -> Tensor<2> {
    let mut weights = vec![0.0; output * input];
    for row in 0..output {
        let (low, high, weight) = tap(row, input, output);
        weights[row * input + low] += 1.0 - weight;
        weights[row * input + high] += weight;
    }
    Tensor::from_data(TensorData::new(weights, [output, input]), (device, dtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_on_an_input_weighs_no_other() {
        // Sizes whose last position, computed in f64, falls short of the last input.
        for (input, output) in [(384, 24), (640, 40), (700, 88), (768, 2), (768, 48), (9, 4)] {
            for at in 0..output {
                let (low, high, share) = align_corners_tap(at, input, output);
                // In whole steps of the outputs: at (input - 1) = low (output - 1) + rest.
                let rest = at * (input - 1) - low * (output - 1);
                assert!(rest < output - 1, "{at} of {input} to {output}");
                assert_eq!(share == 0.0, rest == 0, "{at} of {input} to {output}");
                assert_eq!(high, (low + 1).min(input - 1));
            }
            assert_eq!(align_corners_tap(output - 1, input, output), (input - 1, input - 1, 0.0));
        }
    }
}
