//! One forward pass of the network with its losses.

use burn::tensor::Tensor;
use models::labels::{LabelBatch, PixelTargets};
use models::memory::{self, ReadOptions, WriteOptions};
use models::mode::Mode;
use models::network::Network;
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
}

impl Samples {
    /// Uploads the targets of `labels` beside `image`.
    #[must_use]
    pub fn new(image: Tensor<4>, labels: LabelBatch, classes: usize) -> Self {
        let targets = labels.targets(classes, &image.device());
        Self { image, labels, targets }
    }
}

/// The losses of one pass, each `[1]`; absent ones were not asked for.
pub struct Terms<M: Mode> {
    /// Cross entropy of the logits.
    pub segmentation: M::T<1>,
    /// Cross entropy of the auxiliary head.
    pub auxiliary: M::T<1>,
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

/// The memory in a pass.
pub struct MemoryInput<M: Mode> {
    /// Read, and differentiated through.
    pub slots: M::T<2>,
    /// Whether the pass also writes (inner pass) and so has divergence and classification losses.
    pub write: bool,
}

/// Result of [`run`].
pub struct Outcome<M: Mode> {
    /// Losses.
    pub terms: Terms<M>,
    /// The written memory, if the pass writes.
    pub written: Option<M::T<2>>,
}

/// Forward pass of `samples` with all losses that `method` asks for; `noise` feeds a Gumbel read.
pub fn run<M: Mode>(
    network: &Network,
    pass: &mut Pass<'_, M>,
    samples: &Samples,
    memory: Option<MemoryInput<M>>,
    (method, noise): (&Method, Stream),
) -> Outcome<M> {
    let classes = network.config.classes;
    let encoded = network.encode(pass, M::constant(samples.image.clone()));
    let [batch, _, height, width] = M::value(&encoded.feature).dims();
    let (device, dtype) = pass.placement();

    let (decoded, scores, written, slot_scores) = match memory {
        None => (encoded.feature, None, None, None),
        Some(MemoryInput { slots, write }) => {
            let old = M::value(&slots);
            let options = read_options(method, noise, [batch * height * width, classes], &old);
            let read = memory::read(pass, encoded.feature.clone(), slots, &options);
            let written =
                write.then(|| write_memory(pass, encoded.feature, &old, &samples.labels, method));
            let slot_scores = written.clone().map(|written| memory::classify_slots(pass, written));
            (read.feature, Some(read.scores), written, slot_scores)
        }
    };
    let logits = network.decode(pass, encoded.skips, decoded);
    let [_, _, aux_height, aux_width] = M::value(&encoded.stage3).dims();
    let auxiliary_logits = network.auxiliary(pass, encoded.stage3);
    let auxiliary_targets =
        samples.labels.nearest_targets([aux_height, aux_width], classes, &device);

    let segmentation = losses::cross_entropy::<M>(logits, &samples.targets, method.empty_batch);
    let auxiliary =
        losses::cross_entropy::<M>(auxiliary_logits, &auxiliary_targets, method.empty_batch);
    let cohesion = scores.map(|scores| {
        let at_feature = (method.cohesion_resolution == CohesionResolution::Feature)
            .then(|| samples.labels.nearest_targets([height, width], classes, &device));
        let targets = at_feature.as_ref().unwrap_or(&samples.targets);
        losses::cohesion::<M>(scores, [batch, height, width], targets, method.empty_batch)
    });
    let divergence = written.clone().map(losses::divergence::<M>);
    let classification = slot_scores
        .map(|scores| losses::classification::<M>(scores, method.classification_reduction));

    let whitening = network.config.whitening.map(|whitening| {
        let masks: Vec<CovarianceMask> = encoded
            .whitened
            .iter()
            .map(|map| {
                let [_, channels, _, _] = M::dims(map);
                CovarianceMask::all_pairs(channels, whitening.relaxation(), &device, dtype)
            })
            .collect();
        (whitening_loss::<M>(&encoded.whitened, &masks), whitening.weight)
    });

    let weights = method.losses;
    let mut total = M::add(segmentation.clone(), M::scale(auxiliary.clone(), weights.auxiliary));
    for (term, weight) in [
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
    Outcome { terms, written }
}

/// Forward pass to F only, and a write of `old`: the M' pass and the final write.
pub fn run_write<M: Mode>(
    network: &Network,
    pass: &mut Pass<'_, M>,
    samples: &Samples,
    old: &Tensor<2>,
    method: &Method,
) -> M::T<2> {
    let encoded = network.encode(pass, M::constant(samples.image.clone()));
    write_memory(pass, encoded.feature, old, &samples.labels, method)
}

/// Options of a read of `[N, K]` scores under `method`, in the precision of `like`.
fn read_options(
    method: &Method,
    noise: Stream,
    shape: [usize; 2],
    like: &Tensor<2>,
) -> ReadOptions {
    let noise = (method.read == ReadWeights::Gumbel)
        .then(|| memory::gumbel_noise(noise, shape, &like.device(), like.dtype()));
    ReadOptions { temperature: method.read_temperature, noise }
}

fn write_memory<M: Mode>(
    pass: &mut Pass<'_, M>,
    feature: M::T<4>,
    old: &Tensor<2>,
    labels: &LabelBatch,
    method: &Method,
) -> M::T<2> {
    let [_, _, height, width] = M::value(&feature).dims();
    let (device, dtype) = pass.placement();
    let classes = old.dims()[0];
    let weights = labels.class_weights(
        [height, width],
        classes,
        method.label_weights.into(),
        &device.without_autodiff(),
        dtype,
    );
    let options = WriteOptions {
        momentum: method.memory_momentum,
        normalize_slots: method.normalize_slots,
        update_reads_normalized: method.update_reads_normalized,
    };
    memory::write(pass, feature, old, &weights, options)
}
