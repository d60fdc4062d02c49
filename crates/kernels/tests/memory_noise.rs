//! Gumbel noise drawn by the memory read's shader is the host's, to the roundings of f32.

use burn::tensor::{DType, Device, Distribution, Tensor};
use kernels::{Noise, device::software_vulkan, memory_read};

fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("f64 values")
}

/// A read of `pixels` that differ in nothing but their noise, drawn from `key`: every score is 0.
fn drawn(key: u64, pixels: usize, slots: usize, device: &Device) -> Vec<f64> {
    let features = Tensor::<4>::zeros([1, 4, pixels, 1], (device, DType::F32));
    let memory = Tensor::<2>::zeros([slots, 4], (device, DType::F32));
    list(memory_read(features, memory, Noise::Drawn(key), 1.0).weights.permute([0, 2, 3, 1]))
}

#[test]
fn the_largest_noise_there_is_takes_its_whole_pixel() {
    // The key whose number 0 is mixed from 0, of which splitmix64 makes 0: the least uniform number.
    let key = 0u64.wrapping_sub(0x9e37_79b9_7f4a_7c15);
    assert!(kernels::gumbel(key, 0) > 700.0);
    for device in [wgpu(), Device::flex()] {
        assert_eq!(drawn(key, 1, 2, &device), [1.0, 0.0]);
    }
}

#[test]
fn drawn_noise_is_the_streams_to_the_roundings_of_f32() {
    let device = wgpu();
    for (key, slots) in [(0, 2), (u64::MAX, 19), (0x0123_4567_89ab_cdef, 150)] {
        let found = drawn(key, 500, slots, &device);
        for (pixel, weights) in found.chunks_exact(slots).enumerate() {
            let noise = |slot: usize| kernels::gumbel(key, (pixel * slots + slot) as u64);
            let largest = (0..slots).max_by(|&a, &b| noise(a).total_cmp(&noise(b))).expect("slots");
            for (slot, weight) in weights.iter().enumerate() {
                // Weights are proportional to the exponentials: their logarithms differ as the
                // noise does. Two logarithms with errors of 2^-21 each, and the noise's own rounding.
                let found = (weight / weights[largest]).ln();
                let expected = noise(slot) - noise(largest);
                assert!((found - expected).abs() < 3e-6, "{pixel}, {slot}: {found} {expected}");
            }
        }
    }
}

#[test]
fn a_read_with_drawn_noise_is_one_with_the_same_noise_given_forward_and_backward() {
    const KEY: u64 = 0xfedc_ba98_7654_3210;
    for device in [wgpu().autodiff(), Device::flex().autodiff()] {
        for [pixels, channels, slots] in [[1, 16, 2], [37, 33, 19], [130, 256, 150]] {
            let range = Distribution::Uniform(-1.0, 1.0);
            let features = Tensor::<4>::random([1, channels, pixels, 1], range, &device);
            let memory = Tensor::<2>::random([slots, channels], range, &device);
            let (features, memory) = (features.require_grad(), memory.require_grad());
            let read = |noise: Noise| {
                let read = memory_read(features.clone(), memory.clone(), noise, 0.5);
                let gradients = read.joined.clone().square().sum().backward();
                let of_features = list(features.grad(&gradients).expect("a gradient"));
                let of_memory = list(memory.grad(&gradients).expect("a gradient"));
                [list(read.weights), list(read.joined), of_features, of_memory]
            };
            let given = Noise::Drawn(KEY).tensor([pixels, slots], &device, DType::F32);
            let given = read(Noise::Given(given.expect("noise")));
            for (found, expected) in read(Noise::Drawn(KEY)).iter().zip(&given) {
                let largest = expected.iter().fold(0.0f64, |all, value| all.max(value.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    // The noise differs by 3e-6, which the temperature doubles; a weight differs
                    // by as much of itself, a gradient by the sum of a few such errors.
                    assert!((found - expected).abs() <= 3e-5 * largest, "{found} {expected}");
                }
            }
        }
    }
}
