//! The divergence losses and their gradient as shader launches.

use burn::backend::{Backend, Cube, DType, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use bytemuck::NoUninit;
use shaders::{memory_divergence, memory_divergence_gradient};

use crate::{
    block_sums::sum_blocks,
    launch::{ITERATIONS_MAX, WORKGROUPS_MAX, empty, is_u32, launch, sizes},
};

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

/// Whether every index fits `u32`, every dispatch its limit and the loops of every lane theirs.
pub(super) fn fits([slots, channels]: [usize; 2]) -> bool {
    use memory_divergence::{CHANNELS_AT_A_TIME, SLOTS_AT_A_TIME};

    // Forward, once and some more for every few slots; backward, once for every slot.
    let rounds = channels.div_ceil(CHANNELS_AT_A_TIME) + CHANNELS_AT_A_TIME + 1;
    let iterations = slots.div_ceil(SLOTS_AT_A_TIME).saturating_mul(rounds).max(slots);
    slots <= WORKGROUPS_MAX as usize
        && iterations <= ITERATIONS_MAX
        && is_u32(&[slots, channels])
        && is_u32(&[2, slots, slots])
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
    let parameters = Parameters::of(memory, scales);
    let slots = parameters.slots;
    let terms = empty(memory, sizes([slots, 2]), DType::F32);
    let kept = empty(memory, sizes([2, slots, slots]), DType::F32);
    launch(
        &memory_divergence::SHADER,
        &[memory, weight, bias, &terms, &kept],
        &parameters,
        [slots, 1, 1],
    );
    (sum_blocks(&terms, [2]), kept)
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
    let [of_memory, of_weight] =
        [(); 2].map(|()| empty(memory, sizes([slots, channels]), DType::F32));
    let of_bias = empty(memory, sizes([slots]), DType::F32);
    launch(
        &SHADER,
        &[memory, weight, kept, &of_losses, &of_memory, &of_weight, &of_bias],
        &parameters,
        [slots, (channels + 1).div_ceil(CHANNELS_PER_WORKGROUP), 1],
    );
    [of_memory, of_weight, of_bias]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_a_loop_or_an_index_are_left_to_burn() {
        assert!(fits([19, 256]));
        assert!(fits([1, 1]));
        assert!(fits([255, 2048]));
        // 4 times 8183 rounds and 9 more, and one round further.
        assert!(fits([32, 8 * 8183]));
        assert!(!fits([32, 8 * 8183 + 1]));
        // Slots in pairs, and one by one.
        assert!(fits([26_208, 1]));
        assert!(!fits([26_216, 1]));
        assert!(!fits([1 << 16, 1 << 16]));
        assert!(!fits([usize::MAX, usize::MAX]));
    }
}
