//! The memory write: each slot moves towards the mean feature of its class.

mod autodiff;
mod plain;
mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};

use crate::{
    l2_norm::l2_normalize_pair,
    labels::{LabelMaps, LabelWeights},
};
pub use plain::{class_sums_plain, memory_write_plain};
use wgsl::{MemoryWriteOps, SlotRule, Sums};

/// How features are summed by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumRule {
    /// K; labels of at least K are ignored.
    pub classes: usize,
    /// What full-resolution labels weigh at a feature pixel.
    pub label_weights: LabelWeights,
    /// Whether each pixel's feature is divided by its L2 norm first.
    pub normalize: bool,
}

/// What the pixels of each class add up to.
#[derive(Clone, Debug)]
pub struct ClassSums {
    /// Features times label weights, `[K, C]`.
    pub sums: Tensor<2>,
    /// Label weights, `[K]`; 0 exactly where no pixel looks at a class. No gradient goes through.
    pub totals: Tensor<1>,
}

/// How slots move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WriteRule {
    /// Share of the old slot that stays where its class is present.
    pub momentum: f64,
    /// Whether all slots are L2-normalised afterwards.
    pub normalize_slots: bool,
    /// What full-resolution labels weigh at a feature pixel.
    pub label_weights: LabelWeights,
}

/// Sums features by class, differentiably in the features.
///
/// Runs as WGSL on a wgpu device with f32 features, and as [`class_sums_plain`] elsewhere. The
/// labels' weights are computed where they are used, from the integers.
///
/// Shapes: `features` `[B, C, h, w]`, `labels` `[B, H, W]`.
///
/// # Panics
///
/// If the shapes disagree or K or C is zero.
///
/// Source: Kim et al., CVPR 2022, Eq. 1; `Memory_sup.write` in network/memory.py.
pub fn class_sums(features: Tensor<4>, labels: &LabelMaps, rule: SumRule) -> ClassSums {
    check(&features, labels, rule.classes);
    let sizes = Sums::new(features.dims(), labels.size(), rule);
    let (Some(words), Some(sizes)) = (labels.words(), sizes.filter(|_| is_f32(&features))) else {
        return class_sums_plain(features, labels, rule);
    };
    let [_, channels, height, width] = features.dims();
    let taps = labels.taps([height, width], rule.label_weights, &features.device());
    let sums: Tensor<2> = Tensor::from_dispatch(<Dispatch as MemoryWriteOps>::class_sums(
        features.into_dispatch(),
        words.clone().into_dispatch(),
        taps.into_dispatch(),
        sizes,
    ));
    let totals = sums.clone().detach().slice_dim(1, channels..=channels);
    ClassSums { sums: sums.slice_dim(1, 0..channels), totals: totals.reshape([rule.classes]) }
}

/// Moves each slot of `memory` towards the mean normalised feature of its class, differentiably in
/// the features; the old memory is a constant.
///
/// A class that no pixel looks at keeps its slot: the very numbers, unless all slots are
/// normalised. Nothing is read back from the device.
/// Runs as WGSL on a wgpu device where both tensors are f32, and as [`memory_write_plain`]
/// elsewhere.
///
/// Shapes: `features` `[B, C, h, w]`, `labels` `[B, H, W]`, `memory` and result `[K, C]`.
///
/// # Panics
///
/// If the shapes disagree or K or C is zero.
///
/// Source: Kim et al., CVPR 2022, Eq. 1-2; `Memory_sup.write` in network/memory.py.
pub fn memory_write(
    features: Tensor<4>,
    labels: &LabelMaps,
    memory: Tensor<2>,
    rule: WriteRule,
) -> Tensor<2> {
    let sum_rule = checked_rule(&features, labels, &memory, rule);
    let sizes = Sums::new(features.dims(), labels.size(), sum_rule);
    let runs_as_wgsl = is_f32(&features) && memory.dtype() == DType::F32;
    let (Some(words), Some(sizes)) = (labels.words(), sizes.filter(|_| runs_as_wgsl)) else {
        return memory_write_plain(features, labels, memory, rule);
    };
    let [_, _, height, width] = features.dims();
    let taps = labels.taps([height, width], rule.label_weights, &features.device());
    Tensor::from_dispatch(<Dispatch as MemoryWriteOps>::memory_write(
        features.into_dispatch(),
        words.clone().into_dispatch(),
        taps.into_dispatch(),
        memory.detach().into_dispatch(),
        sizes,
        SlotRule {
            momentum: rule.momentum as f32,
            normalize_slots: u32::from(rule.normalize_slots),
        },
    ))
}

/// [`memory_write`] and its derivative along `tangent`, the features' derivative; differentiable
/// in both.
///
/// Shapes: `features` and `tangent` `[B, C, h, w]`, `memory` and both results `[K, C]`.
///
/// # Panics
///
/// As [`memory_write`].
pub fn memory_write_pair(
    features: Tensor<4>,
    tangent: Tensor<4>,
    labels: &LabelMaps,
    memory: Tensor<2>,
    rule: WriteRule,
) -> (Tensor<2>, Tensor<2>) {
    let sum_rule = SumRule { normalize: false, ..checked_rule(&features, labels, &memory, rule) };
    let (normalized, tangent) = l2_normalize_pair(features, tangent, 1);
    let ClassSums { sums, totals } = class_sums(normalized, labels, sum_rule);
    let tangent = class_sums(tangent, labels, sum_rule).sums;
    let step = plain::Step::new(totals, rule.momentum);
    let (moved, tangent) = (step.moved(memory, sums), step.gained(tangent));
    if rule.normalize_slots { l2_normalize_pair(moved, tangent, 1) } else { (moved, tangent) }
}

fn check(features: &Tensor<4>, labels: &LabelMaps, classes: usize) {
    let [batch, channels, height, width] = features.dims();
    let [images, label_height, label_width] = labels.size();
    assert_eq!(images, batch, "images of the labels, of the features");
    assert!(classes > 0 && channels > 0, "class sums of {channels} channels and {classes} classes");
    assert!(
        label_height * label_width > 0 || batch * height * width == 0,
        "labels of {label_height}x{label_width} for features of {height}x{width}"
    );
}

fn checked_rule(
    features: &Tensor<4>,
    labels: &LabelMaps,
    memory: &Tensor<2>,
    rule: WriteRule,
) -> SumRule {
    let [classes, channels] = memory.dims();
    assert_eq!(channels, features.dims()[1], "channels of the memory, of the features");
    check(features, labels, classes);
    SumRule { classes, label_weights: rule.label_weights, normalize: true }
}

fn is_f32(features: &Tensor<4>) -> bool {
    features.dtype() == DType::F32
}
