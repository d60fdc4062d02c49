//! Declaration and references of `memory_read_gradient.wgsl`.

use crate::{
    Shader,
    memory_read::{CHANNELS_AT_A_TIME, Inputs, Outputs, SLOTS_AT_A_TIME},
    read,
    vectors::{SMALLEST_NORM, inner_product, norm},
    write,
};

/// Pixels of one workgroup.
pub const PIXELS_PER_WORKGROUP: u32 = 32;

/// `memory_read_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_read_gradient",
    source: include_str!("memory_read_gradient.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("memory"),
        read("joined"),
        read("squared_norms"),
        read("scores"),
        read("weights"),
        read("score_gradient"),
        read("weight_gradient"),
        read("joined_gradient"),
        write("total"),
        write("feature_gradient"),
        read("parameters"),
    ],
    constants: &[
        ("PIXELS", PIXELS_PER_WORKGROUP),
        ("SLOTS", SLOTS_AT_A_TIME as u32),
        ("CHANNELS", CHANNELS_AT_A_TIME as u32),
    ],
};

/// Everything that reaches the scores: their own gradient, the weights' and the readout's.
///
/// Shapes: result [N, K].
pub fn score_gradient(inputs: &Inputs<'_>, outputs: &Outputs, gradients: &Outputs) -> Vec<f64> {
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

/// The gradient of the features, given everything that reaches the scores.
///
/// Shapes: `score_gradient` [N, K], result [N, C].
pub fn feature_gradient(
    inputs: &Inputs<'_>,
    outputs: &Outputs,
    gradients: &Outputs,
    score_gradient: &[f64],
) -> Vec<f64> {
    let (channels, slots) = (inputs.channels, inputs.slots());
    let mut gradients_of_features = vec![];
    for pixel in 0..inputs.pixels() {
        let mut total = gradients.normalized[pixel * channels..][..channels].to_vec();
        for slot in 0..slots {
            let slot_values = &inputs.memory[slot * channels..][..channels];
            for (sum, value) in total.iter_mut().zip(slot_values) {
                *sum += score_gradient[pixel * slots + slot] * value;
            }
        }
        let normalized = &outputs.normalized[pixel * channels..][..channels];
        let norm = norm(&inputs.features[pixel * channels..][..channels]);
        let along = inner_product(normalized, &total);
        gradients_of_features.extend(total.iter().zip(normalized).map(|(gradient, unit)| {
            if norm < SMALLEST_NORM {
                gradient / SMALLEST_NORM
            } else {
                (gradient - unit * along) / norm
            }
        }));
    }
    gradients_of_features
}
