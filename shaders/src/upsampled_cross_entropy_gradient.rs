//! Declaration and reference of `upsampled_cross_entropy_gradient.wgsl`.

use crate::{
    Shader, read,
    upsampled_cross_entropy::{Inputs, Outputs},
    write,
};

/// Cells of one workgroup along each axis; it writes one pixel less.
pub const CELLS_PER_SIDE: u32 = 16;

/// Classes of one workgroup.
pub const CLASSES_PER_WORKGROUP: u32 = 4;

/// `upsampled_cross_entropy_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "upsampled_cross_entropy_gradient",
    source: include_str!("upsampled_cross_entropy_gradient.wgsl"),
    workgroup_size: [CELLS_PER_SIDE * CELLS_PER_SIDE, 1, 1],
    bindings: &[
        read("logits"),
        read("tangent"),
        read("labels"),
        read("class_weights"),
        read("log_sums"),
        read("mean_tangents"),
        read("output_gradient"),
        write("gradient"),
        write("tangent_gradient"),
        read("parameters"),
    ],
    constants: &[("SIDE", CELLS_PER_SIDE), ("LANES", CELLS_PER_SIDE * CELLS_PER_SIDE)],
};

/// The gradients of logits and tangent, given those of loss and derivative.
///
/// Shapes: results [B, K, h, w], as the inputs; the shader's have the classes innermost.
pub fn reference(
    inputs: &Inputs<'_>,
    outputs: &Outputs,
    [of_loss, of_derivative]: [f64; 2],
) -> (Vec<f64>, Vec<f64>) {
    let plane = inputs.size[0] * inputs.size[1];
    let mut gradient = vec![0.0; inputs.logits.len()];
    let mut tangent_gradient = vec![0.0; inputs.logits.len()];
    for pixel in inputs.pixels() {
        let logits = inputs.upsampled(inputs.logits, &pixel);
        let tangents = inputs.upsampled(inputs.tangent, &pixel);
        let class_weight = inputs.class_weights[pixel.label];
        for class in 0..inputs.classes() {
            let softmax = (logits[class] - outputs.log_sums[pixel.index]).exp();
            let is_label = if class == pixel.label { 1.0 } else { 0.0 };
            let along = tangents[class] - outputs.mean_tangents[pixel.index];
            for (at, tap_weight) in &pixel.taps {
                let weight = tap_weight * class_weight;
                gradient[at + class * plane] +=
                    weight * (of_loss * (softmax - is_label) + of_derivative * softmax * along);
                tangent_gradient[at + class * plane] +=
                    weight * of_derivative * (softmax - is_label);
            }
        }
    }
    (gradient, tangent_gradient)
}
