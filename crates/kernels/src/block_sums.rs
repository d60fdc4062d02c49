//! The second half of a reduction: the sum over blocks, in their order.

use burn::backend::DType;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::NoUninit;
use shaders::sum_blocks::{ELEMENTS_PER_WORKGROUP, SHADER};

use crate::launch::{empty, launch};

/// The sum over the first axis of `[B, ..]`; the others are `dims`.
pub(crate) fn sum_blocks<const D: usize>(blocks: &CubeTensor, dims: [usize; D]) -> CubeTensor {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        blocks: u32,
        elements: u32,
    }

    let elements = dims.iter().product::<usize>() as u32;
    let count = blocks.meta.shape()[0] as u32;
    let total = empty(blocks, dims, DType::F32);
    launch(
        &SHADER,
        &[blocks, &total],
        &Parameters { blocks: count, elements },
        [elements.div_ceil(ELEMENTS_PER_WORKGROUP), 1, 1],
    );
    total
}
