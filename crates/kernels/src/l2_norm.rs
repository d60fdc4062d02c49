//! Division by the L2 norm along an axis, as values and as pairs of value and derivative.

use burn::tensor::{Bool, Tensor};

/// The smallest norm that anything is divided by: `eps` of `torch.nn.functional.normalize`.
pub const SMALLEST_NORM: f64 = 1e-12;

/// Divides by the L2 norm along `axis`, or by [`SMALLEST_NORM`] where the norm is smaller: that
/// divisor is a constant.
pub fn l2_normalize<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let Norm { norm, .. } = Norm::of(&x, axis);
    x / norm
}

/// [`l2_normalize`] of `value` and its derivative along `tangent`; differentiable in both.
pub fn l2_normalize_pair<const D: usize>(
    value: Tensor<D>,
    tangent: Tensor<D>,
    axis: usize,
) -> (Tensor<D>, Tensor<D>) {
    let Norm { norm, is_constant } = Norm::of(&value, axis);
    let unit = value / norm.clone();
    // The norm's own derivative.
    let along = (unit.clone() * tangent.clone()).sum_dim(axis).mask_fill(is_constant, 0.0);
    let tangent = (tangent - unit.clone() * along) / norm;
    (unit, tangent)
}

struct Norm<const D: usize> {
    norm: Tensor<D>,
    /// Where the norm is clamped. Where it is just as small as that, `clamp_min` passes a gradient.
    is_constant: Tensor<D, Bool>,
}

impl<const D: usize> Norm<D> {
    fn of(x: &Tensor<D>, axis: usize) -> Self {
        const SMALLEST_SQUARE: f64 = SMALLEST_NORM * SMALLEST_NORM;
        let square = x.clone().square().sum_dim(axis);
        let is_constant = square.clone().lower_elem(SMALLEST_SQUARE);
        // Clamped before the root, whose slope at 0 would make a zero row's gradient NaN.
        Self { norm: square.clamp_min(SMALLEST_SQUARE).sqrt(), is_constant }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};

    use super::*;

    fn list(tensor: Tensor<2>) -> Vec<f64> {
        tensor.try_into_vec_as().expect("f64 values")
    }

    #[test]
    fn below_the_smallest_norm_the_divisor_is_a_constant_as_in_pytorch() {
        // `F.normalize` and its backward pass in f64, of rows of norm 5, 5e-13, 0 and 5e-12.
        let rows = [3.0, 4.0, 3e-13, 4e-13, 0.0, 0.0, 3e-12, 4e-12];
        let of_unit = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0];
        let expected = [[0.6, 0.8], [0.3, 0.4], [0.0, 0.0], [0.6, 0.8]].concat();
        // (1, 2) less its part along (0.6, 0.8) is (-0.32, 0.24).
        let slopes = [[-0.064, 0.048], [1e12, 2e12], [1e12, 2e12], [-0.064e12, 0.048e12]].concat();
        let device = Device::flex().autodiff();
        let tensor = |values: [f64; 8]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [4, 2]), (&device, DType::F64))
        };
        let leaf = tensor(rows).require_grad();
        let unit = l2_normalize(leaf.clone(), 1);
        let gradients = (unit.clone() * tensor(of_unit)).sum().backward();
        let gradient = list(leaf.grad(&gradients).expect("a gradient"));
        // The derivative of a normalisation is symmetric: along (1, 2) it is the gradient of that.
        let (value, tangent) = l2_normalize_pair(tensor(rows), tensor(of_unit), 1);
        for (found, expected) in [
            (list(unit), &expected),
            (list(value), &expected),
            (gradient, &slopes),
            (list(tangent), &slopes),
        ] {
            for (found, expected) in found.iter().zip(expected) {
                // A few roundings of f64.
                assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{found} {expected}");
            }
        }
    }
}
