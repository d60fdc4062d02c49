//! What is trained how: a difference between paper and released code is one key.

use models::labels::LabelWeights;
use models::memory::UpdateNetwork;
use serde::{Deserialize, Serialize};

/// Training algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// All domains in one batch, one gradient step.
    Aggregated,
    /// Inner step on some domains, outer loss on the others (MLDG; with a memory: Pin the Memory).
    Episodic,
}

/// Whether the outer gradient goes through the inner step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The inner gradient is a constant (released code).
    First,
    /// Exactly: `g' - alpha H g'` (paper, Eq. 11).
    Second,
}

/// Which gradients the optimiser gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OuterGradient {
    /// The outer gradient alone (paper, Eq. 11).
    Alone,
    /// Inner plus outer gradient (released code: no `zero_grad` between the two).
    Sum,
}

/// How the scores become read weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadWeights {
    /// Softmax (paper, Eq. 4).
    Softmax,
    /// Softmax of the scores plus Gumbel noise, in training and evaluation (released code).
    Gumbel,
}

/// Where feature cohesion is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CohesionResolution {
    /// At feature resolution, nearest labels (paper, Eq. 6).
    Feature,
    /// At label resolution, scores resized bilinearly (released code).
    Label,
}

/// Reduction of a part of the divergence loss: over the slots, or over their ordered pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotReduction {
    /// Mean (released code).
    Mean,
    /// Sum (paper, Eq. 7).
    Sum,
}

/// Which step moves the memory classifier G.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassifierStep {
    /// A plain step of the inner rate along the inner gradient (paper, Eq. 9).
    Inner,
    /// The outer optimiser, like every other parameter (released code).
    Outer,
}

/// Membership of feature pixels in classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelWeighting {
    /// Bilinear resize of the one-hot labels (released code).
    Soft,
    /// Nearest label (paper).
    Hard,
}

impl From<LabelWeighting> for LabelWeights {
    fn from(kind: LabelWeighting) -> Self {
        match kind {
            LabelWeighting::Soft => Self::Soft,
            LabelWeighting::Hard => Self::Hard,
        }
    }
}

/// Which streams get the strong colour jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrongAugmentation {
    /// None.
    Nobody,
    /// The meta-test stream, where there is one source domain (paper, section B.1).
    MetaTestOfSingleSource,
    /// The first stream, meta-train or meta-test (released code, whose flag is never reset).
    FirstStream,
}

/// Loss of a batch in which every pixel is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyBatch {
    /// Zero, with zero gradient.
    Zero,
    /// Not a number, as in the released code.
    Nan,
}

/// Weights of the losses; one of weight 0 is not computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Auxiliary head; 0.4, inner and outer.
    pub auxiliary: f64,
    /// Feature cohesion, lambda1; 0.02.
    pub cohesion: f64,
    /// Positive cosine between slots; 0.4 = 2 lambda2.
    pub divergence: f64,
    /// Classification of slots; 0.2 = lambda2.
    pub classification: f64,
}

/// One training method, completely.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Aggregated or episodic.
    pub algorithm: Algorithm,
    /// First or exact second order (episodic).
    pub order: Order,
    /// What the optimiser gets (episodic).
    pub outer_gradient: OuterGradient,
    /// How the memory is read.
    pub read: ReadWeights,
    /// Divides the scores before the softmax of the read; 1 in paper and code.
    pub read_temperature: f64,
    /// How labels weigh features in a write.
    pub label_weights: LabelWeighting,
    /// Where cohesion is measured.
    pub cohesion_resolution: CohesionResolution,
    /// What U is made of. The network's layout follows it: [`crate::recipe::Recipe::network`].
    pub update_network: UpdateNetwork,
    /// Whether U gets the normalised feature (paper) or F as it is (code).
    pub update_reads_normalized: bool,
    /// Whether slots are L2-normalised after a write (code) or not (Eq. 2 as printed).
    pub normalize_slots: bool,
    /// Share of a slot that a write keeps; 0.8.
    pub memory_momentum: f64,
    /// Reduction of the cosines between different slots.
    pub divergence_reduction: SlotReduction,
    /// Reduction of the classification loss.
    pub classification_reduction: SlotReduction,
    /// Whether M' of Eq. 10 is a constant for the encoder (episodic; paper, Table 6).
    pub meta_write_freezes_encoder: bool,
    /// Whether M' of Eq. 10 is a constant for U (episodic; paper, Table 6).
    pub meta_write_freezes_update_network: bool,
    /// Which step moves G (episodic).
    pub classifier_step: ClassifierStep,
    /// Loss of a batch without labels.
    pub empty_batch: EmptyBatch,
    /// Which streams get the strong colour jitter.
    pub strong_augmentation: StrongAugmentation,
    /// Weights of the losses.
    pub losses: LossWeights,
}

impl Method {
    /// What the authors' code does.
    #[must_use]
    pub fn released() -> Self {
        Self {
            algorithm: Algorithm::Episodic,
            order: Order::First,
            outer_gradient: OuterGradient::Sum,
            read: ReadWeights::Gumbel,
            read_temperature: 1.0,
            label_weights: LabelWeighting::Soft,
            cohesion_resolution: CohesionResolution::Label,
            update_network: UpdateNetwork::ConvNormRelu,
            update_reads_normalized: false,
            normalize_slots: true,
            memory_momentum: 0.8,
            divergence_reduction: SlotReduction::Mean,
            classification_reduction: SlotReduction::Mean,
            meta_write_freezes_encoder: true,
            meta_write_freezes_update_network: false,
            classifier_step: ClassifierStep::Outer,
            empty_batch: EmptyBatch::Nan,
            strong_augmentation: StrongAugmentation::FirstStream,
            losses: LossWeights {
                auxiliary: 0.4,
                cohesion: 0.02,
                divergence: 0.4,
                classification: 0.2,
            },
        }
    }

    /// What the paper says. Slots stay normalised after a write, since the cosine scores of Eq. 3
    /// need unit slots and the paper is silent on where that happens. The cosines between slots
    /// keep the mean over their pairs: Eq. 7 gives them the factor 2, which their weight has.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            order: Order::Second,
            outer_gradient: OuterGradient::Alone,
            read: ReadWeights::Softmax,
            label_weights: LabelWeighting::Hard,
            cohesion_resolution: CohesionResolution::Feature,
            update_network: UpdateNetwork::Conv,
            update_reads_normalized: true,
            classification_reduction: SlotReduction::Sum,
            classifier_step: ClassifierStep::Inner,
            empty_batch: EmptyBatch::Zero,
            strong_augmentation: StrongAugmentation::MetaTestOfSingleSource,
            ..Self::released()
        }
    }

    /// The aggregated baseline: no episode; with a memory in the model, memory without episodes.
    #[must_use]
    pub fn aggregated() -> Self {
        Self {
            algorithm: Algorithm::Aggregated,
            order: Order::First,
            classifier_step: ClassifierStep::Outer,
            // The baselines of the released code have none either.
            strong_augmentation: StrongAugmentation::Nobody,
            ..Self::paper()
        }
    }
}
