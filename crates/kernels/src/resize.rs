//! Bilinear resizing as two products with constant matrices.
//!
//! Burn's own `interpolate` has no bilinear backward pass on GPUs, and a product with a constant
//! matrix is linear, so the same code serves values and derivatives.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Low and high input and the weight of the high one, of an output, input size and output size.
pub type Tap = fn(usize, usize, usize) -> (usize, usize, f64);

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
