//! The memory write in plain Burn operations.

use burn::tensor::{Bool, Tensor, TensorData};

use super::{ClassSums, SumRule, WriteRule, check, checked_rule};
use crate::{l2_norm::l2_normalize, labels::LabelMaps};

/// Sums features by class with plain Burn operations, on any device: the twin that
/// [`class_sums`](super::class_sums) is tested against. The weights come from the host.
///
/// # Panics
///
/// As [`class_sums`](super::class_sums).
pub fn class_sums_plain(features: Tensor<4>, labels: &LabelMaps, rule: SumRule) -> ClassSums {
    check(&features, labels, rule.classes);
    let [batch, channels, height, width] = features.dims();
    let pixels = batch * height * width;
    let weights = labels.weights([height, width], rule.classes, rule.label_weights);
    let mut totals = vec![0.0; rule.classes];
    for pixel in weights.chunks_exact(rule.classes) {
        for (total, weight) in totals.iter_mut().zip(pixel) {
            *total += weight;
        }
    }
    let constant = |values: Vec<f64>, dims: [usize; 2]| {
        let device = features.device().without_autodiff();
        Tensor::<2>::from_data(TensorData::new(values, dims), (&device, features.dtype()))
    };
    let totals = constant(totals, [rule.classes, 1]).reshape([rule.classes]);
    let weights = constant(weights, [pixels, rule.classes]);
    let rows = features.permute([0, 2, 3, 1]).reshape([pixels, channels]); // [B h w, C]
    let rows = if rule.normalize { l2_normalize(rows, 1) } else { rows };
    ClassSums { sums: weights.transpose().matmul(rows), totals }
}

/// Writes the memory with plain Burn operations, on any device: the twin that
/// [`memory_write`](super::memory_write) is tested against.
///
/// # Panics
///
/// As [`memory_write`](super::memory_write).
pub fn memory_write_plain(
    features: Tensor<4>,
    labels: &LabelMaps,
    memory: Tensor<2>,
    rule: WriteRule,
) -> Tensor<2> {
    let sum_rule = checked_rule(&features, labels, &memory, rule);
    let ClassSums { sums, totals } = class_sums_plain(features, labels, sum_rule);
    let moved = Step::new(totals, rule.momentum).moved(memory, sums);
    if rule.normalize_slots { l2_normalize(moved, 1) } else { moved }
}

/// How far slots move.
pub(super) struct Step {
    /// What multiplies the old slot, `[K, 1]`: m, or 1 where the class is absent.
    keep: Tensor<2>,
    /// What multiplies the class's sum, `[K, 1]`: (1 - m) / total.
    gain: Tensor<2>,
    is_absent: Tensor<2, Bool>,
}

impl Step {
    pub(super) fn new(totals: Tensor<1>, momentum: f64) -> Self {
        let classes = totals.dims()[0];
        let totals = totals.reshape([classes, 1]);
        let is_absent = totals.clone().equal_elem(0.0);
        let keep = totals.full_like(momentum).mask_fill(is_absent.clone(), 1.0);
        let gain = totals.mask_fill(is_absent.clone(), 1.0).recip().mul_scalar(1.0 - momentum);
        Self { keep, gain, is_absent }
    }

    /// The slots after the step, `[K, C]`.
    pub(super) fn moved(&self, memory: Tensor<2>, sums: Tensor<2>) -> Tensor<2> {
        memory.detach() * self.keep.clone() + self.gained(sums)
    }

    /// What the sums add, `[K, C]`: nothing where a class is absent, even if its sums, of no
    /// weight, are no numbers.
    pub(super) fn gained(&self, sums: Tensor<2>) -> Tensor<2> {
        let is_absent = self.is_absent.clone().expand(sums.dims());
        (sums * self.gain.clone()).mask_fill(is_absent, 0.0)
    }
}
