//! The memory write in plain Burn operations.

use burn::tensor::{Tensor, TensorData};

use super::{ClassSums, SumRule, WriteRule, check, checked_rule};
use crate::labels::LabelMaps;

/// The square of the smallest norm that anything is divided by: 1e-12, as in
/// `torch.nn.functional.normalize`.
const SMALLEST_SQUARED_NORM: f64 = 1e-24;

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
    let rows = if rule.normalize { normalized(rows) } else { rows };
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
    let [keep, gain] = step(totals, rule.momentum);
    let moved = memory.detach() * keep + sums * gain;
    if rule.normalize_slots { normalized(moved) } else { moved }
}

/// What multiplies the old slot and what the class's sum, each `[K, 1]`: (m, (1 - m) / total), and
/// (1, 0) where the total is 0.
pub(super) fn step(totals: Tensor<1>, momentum: f64) -> [Tensor<2>; 2] {
    let classes = totals.dims()[0];
    let totals = totals.reshape([classes, 1]);
    let absent = totals.clone().equal_elem(0.0);
    let keep = totals.full_like(momentum).mask_fill(absent.clone(), 1.0);
    let gain = totals.mask_fill(absent.clone(), 1.0).recip().mul_scalar(1.0 - momentum);
    [keep, gain.mask_fill(absent, 0.0)]
}

/// Divides by the L2 norm along axis 1.
fn normalized(rows: Tensor<2>) -> Tensor<2> {
    let norm = norm(&rows);
    rows / norm
}

/// [`normalized`] with its derivative, along axis 1.
pub(super) fn normalized_pair<const D: usize>(
    value: Tensor<D>,
    tangent: Tensor<D>,
) -> (Tensor<D>, Tensor<D>) {
    let norm = norm(&value);
    let unit = value / norm.clone();
    let along = (unit.clone() * tangent.clone()).sum_dim(1);
    let tangent = (tangent - unit.clone() * along) / norm;
    (unit, tangent)
}

fn norm<const D: usize>(value: &Tensor<D>) -> Tensor<D> {
    // Clamped before the root, whose gradient at zero is infinite.
    value.clone().square().sum_dim(1).clamp_min(SMALLEST_SQUARED_NORM).sqrt()
}
