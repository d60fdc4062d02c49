//! Declaration and reference of `memory_read_memory_gradient.wgsl`.

use crate::{
    Shader,
    memory_read::{Inputs, Outputs},
    read, write,
};

/// Pixels that go through workgroup memory at a time; a block is a multiple of it.
pub const TILE_PIXELS: u32 = 32;

/// Slots of one workgroup.
pub const SLOTS_PER_WORKGROUP: u32 = 20;

/// Channels of one workgroup.
pub const CHANNELS_PER_WORKGROUP: u32 = 32;

/// `memory_read_memory_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_read_memory_gradient",
    source: include_str!("memory_read_memory_gradient.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("joined"),
        read("score_gradient"),
        read("weights"),
        read("joined_gradient"),
        write("block_gradients"),
        read("parameters"),
    ],
    constants: &[
        ("CHANNELS", CHANNELS_PER_WORKGROUP),
        ("TILE_PIXELS", TILE_PIXELS),
        ("SLOTS", SLOTS_PER_WORKGROUP),
    ],
};

/// The gradient of the memory, given everything that reaches the scores, summed over all pixels.
///
/// Shapes: `score_gradient` [N, K], result [K, C].
pub fn reference(
    inputs: &Inputs<'_>,
    outputs: &Outputs,
    gradients: &Outputs,
    score_gradient: &[f64],
) -> Vec<f64> {
    let (channels, slots) = (inputs.channels, inputs.slots());
    let mut memory_gradient = vec![0.0; slots * channels];
    for pixel in 0..inputs.pixels() {
        for slot in 0..slots {
            for channel in 0..channels {
                memory_gradient[slot * channels + channel] += score_gradient[pixel * slots + slot]
                    * outputs.normalized[pixel * channels + channel]
                    + outputs.weights[pixel * slots + slot]
                        * gradients.readout[pixel * channels + channel];
            }
        }
    }
    memory_gradient
}
