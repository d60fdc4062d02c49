//! One forward pass of the network with its losses.

use burn::tensor::Tensor;
use models::labels::{LabelBatch, LabelMaps, PixelTargets};
use models::memory::{self, Noise, ReadOptions, UpdateNetwork, WriteOptions};
use models::mode::{Mode, Plain};
use models::network::Network;
use models::normalization::presets::{WhitenedPairs, Whitening};
use models::normalization::sensitivity::SensitivePairs;
use models::normalization::whitening_loss::{CovarianceMask, whitening_loss};
use models::pass::Pass;
use models::random::Stream;

use crate::losses;
use crate::method::{CohesionResolution, Method, ReadWeights};

/// A batch on the device.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Normalised image, `[B, 3, H, W]`.
    pub image: Tensor<4>,
    /// Labels, on the host.
    pub labels: LabelBatch,
    /// Full-resolution targets.
    pub targets: PixelTargets,
    /// Full-resolution labels for the memory.
    pub label_maps: LabelMaps,
}

impl Samples {
    /// Uploads `labels` beside `image`.
    #[must_use]
    pub fn new(image: Tensor<4>, labels: LabelBatch, classes: usize) -> Self {
        let targets = labels.targets(classes, &image.device());
        let label_maps = LabelMaps::uploaded(&labels.train_ids, &targets.labels.ids);
        Self { image, labels, targets, label_maps }
    }
}

/// The losses of one pass, each `[1]`; absent ones were not asked for or have the weight 0.
pub struct Terms<M: Mode> {
    /// Cross entropy of the logits.
    pub segmentation: M::T<1>,
    /// Cross entropy of the auxiliary head.
    pub auxiliary: Option<M::T<1>>,
    /// Feature cohesion.
    pub cohesion: Option<M::T<1>>,
    /// Memory divergence.
    pub divergence: Option<M::T<1>>,
    /// Memory classification.
    pub classification: Option<M::T<1>>,
    /// Covariances that instance whitening ought to remove.
    pub whitening: Option<M::T<1>>,
    /// Weighted sum.
    pub total: M::T<1>,
}

impl Terms<Plain> {
    /// `(name, value [1])` of those that were computed, in a fixed order, without their graph.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, Tensor<1>)> {
        let known = |x: &Tensor<1>| x.clone().without_autodiff();
        let mut losses = vec![("segmentation", known(&self.segmentation))];
        for (name, term) in [
            ("auxiliary", &self.auxiliary),
            ("cohesion", &self.cohesion),
            ("divergence", &self.divergence),
            ("classification", &self.classification),
            ("whitening", &self.whitening),
        ] {
            losses.extend(term.as_ref().map(|term| (name, known(term))));
        }
        losses.push(("total", known(&self.total)));
        losses
    }
}

/// The memory in a pass.
pub struct MemoryInput<M: Mode> {
    /// Read, and differentiated through.
    pub slots: M::T<2>,
    /// Whether the pass also writes (inner pass) and so has divergence and classification losses.
    pub write: bool,
}

/// What the losses are measured by.
#[derive(Clone, Copy, Debug)]
pub struct Criteria<'a> {
    /// Losses and their weights.
    pub method: &'a Method,
    /// Noise of a Gumbel read.
    pub noise: Stream,
    /// The pairs that ISW whitens, for each layer; before they are known it has no loss.
    pub sensitive_pairs: Option<&'a [SensitivePairs]>,
}

/// Result of [`run`].
pub struct Outcome<M: Mode> {
    /// Losses.
    pub terms: Terms<M>,
    /// The written memory, if the pass writes.
    pub written: Option<M::T<2>>,
    /// Names of the losses over pixels that found none that counts, and with any the total. Labels
    /// can also vanish at the resolution of one loss alone.
    pub empty_losses: Vec<&'static str>,
}

