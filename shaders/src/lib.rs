//! The project's WGSL shaders, each with its declaration and a plain-Rust reference beside it.
//!
//! A shader `name.wgsl` is valid WGSL as it stands. Its neighbour `name.rs` declares what the host
//! must know (`SHADER`) and computes the same result on slices, in `f64` or, where bytes are
//! rounded, in the very precision of the rule, with loops a reader can check by eye. Adding a shader
//! is one pair of files and one line in [`SHADERS`].
#![forbid(unsafe_code)]

pub mod augment_blur;
pub mod augment_jitter;
pub mod col2im;
pub mod confusion_counts;
pub mod grouped_weight_gradient;
pub mod im2col;
pub mod memory_divergence;
pub mod memory_divergence_gradient;
pub mod memory_read;
pub mod memory_read_gradient;
pub mod memory_read_memory_gradient;
pub mod memory_write_feature_gradient;
pub mod memory_write_slot_gradient;
pub mod memory_write_slots;
pub mod memory_write_sums;
pub mod sum_blocks;
pub mod sum_rows;
pub mod upsampled_argmax;
pub mod upsampled_cross_entropy;
pub mod upsampled_cross_entropy_gradient;
mod vectors;

/// Every shader of the project.
pub const SHADERS: &[&Shader] = &[
    &augment_jitter::SHADER,
    &augment_blur::SHADER,
    &memory_read::SHADER,
    &memory_read_gradient::SHADER,
    &memory_read_memory_gradient::SHADER,
    &memory_write_sums::SHADER,
    &memory_write_slots::SHADER,
    &memory_write_slot_gradient::SHADER,
    &memory_write_feature_gradient::SHADER,
    &memory_divergence::SHADER,
    &memory_divergence_gradient::SHADER,
    &sum_blocks::SHADER,
    &im2col::SHADER,
    &col2im::SHADER,
    &grouped_weight_gradient::SHADER,
    &upsampled_cross_entropy::SHADER,
    &upsampled_cross_entropy_gradient::SHADER,
    &sum_rows::SHADER,
    &upsampled_argmax::SHADER,
    &confusion_counts::SHADER,
];

/// What the host must know to launch one shader, whose entry point is `main`.
#[derive(Debug, PartialEq, Eq)]
pub struct Shader {
    /// The file name without its ending, unique in [`SHADERS`].
    pub name: &'static str,
    /// The WGSL text.
    pub source: &'static str,
    /// Lanes of one workgroup along x, y and z.
    pub workgroup_size: [u32; 3],
    /// The storage buffers of group 0 in the order of their binding numbers.
    pub bindings: &'static [Binding],
    /// Constants of the WGSL text that the dispatch depends on.
    pub constants: &'static [(&'static str, u32)],
}

/// One storage buffer of a shader, declared `read_write` in WGSL like all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name in the WGSL text.
    pub name: &'static str,
    /// What the shader does with the buffer.
    pub access: Access,
}

/// What a shader does with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The buffer is an input.
    Read,
    /// The buffer is an output and need not be initialised.
    Write,
    /// The buffer holds numbers that the shader adds to.
    Add,
}

const fn read(name: &'static str) -> Binding {
    Binding { name, access: Access::Read }
}

const fn write(name: &'static str) -> Binding {
    Binding { name, access: Access::Write }
}

const fn add(name: &'static str) -> Binding {
    Binding { name, access: Access::Add }
}
