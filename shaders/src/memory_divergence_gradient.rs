//! Declaration and reference of `memory_divergence_gradient.wgsl`.

use crate::{Shader, memory_divergence::Inputs, read, vectors::inner_product, write};

/// Channels of one workgroup; the bias takes the place of one more channel.
pub const CHANNELS_PER_WORKGROUP: u32 = 64;

/// `memory_divergence_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_divergence_gradient",
    source: include_str!("memory_divergence_gradient.wgsl"),
    workgroup_size: [CHANNELS_PER_WORKGROUP, 1, 1],
    bindings: &[
        read("memory"),
        read("weight"),
        read("kept"),
        read("loss_gradient"),
        write("memory_gradient"),
        write("weight_gradient"),
        write("bias_gradient"),
        read("parameters"),
    ],
    constants: &[("LANES", CHANNELS_PER_WORKGROUP)],
};

/// Gradients of memory, weight and bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// [K, C].
    pub memory: Vec<f64>,
    /// [K, C].
    pub weight: Vec<f64>,
    /// `[K]`.
    pub bias: Vec<f64>,
}

/// The gradients, given those of the two losses.
pub fn reference(inputs: &Inputs<'_>, loss_gradient: [f64; 2]) -> Gradients {
    let (slots, channels) = (inputs.bias.len(), inputs.channels);
    let mut gradients = Gradients {
        memory: vec![0.0; slots * channels],
        weight: vec![0.0; slots * channels],
        bias: vec![0.0; slots],
    };
    for slot in 0..slots {
        let scores = inputs.scores(slot);
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
        for (other, score) in scores.iter().enumerate() {
            let is_own = slot == other;
            let product = inner_product(inputs.slot(slot), inputs.slot(other));
            let alike = if product > 0.0 && !is_own { inputs.divergence_scale } else { 0.0 };
            let probability = (score - largest).exp() / sum;
            let error = inputs.classification_scale * (probability - f64::from(u8::from(is_own)));
            for channel in 0..channels {
                let (at, of) = (slot * channels + channel, other * channels + channel);
                // The product reaches both of its slots.
                gradients.memory[at] += loss_gradient[0] * alike * inputs.memory[of];
                gradients.memory[of] += loss_gradient[0] * alike * inputs.memory[at];
                gradients.memory[at] += loss_gradient[1] * error * inputs.weight[of];
                gradients.weight[of] += loss_gradient[1] * error * inputs.memory[at];
            }
            gradients.bias[other] += loss_gradient[1] * error;
        }
    }
    gradients
}
