//! What can go wrong between shards and batches.

use std::path::PathBuf;
use std::time::Duration;

use shard_format::ReadError;
use shard_store::StoreError;

/// An error of the loader; the message names what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// No domain was given.
    #[error(
        "no domain to load from, expected at least one; hint: list each source domain with its shard folders"
    )]
    NoDomains,

    /// Two streams have the same name and number.
    #[error(
        "domain {domain}: stream {stream} named twice, expected different names or streams; hint: they key the order and the augmentation"
    )]
    DuplicateStream {
        /// The name.
        domain: String,
        /// The stream's number.
        stream: u32,
    },

    /// Two streams of one domain list different shards.
    #[error(
        "domain {domain}: stream {stream} lists other shards than the streams before it, expected the same; hint: give another domain another name"
    )]
    StreamsDiffer {
        /// The domain.
        domain: String,
        /// The stream that differs.
        stream: u32,
    },

    /// A domain lists no shard folder.
    #[error("domain {domain}: no shard folder, expected at least one")]
    NoShards {
        /// The domain.
        domain: String,
    },

    /// A count or a size is 0.
    #[error("{option} is 0, expected at least 1")]
    Zero {
        /// The field of `LoaderOptions`.
        option: &'static str,
    },

    /// A share is none.
    #[error("{option} is {found}, expected 0 to 1")]
    Share {
        /// The field of `LoaderOptions`.
        option: &'static str,
        /// Its value.
        found: f64,
    },

    /// A stream's weight is none.
    #[error("domain {domain}: weight {found} of stream {stream}, expected 0 or more")]
    Weight {
        /// The domain.
        domain: String,
        /// The stream.
        stream: u32,
        /// Its weight.
        found: f64,
    },

    /// No stream can be drawn.
    #[error("the weights of all streams sum up to {total}, expected a positive number")]
    Weights {
        /// The sum.
        total: f64,
    },

    /// The rank does not exist.
    #[error("rank {rank} of {ranks}, expected 0 to {ranks} less 1; hint: ranks count from 0")]
    Rank {
        /// The rank.
        rank: usize,
        /// How many there are.
        ranks: usize,
    },

    /// A rank would get no samples.
    #[error(
        "{samples} samples for {ranks} ranks, expected at least one for each; hint: ask for more samples per batch or use fewer ranks"
    )]
    TooFewForRanks {
        /// Samples that the ranks share.
        samples: usize,
        /// How many ranks there are.
        ranks: usize,
    },

    /// Roles were asked for, but there is nothing to split.
    #[error(
        "one stream, expected at least two for meta-train and meta-test; hint: list a single domain twice, as streams 0 and 1"
    )]
    RolesNeedStreams,

    /// Roles were asked for in batches that may hold no sample of a stream.
    #[error(
        "roles per step with drawn batches, expected quotas; hint: a drawn batch may leave meta-train or meta-test without samples"
    )]
    RolesNeedQuotas,

    /// Meta-test streams are to be augmented strongly, but there are none.
    #[error("strong augmentation of the meta-test streams without roles, expected roles per step")]
    StrongNeedsRoles,

    /// Samples are to be chosen for classes, but there is nothing to choose from.
    #[error("domain {domain}: no labelled tile, expected some for sampling by class")]
    NoLabels {
        /// The domain.
        domain: String,
    },

    /// An augmentation's value lies outside its range.
    #[error("augmentation {field} is {found}, expected {low} to {high}")]
    Augment {
        /// The field of `Augment`.
        field: &'static str,
        /// Its value.
        found: f32,
        /// The least value allowed.
        low: f32,
        /// The greatest value allowed.
        high: f32,
    },

    /// A batch would not fit the address space.
    #[error(
        "{samples} samples of {crop_width}x{crop_height} pixels are too many for one batch, expected fewer than 2^33 bytes per stream"
    )]
    BatchTooLarge {
        /// Samples of a stream.
        samples: usize,
        /// Width of the crop in pixels.
        crop_width: u32,
        /// Height of the crop in pixels.
        crop_height: u32,
    },

    /// A shard folder is not there.
    #[error("{}: folder not found, expected a folder of shards for domain {domain}; hint: `shard pack` writes one", path.display())]
    FolderMissing {
        /// The folder.
        path: PathBuf,
        /// The domain that lists it.
        domain: String,
    },

    /// A folder is there but cannot be opened as a dataset of shards.
    #[error("{source} (folder {} of domain {domain})", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// The domain that lists it.
        domain: String,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },

    /// Shards were not opened within the time that the consumer wants to wait.
    #[error(
        "not opened within {} s: {folders}; hint: the storage may have vanished or be too slow", patience.as_secs_f64()
    )]
    OpeningStalled {
        /// All that was to be opened.
        folders: String,
        /// How long the loader waited.
        patience: Duration,
    },

    /// Two datasets have different classes.
    #[error("{}: class {train_id} is {found:?}, but {expected:?} in {}; hint: pack both with label maps to the same classes", path.display(), reference.display())]
    ClassesDiffer {
        /// The folder that differs.
        path: PathBuf,
        /// The first train id that differs.
        train_id: usize,
        /// Its class in `path`, or "none".
        found: String,
        /// The folder it was compared with.
        reference: PathBuf,
        /// Its class in `reference`, or "none".
        expected: String,
    },

    /// A sample could not be read; the source names file and tile.
    #[error("{source} (domain {domain}, sample {sample} of {}); `shard verify` lists every altered tile", path.display())]
    Sample {
        /// The shard folder.
        path: PathBuf,
        /// The domain.
        domain: String,
        /// The sample's place in the folder.
        sample: usize,
        /// The sample's id.
        id: String,
        /// Why.
        #[source]
        source: Box<ReadError>,
    },

    /// A sample is damaged, and so are those that could take its place.
    #[error(
        "domain {domain}: sample {first:?} is damaged, and so are the {tried} that could take its place; the last one: {source}"
    )]
    NoSubstitute {
        /// The domain.
        domain: String,
        /// The id of the damaged sample.
        first: String,
        /// Samples tried in its place.
        tried: u64,
        /// What is wrong with the last one.
        #[source]
        source: Box<Self>,
    },

    /// Nothing of a sample's crop can be read.
    #[error("{}: sample {sample} ({id}) of domain {domain}: every tile under the crop is damaged, expected some to be readable; hint: `shard verify` lists every altered tile", path.display())]
    Lost {
        /// The shard folder.
        path: PathBuf,
        /// The domain.
        domain: String,
        /// The sample's place in the folder.
        sample: usize,
        /// The sample's id.
        id: String,
    },

    /// No sample was finished for longer than the consumer wants to wait.
    #[error(
        "batch {batch}: no sample was finished for {} s, {reading}; hint: the storage may have vanished or be too slow", patience.as_secs_f64()
    )]
    Stalled {
        /// The batch that was due.
        batch: u64,
        /// How long the loader waited.
        patience: Duration,
        /// Which samples are being read, from where and for how long.
        reading: String,
    },

    /// A worker panicked, which is a bug.
    #[error("{}: sample {sample} ({id}) of domain {domain}: worker panicked: {message}", path.display())]
    WorkerPanicked {
        /// The shard folder.
        path: PathBuf,
        /// The domain.
        domain: String,
        /// The sample's place in the folder.
        sample: usize,
        /// The sample's id.
        id: String,
        /// The panic's message.
        message: String,
    },

    /// Every worker has ended although batches are due, which is a bug.
    #[error("batch {batch}: all workers have ended, expected them to run until the last batch")]
    WorkersEnded {
        /// The batch that was due.
        batch: u64,
    },

    /// The system refused a thread.
    #[error(
        "worker {worker} of {workers} cannot be started: {source}; hint: ask for fewer workers"
    )]
    Spawn {
        /// The worker's number.
        worker: usize,
        /// The number of workers asked for.
        workers: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
