//! The divergence losses of the memory: slots that are alike, slots that a classifier confuses.

mod autodiff;
mod wgsl;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor, activation},
};

use crate::launch::compiles_wgsl;
use wgsl::{MemoryDivergenceOps, Scales};

/// The losses of a written memory, each `[1]`.
#[derive(Clone, Debug)]
pub struct MemoryDivergence {
    /// The mean over the pairs of different slots of their inner product, where it is positive.
    pub divergence: Tensor<1>,
    /// The cross entropies of the classifier's scores of each slot against the slot's own class.
    pub classification: Tensor<1>,
}

/// Mean or sum over the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotSum {
    /// Mean (released code).
    Mean,
    /// Sum (paper).
    Sum,
}

impl SlotSum {
    /// What multiplies the sum over `slots` cross entropies.
    #[must_use]
    pub fn scale(self, slots: usize) -> f64 {
        match self {
            Self::Mean => 1.0 / slots as f64,
            Self::Sum => 1.0,
        }
    }
}

/// What multiplies the sum over the ordered pairs of different slots, of which one slot has none.
#[must_use]
pub fn pair_scale(slots: usize) -> f64 {
    1.0 / (slots * slots.saturating_sub(1)).max(1) as f64
}

/// The divergence losses, differentiably in memory, weight and bias.
///
/// Runs as WGSL on a wgpu device where every tensor is f32, and as [`memory_divergence_plain`]
/// elsewhere.
///
/// Shapes: `memory` and `weight` `[K, C]`, `bias` `[K]`.
///
/// # Panics
///
/// If the shapes disagree or K or C is zero.
///
/// Source: Kim et al., CVPR 2022, Eq. 7; `diversityloss` and `classification_loss` in
/// network/memory.py.
pub fn memory_divergence(
    memory: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    slot_sum: SlotSum,
) -> MemoryDivergence {
    check(&memory, &weight, &bias);
    let [slots, _] = memory.dims();
    let dtypes = [memory.dtype(), weight.dtype(), bias.dtype()];
    let runs_as_wgsl =
        dtypes == [DType::F32; 3] && compiles_wgsl(&memory.device()) && wgsl::fits(memory.dims());
    if !runs_as_wgsl {
        return memory_divergence_plain(memory, weight, bias, slot_sum);
    }
    let scales = Scales {
        divergence: pair_scale(slots) as f32,
        classification: slot_sum.scale(slots) as f32,
    };
    let losses: Tensor<1> =
        Tensor::from_dispatch(<Dispatch as MemoryDivergenceOps>::memory_divergence(
            memory.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            scales,
        ));
    MemoryDivergence {
        divergence: losses.clone().slice_dim(0, 0..1),
        classification: losses.slice_dim(0, 1..2),
    }
}

/// The divergence losses with plain Burn operations, on any device: the twin that
/// [`memory_divergence`] is tested against.
///
/// # Panics
///
/// As [`memory_divergence`].
pub fn memory_divergence_plain(
    memory: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    slot_sum: SlotSum,
) -> MemoryDivergence {
    check(&memory, &weight, &bias);
    let [slots, _] = memory.dims();
    let own = Tensor::<2>::eye(slots, &memory.device()).cast(memory.dtype()).detach();
    let others = own.clone().neg().add_scalar(1.0);
    let cosines = activation::relu(memory.clone().matmul(memory.clone().transpose()));
    let scores = memory.matmul(weight.transpose()) + bias.reshape([1, slots]);
    let own_scores = activation::log_softmax(scores, 1) * own;
    // Not divisions: Burn's backward pass of `div_scalar` rounds the divisor to f32.
    MemoryDivergence {
        divergence: (cosines * others).sum().mul_scalar(pair_scale(slots)),
        classification: own_scores.sum().mul_scalar(-slot_sum.scale(slots)),
    }
}

fn check(memory: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) {
    let [slots, channels] = memory.dims();
    assert!(slots > 0 && channels > 0, "divergence of {slots} slots and {channels} channels");
    assert_eq!(weight.dims(), [slots, channels], "shape of the classifier, of the memory");
    assert_eq!(bias.dims(), [slots], "biases of the classifier, slots of the memory");
}
