//! Division by the norm, and what its derivative is where the norm is too small to divide by.

use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::{l2_normalize, l2_normalize_pair};

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
