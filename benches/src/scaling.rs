//! The whole loader with several numbers of workers.

use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cpu_time;
use crate::setup::{BATCH, Rendered, Setup};

/// The samples of a run, in the order in which they were handed out.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) all: Vec<Rendered>,
    /// How many of the first are not measured.
    pub(crate) unmeasured: usize,
}

/// One run in its steady state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Run {
    workers: usize,
    samples: u64,
    cpu_secs: f64,
    wall_secs: f64,
}

/// A run beside the one with a single worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Scaling {
    pub(crate) workers: usize,
    pub(crate) samples: u64,
    pub(crate) samples_per_sec: f64,
    pub(crate) cpu_ms_per_sample: f64,
    /// Samples per second against those of one worker, over the number of workers.
    pub(crate) efficiency: f64,
}

/// Takes all batches of a loader as fast as they come, and drops them.
///
/// Measured from the moment when every worker is busy until all work is done: threads, their
/// buffers and the opening of the shards are not in it; the consumer's thread is.
pub(crate) fn run_loader(
    setup: &Setup,
    workers: usize,
    samples_per_worker: u64,
) -> Result<(Run, Samples)> {
    let warm_up = 2 * workers.div_ceil(BATCH) as u64 + 2;
    let batches = warm_up + (samples_per_worker * workers as u64).div_ceil(BATCH as u64);
    let mut loader = setup.loader(workers, batches)?;
    let mut all = Vec::new();
    for _ in 0..warm_up {
        all.extend(expect_batch(Setup::next_batch(&mut loader)?)?);
    }
    let unmeasured = all.len();
    let decoded_before = loader.stats().decoded_samples;
    let (cpu_before, begun) = (cpu_time::of_living_threads()?, Instant::now());
    for _ in warm_up..batches {
        all.extend(expect_batch(Setup::next_batch(&mut loader)?)?);
    }
    let run = Run {
        workers,
        samples: loader.stats().decoded_samples - decoded_before,
        wall_secs: begun.elapsed().as_secs_f64(),
        cpu_secs: cpu_time::of_living_threads()? - cpu_before,
    };
    Ok((run, Samples { all, unmeasured }))
}

fn expect_batch(batch: Option<Vec<Rendered>>) -> Result<Vec<Rendered>> {
    batch.context("the loader ended early")
}

impl Run {
    pub(crate) fn cpu_ms_per_sample(&self) -> f64 {
        self.cpu_secs / self.samples as f64 * 1e3
    }

    fn samples_per_sec(&self) -> f64 {
        self.samples as f64 / self.wall_secs
    }

    pub(crate) fn compared_with(&self, one_worker: &Self) -> Scaling {
        let speed_up = self.samples_per_sec() / one_worker.samples_per_sec();
        Scaling {
            workers: self.workers,
            samples: self.samples,
            samples_per_sec: self.samples_per_sec(),
            cpu_ms_per_sample: self.cpu_ms_per_sample(),
            efficiency: speed_up / self.workers as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_samples_with_four_workers_is_an_efficiency_of_one_half() {
        let one = Run { workers: 1, samples: 100, cpu_secs: 1.0, wall_secs: 1.0 };
        let four = Run { workers: 4, samples: 400, cpu_secs: 4.8, wall_secs: 2.0 };
        let scaling = four.compared_with(&one);
        assert_eq!(scaling.efficiency, 0.5);
        assert_eq!(scaling.samples_per_sec, 200.0);
        assert!((scaling.cpu_ms_per_sample - 12.0).abs() < 1e-12, "rounding of one division");
    }
}