/// Forward pass of `samples` with all losses that the criteria ask for.
pub fn run<M: Mode>(
    network: &Network,
    pass: &mut Pass<'_, M>,
    samples: &Samples,
    memory: Option<MemoryInput<M>>,
    criteria: Criteria<'_>,
) -> Outcome<M> {
    let Criteria { method, noise, sensitive_pairs } = criteria;
    let classes = network.config.classes;
    let encoded = network.encode(pass, M::constant(samples.image.clone()));
    let (device, _) = pass.placement();

    let (decoded, scores, written) = match memory {
        None => (encoded.feature, None, None),
        Some(MemoryInput { slots, write }) => {
            let old = M::value(&slots);
            let options = read_options(method, noise);
            let read = memory::read(pass, encoded.feature.clone(), slots, &options);
            let update = network.config.update_network;
            let written = write.then(|| {
                write_memory(pass, encoded.feature, &old, &samples.label_maps, (method, update))
            });
            (read.feature, Some(read.scores), written)
        }
    };
    let logits = network.decode(pass, encoded.skips, decoded);
    let weights = method.losses;
    let mut empty_losses = Vec::new();
    let mut count = |name, targets: &PixelTargets| {
        empty_losses.extend((targets.valid == 0).then_some(name));
    };
    count("segmentation", &samples.targets);
    let segmentation = losses::cross_entropy::<M>(logits, &samples.targets, method.empty_batch);
    let auxiliary = (weights.auxiliary > 0.0).then(|| {
        let [_, _, height, width] = M::value(&encoded.stage3).dims();
        let logits = network.auxiliary(pass, encoded.stage3);
        let targets = samples.labels.nearest_targets([height, width], classes, &device);
        count("auxiliary", &targets);
        losses::cross_entropy::<M>(logits, &targets, method.empty_batch)
    });
    let cohesion = scores.filter(|_| weights.cohesion > 0.0).map(|scores| {
        let [_, _, height, width] = M::value(&scores).dims();
        let at_feature = (method.cohesion_resolution == CohesionResolution::Feature)
            .then(|| samples.labels.nearest_targets([height, width], classes, &device));
        let targets = at_feature.as_ref().unwrap_or(&samples.targets);
        count("cohesion", targets);
        losses::cohesion::<M>(scores, targets, method.empty_batch)
    });
    let slot_losses = written
        .clone()
        .filter(|_| weights.divergence > 0.0 || weights.classification > 0.0)
        .map(|written| memory::slot_losses(pass, written, method.classification_reduction.into()));
    let (divergence, classification) =
        slot_losses.map(|found| (found.divergence, found.classification)).unzip();
    let divergence = divergence
        .filter(|_| weights.divergence > 0.0)
        .map(|mean| losses::divergence::<M>(mean, classes, method.divergence_reduction));
    let classification = classification.filter(|_| weights.classification > 0.0);

    let whitening = network.config.whitening.and_then(|whitening| {
        let masks = covariance_masks::<M>(whitening, &encoded.whitened, sensitive_pairs)?;
        Some((whitening_loss::<M>(&encoded.whitened, &masks), whitening.weight))
    });

    let mut total = segmentation.clone();
    for (term, weight) in [
        (&auxiliary, weights.auxiliary),
        (&cohesion, weights.cohesion),
        (&divergence, weights.divergence),
        (&classification, weights.classification),
    ] {
        if let Some(term) = term {
            total = M::add(total, M::scale(term.clone(), weight));
        }
    }
    let whitening = whitening.map(|(loss, weight)| {
        total = M::add(total.clone(), M::scale(loss.clone(), weight));
        loss
    });
    let terms =
        Terms { segmentation, auxiliary, cohesion, divergence, classification, whitening, total };
    if !empty_losses.is_empty() {
        empty_losses.push("total");
    }
    Outcome { terms, written, empty_losses }
}

/// Which covariances of each whitening map count; none as long as ISW does not know its pairs.
fn covariance_masks<M: Mode>(
    whitening: Whitening,
    maps: &[M::T<4>],
    sensitive_pairs: Option<&[SensitivePairs]>,
) -> Option<Vec<CovarianceMask>> {
    let value = M::value(maps.first()?);
    let (device, dtype) = (value.device(), value.dtype());
    let masks = match whitening.pairs {
        WhitenedPairs::Sensitive { .. } => {
            let pairs = sensitive_pairs?.iter();
            pairs.map(|pairs| CovarianceMask::sensitive(pairs, &device, dtype)).collect()
        }
        WhitenedPairs::All {} | WhitenedPairs::Relaxed { .. } => {
            let channels = maps.iter().map(|map| M::dims(map)[1]);
            let relaxation = whitening.relaxation();
            channels
                .map(|count| CovarianceMask::all_pairs(count, relaxation, &device, dtype))
                .collect()
        }
    };
    Some(masks)
}

/// Result of [`run_write`].
pub struct Written<M: Mode> {
    /// The memory after the write.
    pub slots: M::T<2>,
    /// Height and width of F, at which labels became weights.
    pub feature_size: [usize; 2],
}

/// Forward pass to F only, and a write of `old`: the M' pass and the final write.
pub fn run_write<M: Mode>(
    network: &Network,
    pass: &mut Pass<'_, M>,
    samples: &Samples,
    old: &Tensor<2>,
    method: &Method,
) -> Written<M> {
    let encoded = network.encode(pass, M::constant(samples.image.clone()));
    let [_, _, height, width] = M::dims(&encoded.feature);
    let update = network.config.update_network;
    let slots = write_memory(pass, encoded.feature, old, &samples.label_maps, (method, update));
    Written { slots, feature_size: [height, width] }
}

fn read_options(method: &Method, noise: Stream) -> ReadOptions {
    let noise = match method.read {
        ReadWeights::Gumbel => noise.read_noise(),
        ReadWeights::Softmax => Noise::None,
    };
    ReadOptions { temperature: method.read_temperature, noise }
}

fn write_memory<M: Mode>(
    pass: &mut Pass<'_, M>,
    feature: M::T<4>,
    old: &Tensor<2>,
    labels: &LabelMaps,
    (method, update_network): (&Method, UpdateNetwork),
) -> M::T<2> {
    let options = WriteOptions {
        momentum: method.memory_momentum,
        normalize_slots: method.normalize_slots,
        update_network,
        update_reads_normalized: method.update_reads_normalized,
        label_weights: method.label_weights.into(),
    };
    memory::write(pass, feature, old, labels, options)
}
