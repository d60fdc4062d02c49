//! `loading.jsonl`: how fast samples came, and what was wrong with them.
//!
//! It is a log of its own because times differ from run to run: `metrics.jsonl` does not.

use std::collections::BTreeMap;

use loader::{LoaderStats, Stage};
use serde::{Deserialize, Serialize};

use crate::run_log::LogLine;

/// Name of the log in a run folder.
pub const LOADING_FILE: &str = "loading.jsonl";

/// What the loader did since the line before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadingLine {
    /// Steps taken.
    pub step: u64,
    /// Samples rendered per second, all workers together.
    pub samples_per_sec: f64,
    /// How full the queue was when training asked for a batch, 0 to 1: near 1 the device is the
    /// bottleneck, near 0 the data.
    pub queue_fill: f64,
    /// Share of the time that training waited for data.
    pub stall_share: f64,
    /// Milliseconds of a worker for each sample, by stage.
    pub stage_ms: BTreeMap<String, f64>,
    /// Share of the samples that were drawn by class.
    pub class_uniform_share: f64,
    /// Blocks of shards behind a URL that came from the cache.
    pub cache_hits: u64,
    /// Blocks that were fetched.
    pub cache_misses: u64,
    /// Bytes that were fetched.
    pub bytes_fetched: u64,
    /// Samples that took the place of a damaged one.
    pub substituted_samples: u64,
    /// Damaged tiles that were painted over.
    pub masked_tiles: u64,
    /// Every damage that was met, in words, with file, sample and what was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

impl LoadingLine {
    /// What was counted since the line before, and the damage met meanwhile.
    #[must_use]
    pub fn new(step: u64, stats: &LoaderStats, faults: Vec<String>) -> Self {
        let stages = Stage::ALL.iter().map(|stage| stage.name().to_owned());
        Self {
            step,
            samples_per_sec: stats.samples_per_sec(),
            queue_fill: stats.queue_fill(),
            stall_share: stats.stall_share(),
            stage_ms: stages.zip(stats.stage_ms_per_sample()).collect(),
            class_uniform_share: stats.class_uniform_share(),
            cache_hits: stats.store.cache_hits,
            cache_misses: stats.store.cache_misses,
            bytes_fetched: stats.store.bytes_fetched,
            substituted_samples: stats.substituted_samples,
            masked_tiles: stats.masked_tiles,
            faults,
        }
    }
}

impl LogLine for LoadingLine {
    fn step(&self) -> u64 {
        self.step
    }
}
