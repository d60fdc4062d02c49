//! Some rows or columns of a bilinear resize with aligned corners.
//!
//! [`kernels::resize::Resize`] multiplies matrices, whose sums may be rounded in another way where
//! there are fewer rows. Here every number is two products and a sum, whatever is made beside it.

use std::ops::Range;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use models::layout::tensor_from;

/// The two inputs of each output along one axis, and their weights.
pub(super) struct Axis {
    inputs: [Tensor<1, Int>; 2],
    weights: [Tensor<1>; 2],
}

impl Axis {
    /// The `outputs` of a resize from one size to another.
    pub(super) fn new(
        [size, output_size]: [usize; 2],
        outputs: Range<usize>,
        (device, dtype): (&Device, DType),
    ) -> Self {
        let taps: Vec<_> = outputs.map(|output| tap(output, size, output_size)).collect();
        let inputs = [0, 1].map(|end| {
            let inputs: Vec<i32> = taps.iter().map(|(inputs, _)| inputs[end] as i32).collect();
            Tensor::from_data(TensorData::new(inputs, [taps.len()]), (device, DType::I32))
        });
        let weights = [0, 1].map(|end| {
            let weights: Vec<f64> = taps
                .iter()
                .map(|&(_, of_last)| if end == 0 { 1.0 - of_last } else { of_last })
                .collect();
            tensor_from(&weights, device, dtype)
        });
        Self { inputs, weights }
    }

    /// Resizes `[B, C, h, w]` along `axis`.
    pub(super) fn resize(&self, x: Tensor<4>, axis: usize) -> Tensor<4> {
        let mut shape = [1; 4];
        shape[axis] = self.weights[0].dims()[0];
        let [first, last] = [0, 1].map(|end| {
            let inputs = x.clone().select(axis, self.inputs[end].clone());
            inputs * self.weights[end].clone().reshape(shape)
        });
        first + last
    }
}

/// The first and the last input of an output, the same one where it lies on it, and the weight of
/// the last.
fn tap(output: usize, size: usize, output_size: usize) -> ([usize; 2], f64) {
    let Some(steps) = output_size.checked_sub(1).filter(|&steps| steps > 0) else {
        return ([0; 2], 0.0);
    };
    let place = output * (size - 1);
    ([place / steps, place.div_ceil(steps)], (place % steps) as f64 / steps as f64)
}
