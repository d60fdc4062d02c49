//! Declaration and reference of `memory_divergence.wgsl`.

use crate::{Shader, read, vectors::inner_product, write};

/// Slots that a workgroup compares its own with at a time.
pub const SLOTS_AT_A_TIME: usize = 8;

/// Lanes that share the channels of one of them.
pub const CHANNELS_AT_A_TIME: usize = 8;

/// `memory_divergence.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_divergence",
    source: include_str!("memory_divergence.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("memory"),
        read("weight"),
        read("bias"),
        write("terms"),
        write("kept"),
        read("parameters"),
    ],
    constants: &[
        ("LANES", 64),
        ("SLOTS", SLOTS_AT_A_TIME as u32),
        ("CHANNEL_LANES", CHANNELS_AT_A_TIME as u32),
    ],
};

/// What the divergence losses start from.
///
/// Shapes, row-major: `memory` and `weight` [K, C], `bias` `[K]`.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// C.
    pub channels: usize,
    /// One row per slot.
    pub memory: &'a [f64],
    /// One row per class of the classifier.
    pub weight: &'a [f64],
    /// One number per class.
    pub bias: &'a [f64],
    /// Multiplies the sum of the positive products of different slots.
    pub divergence_scale: f64,
    /// Multiplies the sum of the slots' cross entropies.
    pub classification_scale: f64,
}

impl Inputs<'_> {
    pub(crate) fn slot(&self, slot: usize) -> &[f64] {
        &self.memory[slot * self.channels..][..self.channels]
    }

    pub(crate) fn class(&self, class: usize) -> &[f64] {
        &self.weight[class * self.channels..][..self.channels]
    }

    /// The classifier's scores of a slot.
    pub(crate) fn scores(&self, slot: usize) -> Vec<f64> {
        let score = |class| inner_product(self.slot(slot), self.class(class)) + self.bias[class];
        (0..self.bias.len()).map(score).collect()
    }
}

/// Both losses: divergence and classification.
pub fn reference(inputs: &Inputs<'_>) -> [f64; 2] {
    let slots = inputs.bias.len();
    let mut losses = [0.0; 2];
    for slot in 0..slots {
        for other in (0..slots).filter(|&other| other != slot) {
            let product = inner_product(inputs.slot(slot), inputs.slot(other));
            // A product that is not a number stays one.
            let alike = if product <= 0.0 { 0.0 } else { product };
            losses[0] += inputs.divergence_scale * alike;
        }
        let scores = inputs.scores(slot);
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
        losses[1] += inputs.classification_scale * (sum.ln() + largest - scores[slot]);
    }
    losses
}
