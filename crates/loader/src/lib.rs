//! Shards to augmented, domain-tagged host batches.
//!
//! The order of the samples and every pixel are a function of (seed, domain, epoch, index): the
//! number of workers, the machine's speed and where a run was resumed change nothing. Only the
//! tiles under a crop are decoded; image and label share one transform.
#![forbid(unsafe_code)]

mod assembly;
mod augment;
mod batch;
mod domain;
mod error;
mod loader;
mod options;
mod permutation;
mod random;
mod renderer;
mod stats;
mod worker;

pub use augment::{Augment, Filter, Jitter, Mode};
pub use batch::{Batch, DomainBatch, SampleTag};
pub use error::LoaderError;
pub use loader::Loader;
pub use options::{DomainSource, LoaderOptions};
pub use random::SampleKey;
pub use renderer::{SampleRenderer, Stage};
pub use simd_level::Level;
pub use stats::LoaderStats;
