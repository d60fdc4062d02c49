//! The categorical memory: one unit vector per class, read by every feature pixel and written
//! with the mean feature of each class.
//!
//! Source: Kim et al., CVPR 2022, Eq. 1-5; `Memory_sup` in the reference's `network/memory.py`.
//! Where paper and released code differ, the difference is a setting here.

use burn::tensor::Tensor;
use kernels::{ClassSums, SumRule, WriteRule};
pub use kernels::{Noise, SlotSum};
use serde::{Deserialize, Serialize};

use crate::labels::{LabelMaps, LabelWeights};
use crate::layout::{Init, Layout};
use crate::mode::{Conv, MemoryDivergenceOf, MemoryReadOf, Mode, Plain};
use crate::pass::Pass;

const UPDATE_CONV: &str = "memory.writenet.writefeat.0";
const UPDATE_NORM: &str = "memory.writenet.writefeat.1";

/// The update network U, which makes of a feature what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateNetwork {
    /// None: the feature itself is written (paper, Table 9).
    None,
    /// 1x1 convolution and residual (paper).
    Conv,
    /// 1x1 convolution, batch normalisation, residual, ReLU (released code).
    ConvNormRelu,
}

/// Declares the memory's parameters: read convolution, update network U, classifier G.
pub(crate) fn declare(layout: &mut Layout, [classes, channels]: [usize; 2], update: UpdateNetwork) {
    // BN bias 1e-4 and N(0, 1e-4) are the reference's `initialize_weights` of the memory.
    layout.conv("memory.output.0", [channels, 2 * channels, 1], Init::KaimingFanIn);
    layout.batch_norm_layer("memory.output.1", channels, 1e-4);
    if update != UpdateNetwork::None {
        layout.conv(UPDATE_CONV, [channels, channels, 1], Init::KaimingFanIn);
    }
    if update == UpdateNetwork::ConvNormRelu {
        layout.batch_norm_layer(UPDATE_NORM, channels, 1e-4);
    }
    layout.push("memory.clsfier.weight".to_owned(), vec![classes, channels], Init::Normal(1e-4));
    layout.push("memory.clsfier.bias".to_owned(), vec![classes], Init::Constant(0.0));
}

/// Result of [`read`].
pub struct Read<M: Mode> {
    /// R, `[B, C, h, w]`: replaces F before the decoder.
    pub feature: M::T<4>,
    /// Cosine of every feature pixel with every slot, `[B, K, h, w]`.
    pub scores: M::T<4>,
    /// Softmax of the scores over the slots, `[B, K, h, w]`.
    pub weights: M::T<4>,
}

/// How the memory is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Divides the scores before the softmax; 1 in paper and code.
    pub temperature: f64,
    /// Gumbel noise added to the scores (released code), or none, the paper's softmax.
    pub noise: Noise,
}

impl ReadOptions {
    /// The paper's read: softmax, no temperature.
    pub const PAPER: Self = Self { temperature: 1.0, noise: Noise::None };
}

/// Reads the memory for every pixel of F.
///
/// Shapes: `feature` `[B, C, h, w]`, `memory` `[K, C]`.
/// Source: Eq. 3-5; the concatenation holds the normalised feature, as in the code.
pub fn read<M: Mode>(
    pass: &mut Pass<'_, M>,
    feature: M::T<4>,
    memory: M::T<2>,
    options: &ReadOptions,
) -> Read<M> {
    let MemoryReadOf { joined, scores, weights } =
        M::memory_read(feature, memory, options.noise.clone(), options.temperature);
    let names = ["memory.output.0", "memory.output.1"];
    let feature = pass.conv_norm_relu(names, joined, Conv::POINTWISE);
    Read { feature, scores, weights }
}

/// How the memory is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WriteOptions {
    /// Share of the old slot that stays (0.8).
    pub momentum: f64,
    /// Whether all slots are L2-normalised after the momentum step (code) or not (Eq. 2 as printed).
    pub normalize_slots: bool,
    /// What the network has of U.
    pub update_network: UpdateNetwork,
    /// Whether U gets the L2-normalised feature (paper) or F as it is (code).
    pub update_reads_normalized: bool,
    /// What full-resolution labels weigh at a feature pixel: soft (code) or hard (paper).
    pub label_weights: LabelWeights,
}

impl WriteOptions {
    /// The released code's write.
    pub const RELEASED: Self = Self {
        momentum: 0.8,
        normalize_slots: true,
        update_network: UpdateNetwork::ConvNormRelu,
        update_reads_normalized: false,
        label_weights: LabelWeights::Soft,
    };
}

