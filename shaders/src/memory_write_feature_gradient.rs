//! Declaration and reference of `memory_write_feature_gradient.wgsl`.

use crate::{
    Shader,
    memory_write_sums::Inputs,
    read,
    vectors::{SMALLEST_NORM, inner_product, norm},
    write,
};

/// Pixels of one workgroup.
pub const PIXELS_PER_WORKGROUP: u32 = 8;

/// `memory_write_feature_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_write_feature_gradient",
    source: include_str!("memory_write_feature_gradient.wgsl"),
    workgroup_size: [256, 1, 1],
    bindings: &[
        read("features"),
        read("labels"),
        read("taps"),
        read("sum_gradient"),
        write("feature_gradient"),
        read("parameters"),
    ],
    constants: &[("LANES", 256), ("PIXELS", PIXELS_PER_WORKGROUP)],
};

/// The gradient of the features, given that of the class sums.
///
/// Shapes: `sum_gradient` [K, C], result [B, C, h, w].
pub fn reference(inputs: &Inputs<'_>, sum_gradient: &[f64]) -> Vec<f64> {
    let mut feature_gradient = vec![0.0; inputs.features.len()];
    for pixel in 0..inputs.pixels() {
        let mut of_normalized = vec![0.0; inputs.channels];
        let weights = inputs.weights(pixel);
        for (weight, of_class) in weights.iter().zip(sum_gradient.chunks_exact(inputs.channels)) {
            for (sum, gradient) in of_normalized.iter_mut().zip(of_class) {
                *sum += weight * gradient;
            }
        }
        let feature = inputs.feature(pixel);
        let divisor = inputs.divisor(pixel);
        let projects = inputs.normalize && norm(&feature) >= SMALLEST_NORM;
        let along = if projects { inner_product(&feature, &of_normalized) / divisor } else { 0.0 };
        for (channel, (value, gradient)) in feature.iter().zip(&of_normalized).enumerate() {
            feature_gradient[inputs.at(pixel, channel)] =
                (gradient - value / divisor * along) / divisor;
        }
    }
    feature_gradient
}
