//! The divergence losses and their gradient as shader launches.

use burn::backend::{
    Backend, Cube, DType, Shape, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn_cubecl::{
    kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{memory_divergence, memory_divergence_gradient, sum_blocks};

use crate::launch::{WORKGROUPS_MAX, launch};

/// The divergence losses on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait MemoryDivergenceOps: Backend {
    /// Divergence and classification, `[2]`; see [`crate::memory_divergence`].
    fn memory_divergence(
        memory: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        scales: Scales,
    ) -> FloatTensor<Self>;
}

/// What multiplies the two sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales {
    pub(super) divergence: f32,
    pub(super) classification: f32,
}

/// Whether every index fits `u32` and every dispatch its limit.
pub(super) fn fits([slots, channels]: [usize; 2]) -> bool {
    let is_u32 = |size: Option<usize>| size.is_some_and(|size| u32::try_from(size).is_ok());
    slots <= WORKGROUPS_MAX as usize
        && is_u32(slots.checked_mul(channels))
        && is_u32(slots.checked_mul(2 * slots))
        && channels < WORKGROUPS_MAX as usize
}

#[derive(Clone, Copy, NoUninit)]
#[repr(C)]
struct Parameters {
    slots: u32,
    channels: u32,
    divergence_scale: f32,
    classification_scale: f32,
}

impl Parameters {
    fn of(memory: &CubeTensor, scales: Scales) -> Self {
        let shape = memory.shape();
        Self {
            // Checked by `fits` before the first launch.
            slots: shape[0] as u32,
            channels: shape[1] as u32,
            divergence_scale: scales.divergence,
            classification_scale: scales.classification,
        }
    }
}

impl MemoryDivergenceOps for Cube {
    fn memory_divergence(
        memory: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        scales: Scales,
    ) -> CubeTensor {
        let [memory, weight, bias] = [memory, weight, bias].map(into_contiguous);
        losses([&memory, &weight, &bias], scales).0
    }
}

/// Both losses, `[2]`, and what the backward pass needs of them; of contiguous tensors.
pub(super) fn losses(
    [memory, weight, bias]: [&CubeTensor; 3],
    scales: Scales,
) -> (CubeTensor, CubeTensor) {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct SumParameters {
        blocks: u32,
        elements: u32,
    }

    let parameters = Parameters::of(memory, scales);
    let slots = parameters.slots;
    let terms = empty(memory, [slots, 2]);
    let kept = empty(memory, [2, slots, slots]);
    launch(
        &memory_divergence::SHADER,
        &[memory, weight, bias, &terms, &kept],
        &parameters,
        [slots, 1, 1],
    );
    let losses = empty(memory, [2]);
    let elements = SumParameters { blocks: slots, elements: 2 };
    launch(&sum_blocks::SHADER, &[&terms, &losses], &elements, [1, 1, 1]);
    (losses, kept)
}

/// Gradients of memory, weight and bias, given that of the losses.
pub(super) fn gradients(
    [memory, weight]: [&CubeTensor; 2],
    kept: &CubeTensor,
    of_losses: CubeTensor,
    scales: Scales,
) -> [CubeTensor; 3] {
    use memory_divergence_gradient::{CHANNELS_PER_WORKGROUP, SHADER};

    let parameters = Parameters::of(memory, scales);
    let Parameters { slots, channels, .. } = parameters;
    let of_losses = into_contiguous(of_losses);
    let of_memory = empty(memory, [slots, channels]);
    let of_weight = empty(memory, [slots, channels]);
    let of_bias = empty(memory, [slots]);
    launch(
        &SHADER,
        &[memory, weight, kept, &of_losses, &of_memory, &of_weight, &of_bias],
        &parameters,
        [slots, (channels + 1).div_ceil(CHANNELS_PER_WORKGROUP), 1],
    );
    [of_memory, of_weight, of_bias]
}

fn empty<const D: usize>(like: &CubeTensor, dims: [u32; D]) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        Shape::new(dims.map(|dim| dim as usize)),
        DType::F32,
    )
}
