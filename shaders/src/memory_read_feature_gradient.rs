//! Declaration and reference of `memory_read_feature_gradient.wgsl`.

use crate::{
    Shader,
    memory_read::{Inputs, Outputs, SMALLEST_NORM, inner_product, norm},
    read, write,
};

/// Pixels of one workgroup.
pub const PIXELS_PER_WORKGROUP: u32 = 16;

/// `memory_read_feature_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_read_feature_gradient",
    source: include_str!("memory_read_feature_gradient.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("features"),
        read("memory"),
        read("score_gradient"),
        read("normalized_gradient"),
        write("feature_gradient"),
        write("inverse_norms"),
        read("parameters"),
    ],
    constants: &[("PIXELS", PIXELS_PER_WORKGROUP)],
};

/// The gradient of the features, given everything that reaches the scores.
///
/// Shapes: `score_gradient` [N, K], result [N, C].
pub fn reference(
    inputs: &Inputs<'_>,
    outputs: &Outputs,
    gradients: &Outputs,
    score_gradient: &[f64],
) -> Vec<f64> {
    let (channels, slots) = (inputs.channels, inputs.slots());
    let mut feature_gradient = vec![];
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
        feature_gradient.extend(total.iter().zip(normalized).map(|(gradient, unit)| {
            if norm < SMALLEST_NORM {
                gradient / SMALLEST_NORM
            } else {
                (gradient - unit * along) / norm
            }
        }));
    }
    feature_gradient
}
