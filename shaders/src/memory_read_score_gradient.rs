//! Declaration and reference of `memory_read_score_gradient.wgsl`.

use crate::{
    Shader,
    memory_read::{Inputs, Outputs, inner_product},
    read, write,
};

/// Pixels of one workgroup.
pub const PIXELS_PER_WORKGROUP: u32 = 16;

/// `memory_read_score_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_read_score_gradient",
    source: include_str!("memory_read_score_gradient.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("memory"),
        read("weights"),
        read("score_gradient"),
        read("weight_gradient"),
        read("readout_gradient"),
        write("total"),
        read("parameters"),
    ],
    constants: &[("PIXELS", PIXELS_PER_WORKGROUP)],
};

/// Everything that reaches the scores: their own gradient, the weights' and the readout's.
///
/// Shapes: result [N, K].
pub fn reference(inputs: &Inputs<'_>, outputs: &Outputs, gradients: &Outputs) -> Vec<f64> {
    let (channels, slots) = (inputs.channels, inputs.slots());
    let mut total = vec![];
    for pixel in 0..inputs.pixels() {
        let weights = &outputs.weights[pixel * slots..][..slots];
        let readout_gradient = &gradients.readout[pixel * channels..][..channels];
        let weight_gradient: Vec<f64> = (0..slots)
            .map(|slot| {
                gradients.weights[pixel * slots + slot]
                    + inner_product(readout_gradient, &inputs.memory[slot * channels..][..channels])
            })
            .collect();
        let mean = inner_product(weights, &weight_gradient);
        for slot in 0..slots {
            let through_softmax =
                weights[slot] * (weight_gradient[slot] - mean) / inputs.temperature;
            total.push(gradients.scores[pixel * slots + slot] + through_softmax);
        }
    }
    total
}