/// Moves each slot towards the mean updated feature of its class.
///
/// A class without a pixel keeps its slot. The old memory is a constant.
/// Shapes: `feature` `[B, C, h, w]`, `memory` and result `[K, C]`.
/// Source: Eq. 1-2, `Memory_sup.write`.
pub fn write<M: Mode>(
    pass: &mut Pass<'_, M>,
    feature: M::T<4>,
    memory: &Tensor<2>,
    labels: &LabelMaps,
    options: WriteOptions,
) -> M::T<2> {
    let input = if options.update_reads_normalized { M::l2_normalize(feature, 1) } else { feature };
    let updated = update(pass, input, options.update_network);
    let rule = WriteRule {
        momentum: options.momentum,
        normalize_slots: options.normalize_slots,
        label_weights: options.label_weights,
    };
    M::memory_write(updated, labels, memory.clone(), rule)
}

/// U of `[B, C, h, w]`.
fn update<M: Mode>(pass: &mut Pass<'_, M>, input: M::T<4>, kind: UpdateNetwork) -> M::T<4> {
    match kind {
        UpdateNetwork::None => input,
        UpdateNetwork::Conv => {
            let residual = pass.conv(UPDATE_CONV, input.clone(), Conv::POINTWISE);
            M::add(input, residual)
        }
        UpdateNetwork::ConvNormRelu => {
            let residual = pass.conv(UPDATE_CONV, input.clone(), Conv::POINTWISE);
            let residual = pass.batch_norm(UPDATE_NORM, residual);
            M::relu(M::add(input, residual))
        }
    }
}

/// How alike the slots of a written memory, `[K, C]`, are, and how well the classifier G tells them
/// apart.
///
/// Source: Eq. 7, `diversityloss` and `classification_loss` of `Memory_sup`.
pub fn slot_losses<M: Mode>(
    pass: &Pass<'_, M>,
    memory: M::T<2>,
    slot_sum: SlotSum,
) -> MemoryDivergenceOf<M> {
    let weight = pass.parameter::<2>("memory.clsfier.weight");
    let bias = pass.parameter::<1>("memory.clsfier.bias");
    M::memory_divergence(memory, weight, bias, slot_sum)
}

/// Running sums of normalised features per class, for the memory's first value.
///
/// Source: `memory_initalize` in the reference: features F, not U(F).
#[derive(Clone, Debug)]
pub struct MemoryInit {
    sums: Tensor<2>,
    totals: Tensor<1>,
}

impl MemoryInit {
    /// No pixel seen yet; `like` gives shape `[K, C]`, device and precision.
    #[must_use]
    pub fn new(like: &Tensor<2>) -> Self {
        let totals = Tensor::zeros([like.dims()[0]], (&like.device(), like.dtype()));
        Self { sums: like.zeros_like(), totals }
    }

    /// Adds a batch: `feature` `[B, C, h, w]`.
    pub fn add(&mut self, feature: Tensor<4>, labels: &LabelMaps, label_weights: LabelWeights) {
        let rule = SumRule { classes: self.totals.dims()[0], label_weights, normalize: true };
        let ClassSums { sums, totals } = kernels::class_sums(feature, labels, rule);
        self.sums = self.sums.clone() + sums;
        self.totals = self.totals.clone() + totals;
    }

    /// The mean of each class, L2-normalised; a class never seen has a zero slot.
    #[must_use]
    pub fn finish(self) -> Tensor<2> {
        let [classes, _] = self.sums.dims();
        let never_seen = self.totals.clone().equal_elem(0.0);
        let divisors = self.totals.mask_fill(never_seen, 1.0).reshape([classes, 1]);
        Plain::l2_normalize(self.sums / divisors, 1)
    }
}

/// `[B, C, h, w]` to `[B h w, C]`.
pub fn to_rows<M: Mode>(x: M::T<4>) -> M::T<2> {
    let [batch, channels, height, width] = M::dims(&x);
    M::reshape(M::permute(x, [0, 2, 3, 1]), [batch * height * width, channels])
}

/// What a read computed in rows, of features of a shape: normalised features and readout
/// `[B h w, C]`, scores and weights `[B h w, K]`.
pub(crate) fn joined_maps<M: Mode>(
    [normalized, readout]: [M::T<2>; 2],
    [scores, weights]: [M::T<2>; 2],
    shape: [usize; 4],
) -> MemoryReadOf<M> {
    let joined = M::cat(vec![normalized, readout], 1);
    MemoryReadOf {
        joined: from_rows::<M>(joined, shape),
        scores: from_rows::<M>(scores, shape),
        weights: from_rows::<M>(weights, shape),
    }
}

/// `[B h w, X]` to `[B, X, h, w]`.
fn from_rows<M: Mode>(x: M::T<2>, [batch, _, height, width]: [usize; 4]) -> M::T<4> {
    let [_, columns] = M::dims(&x);
    M::permute(M::reshape(x, [batch, height, width, columns]), [0, 3, 1, 2])
}
