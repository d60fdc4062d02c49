//! What a loader is asked for.

use std::path::PathBuf;
use std::time::Duration;

use shard_store::StoreOptions;

use crate::augment::Augment;
use crate::class_uniform::ClassUniform;
use crate::faults::FaultPolicy;
use crate::roles::{Roles, StrongStream};
use crate::sampling::Sampling;

/// What to load, how to augment it, and with how many threads.
///
/// The default is the released code's crop and augmentation, one worker and an endless stream; the
/// domains are missing in it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderOptions {
    /// The streams; each (name, stream) may occur once.
    pub streams: Vec<StreamSource>,
    /// How shards are read: mapped or not, and the cache for those behind a URL; changes no pixel.
    pub store: StoreOptions,
    /// How batches are put together from the streams.
    pub sampling: Sampling,
    /// Whether some of the samples are chosen for the classes they show.
    pub class_uniform: Option<ClassUniform>,
    /// Width of the crop in pixels.
    pub crop_width: u32,
    /// Height of the crop in pixels.
    pub crop_height: u32,
    /// The augmentation of all streams, but those of `strong`.
    pub augment: Augment,
    /// Whether streams are meta-train or meta-test in each batch; needs quotas and two streams.
    pub roles: Roles,
    /// Which streams get `strong_augment`.
    pub strong: StrongStream,
    /// The augmentation of the streams of `strong`.
    pub strong_augment: Augment,
    /// What becomes of damaged samples.
    pub faults: FaultPolicy,
    /// With equal seeds, equal (epoch, index) give equal pixels.
    pub seed: u64,
    /// This process's number among those that share each batch, below `ranks`.
    pub rank: usize,
    /// Processes that share each batch.
    ///
    /// The batch of all ranks is fixed first; its samples are those of a single rank. Of each
    /// stream's quota, or of the slots where they are drawn, every rank takes a contiguous part, in
    /// the order of the ranks; where the number does not divide, the first ranks take one more. So
    /// a stream's parts of all ranks, in order, are that stream's part of the whole batch.
    pub ranks: usize,
    /// Worker threads; their number changes no pixel.
    pub workers: usize,
    /// Batches under way or waiting at any time, the one handed out not counted.
    pub prefetch_batches: usize,
    /// The number of the first batch: 0, or where a stopped run goes on.
    pub first_batch: u64,
    /// One past the number of the last batch; `u64::MAX` for an endless stream.
    pub end_batch: u64,
    /// How long the consumer waits for the shards to be opened, and then without any sample being
    /// finished, before that is an error; `None` waits for ever.
    pub patience: Option<Duration>,
}

/// One stream: a way through the samples of one domain.
///
/// Several streams of one domain differ in order and augmentation. Two of them are what the paper
/// trains with where there is a single source.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSource {
    /// The domain's name, part of the key of every random draw.
    pub name: String,
    /// Which of the domain's streams, from 0 on; part of that key too.
    pub stream: u32,
    /// Dataset folders as `shard pack` writes them, or their URLs; their samples are concatenated
    /// in this order. Streams of one domain list the same.
    pub shards: Vec<PathBuf>,
    /// Samples in a batch of all ranks, with [`Sampling::Quotas`].
    pub samples_per_batch: usize,
    /// How likely a slot draws this stream, in proportion to the others, with
    /// [`Shares::Weights`](crate::Shares::Weights).
    pub weight: f64,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            store: StoreOptions::default(),
            sampling: Sampling::default(),
            class_uniform: None,
            crop_width: 768,
            crop_height: 768,
            augment: Augment::reference(),
            roles: Roles::default(),
            strong: StrongStream::default(),
            strong_augment: Augment::strong(),
            faults: FaultPolicy::default(),
            seed: 0,
            rank: 0,
            ranks: 1,
            workers: 1,
            prefetch_batches: 2,
            first_batch: 0,
            end_batch: u64::MAX,
            // Longer than a remote read with all its tries.
            patience: Some(Duration::from_secs(600)),
        }
    }
}

impl StreamSource {
    /// The first stream of a domain, with weight 1.
    #[must_use]
    pub fn new(name: impl Into<String>, shards: Vec<PathBuf>, samples_per_batch: usize) -> Self {
        Self { name: name.into(), stream: 0, shards, samples_per_batch, weight: 1.0 }
    }
}
