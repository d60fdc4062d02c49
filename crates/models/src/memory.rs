//! The categorical memory: one unit vector per class, read by every feature pixel and written
//! with the mean feature of each class.
//!
//! Source: Kim et al., CVPR 2022, Eq. 1-5; `Memory_sup` in the reference's `network/memory.py`.
//! Where paper and released code differ, the difference is a setting here.

use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::labels::ClassWeights;
use crate::layout::{Init, Layout, tensor_from};
use crate::mode::{Conv, Mode, Plain};
use crate::pass::Pass;
use crate::random::Stream;

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
    /// Cosine of every feature pixel with every slot, `[N, K]`, N = B h w.
    pub scores: M::T<2>,
    /// Softmax of the scores over the slots, `[N, K]`.
    pub weights: M::T<2>,
}

/// How the memory is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Divides the scores before the softmax; 1 in paper and code.
    pub temperature: f64,
    /// Gumbel noise `[N, K]` added to the scores (released code); `None` is the paper's softmax.
    pub noise: Option<Tensor<2>>,
}

impl ReadOptions {
    /// The paper's read: softmax, no temperature.
    pub const PAPER: Self = Self { temperature: 1.0, noise: None };
}

/// Standard Gumbel noise `[N, K]` from `stream`, as in `torch.nn.functional.gumbel_softmax`.
#[must_use]
pub fn gumbel_noise(stream: Stream, shape: [usize; 2], device: &Device, dtype: DType) -> Tensor<2> {
    let len = (shape[0] * shape[1]) as u64;
    let values: Vec<f64> = (0..len).map(|index| stream.gumbel(index)).collect();
    tensor_from(&values, &device.clone().without_autodiff(), dtype).reshape(shape)
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
    let shape = M::dims(&feature);
    let [_, channels, _, _] = shape;
    let found =
        M::memory_read(to_rows::<M>(feature), memory, options.noise.clone(), options.temperature);
    let joined = M::cat(vec![found.normalized, found.readout], 1);
    let [batch, _, height, width] = shape;
    let joined = from_rows::<M>(joined, [batch, 2 * channels, height, width]);
    let names = ["memory.output.0", "memory.output.1"];
    let feature = pass.conv_norm_relu(names, joined, Conv::POINTWISE);
    Read { feature, scores: found.scores, weights: found.weights }
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
}

impl WriteOptions {
    /// The released code's write.
    pub const RELEASED: Self = Self {
        momentum: 0.8,
        normalize_slots: true,
        update_network: UpdateNetwork::ConvNormRelu,
        update_reads_normalized: false,
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
    labels: &ClassWeights,
    options: WriteOptions,
) -> M::T<2> {
    let input = if options.update_reads_normalized { M::l2_normalize(feature, 1) } else { feature };
    let updated = update(pass, input, options.update_network);
    let rows = M::l2_normalize(to_rows::<M>(updated), 1);
    let sums = class_sums::<M>(rows, labels);

    let classes = labels.totals.len();
    let present = |total: &f64| *total != 0.0;
    let keep: Vec<f64> =
        labels.totals.iter().map(|t| if present(t) { options.momentum } else { 1.0 }).collect();
    let gain: Vec<f64> = labels
        .totals
        .iter()
        .map(|t| if present(t) { (1.0 - options.momentum) / t } else { 0.0 })
        .collect();
    let (device, dtype) = pass.placement();
    let column = |values: &[f64]| tensor_from(values, &device, dtype).reshape([classes, 1]);
    let old = memory.clone().detach() * column(&keep);
    let gain = column(&gain);
    let moved = M::add(M::constant(old), M::linear(sums, |x| x * gain.clone()));
    if options.normalize_slots { M::l2_normalize(moved, 1) } else { moved }
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

/// Scores of the classifier G for every slot, `[K, K]`.
pub fn classify_slots<M: Mode>(pass: &Pass<'_, M>, memory: M::T<2>) -> M::T<2> {
    let weight = M::linear(pass.parameter::<2>("memory.clsfier.weight"), Tensor::transpose);
    let bias = M::linear(pass.parameter::<1>("memory.clsfier.bias"), |x| {
        let classes = x.dims()[0];
        x.reshape([1, classes])
    });
    M::add(M::matmul(memory, weight), bias)
}

/// Running sums of normalised features per class, for the memory's first value.
///
/// Source: `memory_initalize` in the reference: features F, not U(F).
#[derive(Clone, Debug)]
pub struct MemoryInit {
    sums: Tensor<2>,
    totals: Vec<f64>,
}

impl MemoryInit {
    /// No pixel seen yet; `like` gives shape `[K, C]`, device and precision.
    #[must_use]
    pub fn new(like: &Tensor<2>) -> Self {
        Self { sums: like.zeros_like(), totals: vec![0.0; like.dims()[0]] }
    }

    /// Adds a batch: `feature` `[B, C, h, w]`.
    pub fn add(&mut self, feature: Tensor<4>, labels: &ClassWeights) {
        let rows = Plain::l2_normalize(to_rows::<Plain>(feature), 1);
        self.sums = self.sums.clone() + class_sums::<Plain>(rows, labels);
        for (total, new) in self.totals.iter_mut().zip(&labels.totals) {
            *total += new;
        }
    }

    /// The mean of each class, L2-normalised; a class never seen has a zero slot.
    #[must_use]
    pub fn finish(self) -> Tensor<2> {
        let divisors: Vec<f64> =
            self.totals.iter().map(|&t| if t == 0.0 { 1.0 } else { t }).collect();
        let (device, dtype) = (self.sums.device(), self.sums.dtype());
        let divisors = tensor_from(&divisors, &device, dtype).reshape([self.totals.len(), 1]);
        Plain::l2_normalize(self.sums / divisors, 1)
    }
}

/// `[B, C, h, w]` to `[B h w, C]`.
pub(crate) fn to_rows<M: Mode>(x: M::T<4>) -> M::T<2> {
    let [batch, channels, height, width] = M::dims(&x);
    M::reshape(M::permute(x, [0, 2, 3, 1]), [batch * height * width, channels])
}

/// `[B h w, C]` to `[B, C, h, w]`.
pub fn from_rows<M: Mode>(x: M::T<2>, [batch, channels, height, width]: [usize; 4]) -> M::T<4> {
    M::permute(M::reshape(x, [batch, height, width, channels]), [0, 3, 1, 2])
}

/// `sum_n w[n, k] rows[n, :]`, `[K, C]`.
fn class_sums<M: Mode>(rows: M::T<2>, labels: &ClassWeights) -> M::T<2> {
    let weights = labels.weights.clone().transpose();
    M::linear(rows, |rows| weights.clone().matmul(rows))
}
