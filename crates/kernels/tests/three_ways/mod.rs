//! What the tests of operations with three versions share: the software adapter, numbers that every
//! version starts from, and comparison.

use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::device::software_vulkan;

/// Relative to the largest expected value: a few hundred roundings of f64.
pub(crate) const F64_TOLERANCE: f64 = 1e-12;

/// The software Vulkan adapter.
pub(crate) fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

/// A well-mixed function of `name` and `index`.
fn hash(name: u64, index: u64) -> u64 {
    let z = (name << 32 | index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Values in [-1, 1) that are a function of `name` and position alone, each an f32.
pub(crate) fn values(name: u64, count: usize) -> Vec<f64> {
    let value = |index| (hash(name, index) >> 40) as f64 / (1u64 << 23) as f64 - 1.0;
    (0..count as u64).map(value).collect()
}

pub(crate) fn tensor<const D: usize>(
    values: &[f64],
    dims: [usize; D],
    device: &Device,
    dtype: DType,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (device, dtype))
}

pub(crate) fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("f64 values")
}

/// Relative to the largest expected value.
pub(crate) fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert!(tolerance <= 1e-3, "a tolerance that wide shows nothing");
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / largest.max(f64::MIN_POSITIVE);
        assert!(error <= tolerance, "{what}[{index}]: {found}, expected {expected}: {error:e}");
    }
}

/// That the same values are numbers, and that some are not.
pub(crate) fn assert_not_finite_alike(what: &str, found: &[f64], expected: &[f64]) {
    let finite = |values: &[f64]| -> Vec<bool> { values.iter().map(|v| v.is_finite()).collect() };
    assert_eq!(finite(found), finite(expected), "{what}");
    assert!(expected.iter().any(|value| !value.is_finite()), "{what}: numbers throughout");
}
