//! Declaration and reference of `memory_write_slots.wgsl`.

use crate::{Shader, read, vectors::norm_divisor, write};

/// `memory_write_slots.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_write_slots",
    source: include_str!("memory_write_slots.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[read("sums"), read("memory"), write("written"), read("parameters")],
    constants: &[("LANES", 64)],
};

/// What a write starts from once the classes are summed.
///
/// Shapes, row-major: `sums` [K, C + 1] with the totals in the last column, `memory` [K, C].
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// C.
    pub channels: usize,
    /// Sums and total of each class.
    pub sums: &'a [f64],
    /// The slots before the write.
    pub memory: &'a [f64],
    /// The share of an old slot that stays where its class is present.
    pub momentum: f64,
    /// Whether every slot is divided by its norm.
    pub normalize_slots: bool,
}

impl Inputs<'_> {
    /// The total weight of a class.
    pub fn total(&self, class: usize) -> f64 {
        self.sums[class * (self.channels + 1) + self.channels]
    }

    /// A slot after the momentum step.
    pub fn moved(&self, class: usize) -> Vec<f64> {
        let old = &self.memory[class * self.channels..][..self.channels];
        let sums = &self.sums[class * (self.channels + 1)..][..self.channels];
        let total = self.total(class);
        if total == 0.0 {
            return old.to_vec();
        }
        let step =
            |(old, sum): (&f64, &f64)| self.momentum * old + (1.0 - self.momentum) * sum / total;
        old.iter().zip(sums).map(step).collect()
    }

    /// The norm that a moved slot is divided by.
    pub fn divisor(&self, moved: &[f64]) -> f64 {
        if self.normalize_slots { norm_divisor(moved) } else { 1.0 }
    }
}

/// The written memory.
///
/// Shapes: result [K, C].
pub fn reference(inputs: &Inputs<'_>) -> Vec<f64> {
    let classes = inputs.memory.len() / inputs.channels;
    let slot = |class| {
        let moved = inputs.moved(class);
        let divisor = inputs.divisor(&moved);
        moved.into_iter().map(move |value| value / divisor)
    };
    (0..classes).flat_map(slot).collect()
}
