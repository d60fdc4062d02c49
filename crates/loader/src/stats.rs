//! Counters that show whether the data or its consumer is the bottleneck.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shard_store::Stats;

use crate::batch::Batch;
use crate::faults::{Fault, Remedy};
use crate::renderer::Stage;

/// A loader's counters since its start, or [since](Self::since) an earlier look at them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoaderStats {
    /// Samples rendered by the workers.
    pub decoded_samples: u64,
    /// Batches handed to the consumer.
    pub delivered_batches: u64,
    /// Samples in them.
    pub delivered_samples: u64,
    /// Of these, samples chosen for a class.
    pub class_uniform_samples: u64,
    /// Of these, samples that took the place of a damaged one.
    pub substituted_samples: u64,
    /// Damaged tiles that were painted over in them.
    pub masked_tiles: u64,
    /// Entries of `Batch::faults` in the batches handed to the consumer.
    pub faults: u64,
    /// Sum over the consumer's requests of the batches that were ready when it asked.
    pub ready_when_asked: u64,
    /// The same sum of the batches that could have been: fewer than `prefetch_batches` at the end.
    pub ready_at_most: u64,
    /// Finished batches that wait for the consumer now, out-of-order ones included.
    pub ready_batches: usize,
    /// Batches under way or waiting now; at most `prefetch_batches`.
    pub in_flight_batches: usize,
    /// Most batches that can be ready, as the options say.
    pub prefetch_batches: usize,
    /// Memory that the tables of classes take, in bytes.
    pub class_table_bytes: u64,
    /// Time that the consumer spent waiting for batches, in seconds.
    pub stall_secs: f64,
    /// Time since the start, in seconds.
    pub elapsed_secs: f64,
    /// Time that all workers together spent in each stage, in seconds; order of [`Stage::ALL`].
    pub stage_secs: [f64; Stage::ALL.len()],
    /// What was asked of remote stores and of their cache, the opening included.
    pub store: Stats,
}

impl LoaderStats {
    /// Samples rendered per second.
    #[must_use]
    pub fn samples_per_sec(&self) -> f64 {
        ratio(self.decoded_samples as f64, self.elapsed_secs)
    }

    /// How full the queue was when the consumer asked for a batch, on average from 0 to 1.
    ///
    /// Near 1 the consumer is the bottleneck, near 0 the data.
    #[must_use]
    pub fn queue_fill(&self) -> f64 {
        ratio(self.ready_when_asked as f64, self.ready_at_most as f64)
    }

    /// Share of the time that the consumer spent waiting for batches.
    #[must_use]
    pub fn stall_share(&self) -> f64 {
        ratio(self.stall_secs, self.elapsed_secs)
    }

    /// Milliseconds of a worker per sample in each stage; order of [`Stage::ALL`].
    #[must_use]
    pub fn stage_ms_per_sample(&self) -> [f64; Stage::ALL.len()] {
        self.stage_secs.map(|secs| ratio(1e3 * secs, self.decoded_samples as f64))
    }

    /// Share of the delivered samples that were chosen for a class.
    #[must_use]
    pub fn class_uniform_share(&self) -> f64 {
        ratio(self.class_uniform_samples as f64, self.delivered_samples as f64)
    }

    /// What was counted since `earlier`; what is true of a moment or of the whole stream, as
    /// `ready_batches` and `class_table_bytes` are, stays as it is now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = u64::saturating_sub;
        Self {
            decoded_samples: less(self.decoded_samples, earlier.decoded_samples),
            delivered_batches: less(self.delivered_batches, earlier.delivered_batches),
            delivered_samples: less(self.delivered_samples, earlier.delivered_samples),
            class_uniform_samples: less(self.class_uniform_samples, earlier.class_uniform_samples),
            substituted_samples: less(self.substituted_samples, earlier.substituted_samples),
            masked_tiles: less(self.masked_tiles, earlier.masked_tiles),
            faults: less(self.faults, earlier.faults),
            ready_when_asked: less(self.ready_when_asked, earlier.ready_when_asked),
            ready_at_most: less(self.ready_at_most, earlier.ready_at_most),
            stall_secs: self.stall_secs - earlier.stall_secs,
            elapsed_secs: self.elapsed_secs - earlier.elapsed_secs,
            stage_secs: std::array::from_fn(|stage| {
                self.stage_secs[stage] - earlier.stage_secs[stage]
            }),
            store: self.store.since(&earlier.store),
            ..*self
        }
    }
}

/// 0 where nothing was counted.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// What the consumer's side counts.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    pub(crate) batches: u64,
    pub(crate) samples: u64,
    pub(crate) class_uniform_samples: u64,
    pub(crate) substituted_samples: u64,
    pub(crate) masked_tiles: u64,
    pub(crate) faults: u64,
    pub(crate) ready_when_asked: u64,
    pub(crate) ready_at_most: u64,
    pub(crate) stall: Duration,
}

impl Deliveries {
    /// Counts a batch that is handed out, and how many were and could have been ready when it was
    /// asked for.
    pub(crate) fn count(&mut self, batch: &Batch, (ready, at_most): (usize, u64)) {
        self.batches += 1;
        self.ready_when_asked += ready as u64;
        self.ready_at_most += at_most;
        for tag in batch.streams.iter().flat_map(|part| &part.samples) {
            self.samples += 1;
            self.class_uniform_samples += u64::from(tag.class.is_some());
        }
        self.count_faults(&batch.faults);
    }

    /// Counts the damage that was met in something that is handed out.
    pub(crate) fn count_faults(&mut self, faults: &[Fault]) {
        self.faults += faults.len() as u64;
        let mut last_substituted = None;
        for fault in faults {
            match fault.remedy {
                Remedy::Masked => self.masked_tiles += 1,
                // Several damaged samples may stand behind one that took their place.
                Remedy::Substituted { .. } => {
                    let place = Some((fault.stream_index, fault.slot));
                    self.substituted_samples += u64::from(place != last_substituted);
                    last_substituted = place;
                }
            }
        }
    }
}

/// What the workers count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    decoded_samples: AtomicU64,
    stage_nanos: [AtomicU64; Stage::ALL.len()],
}

impl Counters {
    pub(crate) fn count_sample(&self) {
        self.decoded_samples.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn decoded_samples(&self) -> u64 {
        self.decoded_samples.load(Ordering::Relaxed)
    }

    pub(crate) fn stage_secs(&self) -> [f64; Stage::ALL.len()] {
        std::array::from_fn(|stage| {
            Duration::from_nanos(self.stage_nanos[stage].load(Ordering::Relaxed)).as_secs_f64()
        })
    }

    /// A clock whose calls book the time since the last call on a stage.
    pub(crate) fn stage_clock(&self) -> impl FnMut(Stage) {
        let mut last = Instant::now();
        move |stage| {
            let now = Instant::now();
            let nanos = now.duration_since(last).as_nanos() as u64;
            self.stage_nanos[stage as usize].fetch_add(nanos, Ordering::Relaxed);
            last = now;
        }
    }
}
