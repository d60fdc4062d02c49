//! Declaration and reference of `confusion_counts.wgsl`.

use crate::{Shader, add, read};

/// Words of four pixels of one workgroup.
pub const WORDS_PER_WORKGROUP: u32 = 256;

/// `confusion_counts.wgsl`.
pub const SHADER: Shader = Shader {
    name: "confusion_counts",
    source: include_str!("confusion_counts.wgsl"),
    workgroup_size: [WORDS_PER_WORKGROUP, 1, 1],
    bindings: &[read("truth"), read("prediction"), add("counts"), read("parameters")],
    constants: &[("LANES", WORDS_PER_WORKGROUP)],
};

/// Adds the pixels of each true (row) and predicted class to `counts`, [K + 1, K + 1], whose last row
/// and column are those of no class; modulo 2^32.
pub fn reference(truth: &[u8], prediction: &[u8], classes: usize, counts: &mut [u32]) {
    for (&truth, &prediction) in truth.iter().zip(prediction) {
        let [row, column] = [truth, prediction].map(|id| usize::from(id).min(classes));
        let count = &mut counts[row * (classes + 1) + column];
        *count = count.wrapping_add(1);
    }
}
