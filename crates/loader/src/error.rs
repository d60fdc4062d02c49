//! What can go wrong between shards and batches.

use std::path::PathBuf;

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

    /// Two domains have the same name.
    #[error(
        "domain {domain}: named twice, expected different names; hint: the name keys the order and the augmentation of a domain"
    )]
    DuplicateDomain {
        /// The name.
        domain: String,
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
        "{samples_per_domain} samples of {crop_width}x{crop_height} pixels are too many for one batch, expected fewer than 2^40 bytes per domain"
    )]
    BatchTooLarge {
        /// Samples per domain.
        samples_per_domain: usize,
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
