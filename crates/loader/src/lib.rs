//! Shards to augmented, domain-tagged host batches.
//!
//! The order of the samples and every pixel are a function of (seed, domain, stream, epoch, index):
//! the number of workers and of ranks, the machine's speed and where a run was resumed change
//! nothing. Only the tiles under a crop are decoded; image and label share one transform.
#![forbid(unsafe_code)]

mod assembly;
mod augment;
mod batch;
mod buffers;
mod class_uniform;
mod domain;
mod error;
mod faults;
mod jobs;
mod loader;
mod mapillary_crop;
mod opening;
mod options;
mod options_check;
mod permutation;
mod plan;
mod position;
mod random;
mod recovery;
mod renderer;
mod request;
mod roles;
mod sampling;
mod stats;
#[cfg(test)]
mod test_storage;
mod view_pairs;
mod view_renderer;
mod watch;
mod worker;

pub use augment::{
    Augment, BLUR_REACH, ColourDraw, ColourJitter, ColourOperation, Extra, Filter, Jitter, Mode,
    extra,
};
pub use batch::{Batch, SampleTag, StreamBatch};
pub use class_uniform::ClassUniform;
pub use error::LoaderError;
pub use faults::{Fault, FaultPolicy, Remedy};
pub use loader::Loader;
pub use mapillary_crop::{MAPILLARY_CROP_SIDE, read_mapillary_crop};
pub use options::{LoaderOptions, StreamSource};
pub use position::{Position, StreamPosition};
pub use random::SampleKey;
pub use renderer::{SampleRenderer, Stage};
pub use roles::{MetaRole, MetaSplit, Roles, StrongStream, meta_split};
pub use sampling::{Sampling, Shares};
pub use simd_level::Level;
pub use stats::LoaderStats;
pub use view_pairs::{ViewPair, ViewPairs, ViewTrials};
