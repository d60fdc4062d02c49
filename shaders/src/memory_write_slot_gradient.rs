//! Declaration and reference of `memory_write_slot_gradient.wgsl`.

use crate::{
    Shader,
    memory_write_slots::Inputs,
    read,
    vectors::{SMALLEST_NORM, inner_product, norm},
    write,
};

/// `memory_write_slot_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_write_slot_gradient",
    source: include_str!("memory_write_slot_gradient.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("sums"),
        read("memory"),
        read("written_gradient"),
        write("sum_gradient"),
        read("parameters"),
    ],
    constants: &[("LANES", 64)],
};

/// The gradient of the class sums, given that of the written memory.
///
/// Shapes: `written_gradient` and result [K, C].
pub fn reference(inputs: &Inputs<'_>, written_gradient: &[f64]) -> Vec<f64> {
    let mut sum_gradient = vec![];
    for (class, of_slot) in written_gradient.chunks_exact(inputs.channels).enumerate() {
        let moved = inputs.moved(class);
        let divisor = inputs.divisor(&moved);
        let projects = inputs.normalize_slots && norm(&moved) >= SMALLEST_NORM;
        let along = if projects { inner_product(&moved, of_slot) / divisor } else { 0.0 };
        let total = inputs.total(class);
        let gain = if total == 0.0 { 0.0 } else { (1.0 - inputs.momentum) / total };
        for (value, gradient) in moved.iter().zip(of_slot) {
            sum_gradient.push(gain * (gradient - value / divisor * along) / divisor);
        }
    }
    sum_gradient
}
