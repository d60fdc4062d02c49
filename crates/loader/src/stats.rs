//! Counters that show whether the data or its consumer is the bottleneck.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::renderer::Stage;

/// A loader's counters since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoaderStats {
    /// Samples rendered by the workers.
    pub decoded_samples: u64,
    /// Batches handed to the consumer.
    pub delivered_batches: u64,
    /// Finished batches that wait for the consumer, out-of-order ones included.
    pub ready_batches: usize,
    /// Batches under way or waiting; at most `prefetch_batches`.
    pub in_flight_batches: usize,
    /// Time that the consumer spent waiting for batches, in seconds.
    pub stall_secs: f64,
    /// Time since the start, in seconds.
    pub elapsed_secs: f64,
    /// Time that all workers together spent in each stage, in seconds; order of [`Stage::ALL`].
    pub stage_secs: [f64; Stage::ALL.len()],
}

impl LoaderStats {
    /// Samples rendered per second since the start.
    #[must_use]
    pub fn samples_per_sec(&self) -> f64 {
        if self.elapsed_secs > 0.0 { self.decoded_samples as f64 / self.elapsed_secs } else { 0.0 }
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
