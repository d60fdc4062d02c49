//! Declaration and reference of `sum_blocks.wgsl`.

use crate::{Shader, read, write};

/// Elements of one workgroup.
pub const ELEMENTS_PER_WORKGROUP: u32 = 64;

/// `sum_blocks.wgsl`.
pub const SHADER: Shader = Shader {
    name: "sum_blocks",
    source: include_str!("sum_blocks.wgsl"),
    workgroup_size: [ELEMENTS_PER_WORKGROUP, 1, 1],
    bindings: &[read("blocks"), write("total"), read("parameters")],
    constants: &[("LANES", ELEMENTS_PER_WORKGROUP)],
};

/// The sum over the blocks.
///
/// Shapes: `blocks` [B, L], result L values, where L is `elements`.
pub fn reference(blocks: &[f64], elements: usize) -> Vec<f64> {
    let mut total = vec![0.0; elements];
    for block in blocks.chunks_exact(elements) {
        for (sum, value) in total.iter_mut().zip(block) {
            *sum += value;
        }
    }
    total
}
