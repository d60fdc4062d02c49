//! Measures how long work takes, by the wall clock and in processor time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use shard_format::Decoder;

use super::BenchError;

/// Each thread gets at least this many items of a round, so that few stand idle at its end.
const ITEMS_PER_THREAD: usize = 4;

/// Threads that measure, each with a decoder of its own.
pub(super) struct Crew {
    pool: rayon::ThreadPool,
    decoders: Vec<Mutex<Decoder>>,
    /// Least time of a measurement.
    seconds: f64,
}

/// What one kind of work costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Threads at work.
    pub threads: usize,
    /// Items done.
    pub items: u64,
    /// Items done in a second, by all threads together.
    pub per_second: f64,
    /// Megabytes (10^6) of pixels and labels in a second, by all threads together.
    pub megabytes_per_second: f64,
    /// Wall time per item in milliseconds: with several threads, several items share it.
    pub wall_ms: f64,
    /// Processor time per item in milliseconds, where the system tells it.
    pub processor_ms: Option<f64>,
}

impl Crew {
    pub(super) fn new(threads: usize, seconds: f64) -> Result<Self, BenchError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|source| BenchError::Threads { threads, source })?;
        let decoders = (0..threads).map(|_| Mutex::new(Decoder::new())).collect();
        Ok(Self { pool, decoders, seconds })
    }

    /// Does `work` on items 0, 1, 2 and so on, in rounds of a multiple of `samples`, until time is
    /// up; `work` returns the bytes of pixels and labels that it dealt with.
    pub(super) fn measure(
        &self,
        samples: usize,
        work: &(dyn Fn(usize, &mut Decoder) -> Result<u64, BenchError> + Sync),
    ) -> Result<Cost, BenchError> {
        let threads = self.decoders.len();
        let round = samples * (threads * ITEMS_PER_THREAD).div_ceil(samples);
        let one = |item: usize| {
            let thread = rayon::current_thread_index().unwrap_or(0) % threads;
            // No other thread has this index.
            let mut decoder =
                self.decoders[thread].lock().unwrap_or_else(|poison| poison.into_inner());
            work(item, &mut decoder)
        };
        // Pages, caches and buffers are warm after one item.
        self.pool.install(|| one(0))?;
        let (start, processor) = (Instant::now(), processor_nanoseconds());
        let (mut items, bytes) = (0, AtomicU64::new(0));
        let elapsed = loop {
            self.pool.install(|| {
                let numbers = (items..items + round).into_par_iter().with_max_len(1);
                numbers.try_for_each(|item| {
                    bytes.fetch_add(one(item)?, Ordering::Relaxed);
                    Ok::<(), BenchError>(())
                })
            })?;
            items += round;
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed >= self.seconds {
                break elapsed;
            }
        };
        let spent = processor_nanoseconds().zip(processor).map(|(end, start)| end - start);
        Ok(Cost {
            threads,
            items: items as u64,
            per_second: items as f64 / elapsed,
            megabytes_per_second: bytes.into_inner() as f64 / 1e6 / elapsed,
            wall_ms: elapsed * 1e3 / items as f64,
            processor_ms: spent.map(|spent| spent as f64 / 1e6 / items as f64),
        })
    }
}

/// Time that the threads of this process spent on processors, as Linux counts it.
///
/// Other processes lengthen the wall time of a measurement, but hardly this.
fn processor_nanoseconds() -> Option<u64> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_met_equally_often_until_time_is_up() {
        let crew = Crew::new(2, 0.02).unwrap();
        let met = [const { AtomicU64::new(0) }; 3];
        let cost = crew
            .measure(3, &|item, _| {
                met[item % 3].fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_micros(500));
                Ok(1000)
            })
            .unwrap();
        let mut met = met.map(AtomicU64::into_inner);
        met[0] -= 1; // The warm-up.
        assert!(met[0] > 1 && met == [met[0]; 3], "{met:?}");
        assert_eq!((cost.threads, cost.items), (2, met[0] * 3));
        let rate = cost.megabytes_per_second / cost.per_second;
        assert!((rate - 0.001).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn an_error_ends_the_measurement() {
        let crew = Crew::new(1, 10.0).unwrap();
        let stopped = crew.measure(1, &|item, _| match item {
            0 => Ok(1),
            _ => Err(BenchError::NoSamples { root: "x".into() }),
        });
        assert!(stopped.is_err());
    }
}
