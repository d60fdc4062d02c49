//! The memory read: how much each pixel resembles each memory slot, and what the slots answer.

mod autodiff;
mod noise;
mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor, activation::softmax},
};

use crate::{l2_norm::l2_normalize, launch::compiles_wgsl};
pub use noise::{Noise, gumbel};
use wgsl::{MemoryReadOps, NoiseSource};

/// What the memory answers at every pixel.
#[derive(Clone, Debug)]
pub struct MemoryRead {
    /// The features with unit norm (a zero feature stays zero), then the readout, the slots
    /// averaged with the weights: `[B, 2C, h, w]`.
    pub joined: Tensor<4>,
    /// The inner products of normalised features and slots, before noise and temperature:
    /// `[B, K, h, w]`.
    pub scores: Tensor<4>,
    /// The softmax over the slots of (scores + noise) / temperature: `[B, K, h, w]`.
    pub weights: Tensor<4>,
}

/// Reads the memory at every pixel, differentiably in features and memory.
///
/// Runs as WGSL on a wgpu device where every tensor is f32, and as [`memory_read_plain`] elsewhere.
/// No gradient reaches the noise. The shader draws it with 64-bit integers and f32 logarithms, the
/// plain twin in f64: they agree to the roundings of f32.
///
/// The features may lie in any layout; no copy of them is made.
///
/// Shapes: `features` `[B, C, h, w]`, `memory` `[K, C]`; noise is `[N, K]`, N = B h w.
///
/// # Panics
///
/// If the shapes disagree, C or K is zero, or the temperature is not positive.
///
/// Source: Kim et al., CVPR 2022; `Memory_sup.read` in network/memory.py.
pub fn memory_read(
    features: Tensor<4>,
    memory: Tensor<2>,
    noise: Noise,
    temperature: f64,
) -> MemoryRead {
    check(&features, &memory, &noise, temperature);
    if !runs_as_wgsl(&features, &memory, &noise) {
        return memory_read_plain(features, memory, noise, temperature);
    }
    // A shader's binding needs some buffer; the memory is not read as noise.
    let (source, noise) = match noise {
        Noise::None => (NoiseSource::None, memory.clone()),
        Noise::Given(noise) => (NoiseSource::Given, noise),
        Noise::Drawn(key) => (NoiseSource::Drawn(key), memory.clone()),
    };
    let (joined, scores, weights) = <Dispatch as MemoryReadOps>::memory_read(
        features.into_dispatch(),
        memory.into_dispatch(),
        noise.into_dispatch(),
        source,
        temperature as f32,
    );
    MemoryRead {
        joined: Tensor::from_dispatch(joined),
        scores: Tensor::from_dispatch(scores),
        weights: Tensor::from_dispatch(weights),
    }
}

/// Reads the memory at every pixel with plain Burn operations, on any device: the twin that
/// [`memory_read`] is tested against.
///
/// # Panics
///
/// As [`memory_read`].
pub fn memory_read_plain(
    features: Tensor<4>,
    memory: Tensor<2>,
    noise: Noise,
    temperature: f64,
) -> MemoryRead {
    check(&features, &memory, &noise, temperature);
    let shape = features.dims();
    let features = to_rows(features);
    let normalized = l2_normalize(features, 1);
    let scores = normalized.clone().matmul(memory.clone().transpose()); // [N, K]
    let noise = noise.tensor(scores.dims(), &scores.device(), scores.dtype());
    let noisy = match noise {
        Some(noise) => scores.clone() + noise,
        None => scores.clone(),
    };
    let weights = softmax(noisy / temperature, 1);
    let readout = weights.clone().matmul(memory); // [N, C]
    let joined = Tensor::cat(vec![normalized, readout], 1);
    let [joined, scores, weights] = [joined, scores, weights].map(|rows| from_rows(rows, shape));
    MemoryRead { joined, scores, weights }
}

/// `[B, C, h, w]` to `[B h w, C]`.
fn to_rows(maps: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = maps.dims();
    maps.permute([0, 2, 3, 1]).reshape([batch * height * width, channels])
}

/// `[B h w, X]` to `[B, X, h, w]`.
fn from_rows(rows: Tensor<2>, [batch, _, height, width]: [usize; 4]) -> Tensor<4> {
    let columns = rows.dims()[1];
    rows.reshape([batch, height, width, columns]).permute([0, 3, 1, 2])
}

fn check(features: &Tensor<4>, memory: &Tensor<2>, noise: &Noise, temperature: f64) {
    let [batch, channels, height, width] = features.dims();
    let [slots, slot_channels] = memory.dims();
    assert!(channels > 0 && slots > 0, "memory read of {channels} channels and {slots} slots");
    assert_eq!(slot_channels, channels, "channels of the memory, of the features");
    if let Noise::Given(noise) = noise {
        let pixels = batch * height * width;
        assert_eq!(noise.dims(), [pixels, slots], "shape of the noise, [pixels, slots]");
    }
    assert!(temperature > 0.0, "temperature {temperature}");
}

/// Whether the shaders can take these tensors.
fn runs_as_wgsl(features: &Tensor<4>, memory: &Tensor<2>, noise: &Noise) -> bool {
    let given = match noise {
        Noise::Given(noise) => Some(noise),
        Noise::None | Noise::Drawn(_) => None,
    };
    let mut matrices = [memory].into_iter().chain(given);
    features.dtype() == DType::F32
        && matrices.all(|matrix| matrix.dtype() == DType::F32)
        && compiles_wgsl(&features.device())
        && wgsl::fits(features.dims(), memory.dims())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    use crate::device::software_vulkan;

    #[test]
    fn f32_on_wgpu_is_what_the_shaders_take() {
        let device = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
        let takes = |device: &Device, dtype: DType| {
            let features = Tensor::<4>::zeros([1, 4, 3, 1], (device, dtype));
            let memory = Tensor::<2>::zeros([2, 4], (device, dtype));
            runs_as_wgsl(&features, &memory, &Noise::None)
        };
        assert!(takes(&device, DType::F32));
        assert!(takes(&device.clone().autodiff(), DType::F32));
        assert!(!takes(&Device::flex(), DType::F32));
        assert!(!takes(&Device::flex(), DType::F64));
        if device.supports_dtype(DType::F64) {
            assert!(!takes(&device, DType::F64));
        }
    }

    #[test]
    fn sizes_beyond_a_dispatch_or_an_index_are_left_to_burn() {
        assert!(wgsl::fits([8, 256, 96, 96], [19, 256]));
        assert!(!wgsl::fits([32 * 65_535 + 1, 1, 1, 1], [1, 1]));
        assert!(wgsl::fits([8, 2048, 96, 96], [255, 2048]));
        assert!(!wgsl::fits([1 << 10, 1 << 11, 1 << 5, 1 << 5], [19, 1 << 11]));
        // More tiles of slots and channels than a lane's loops count, or more slots than dispatch.
        assert!(!wgsl::fits([1, 1 << 14, 1, 1], [100, 1 << 14]));
        assert!(!wgsl::fits([1, 1, 1, 1], [20 * 65_535 + 1, 1]));
    }
}
