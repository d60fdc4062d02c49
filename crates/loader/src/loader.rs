//! The loader: hands out jobs, puts finished batches in order, ends its workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::assembly::Finished;
use crate::batch::Batch;
use crate::buffers::Pool;
use crate::domain::Domain;
use crate::error::LoaderError;
use crate::jobs::{Job, jobs_of};
use crate::opening::open_patiently;
use crate::options::LoaderOptions;
use crate::plan::Plan;
use crate::position::Position;
use crate::stats::{Counters, Deliveries, LoaderStats};
use crate::watch::Watch;
use crate::worker::{Shared, work};

/// How long the end of a loader waits for its workers. Rendering a sample takes a small part of it;
/// a worker that takes longer waits for storage.
pub(crate) const LONGEST_GOODBYE: Duration = Duration::from_millis(500);

/// How often a loader that waits looks whether its workers get on.
const LOOKS_PER_PATIENCE: u32 = 8;

/// An iterator over augmented batches, rendered ahead by worker threads.
///
/// Batches come in order of their index. The jobs of at most `prefetch_batches` batches exist at a
/// time, which bounds memory and means that no worker ever waits for room in a channel. The first
/// error ends the stream; dropping the loader ends and joins the workers. One exception: a thread
/// inside a read that the storage does not answer cannot be ended from outside. It is waited for
/// half a second and then left behind, with the batch it was at, and ends when its read does; so
/// is the thread that opens the shards, after `patience`.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    /// `None` once the stream has ended.
    jobs: Option<Sender<Job>>,
    /// The other end of `jobs`, to empty it at the end.
    job_queue: Receiver<Job>,
    finished: Receiver<Finished>,
    /// Finished batches that are not yet due.
    early: BTreeMap<u64, Result<Batch, LoaderError>>,
    workers: Vec<JoinHandle<()>>,
    /// The next batch to hand out.
    due: u64,
    /// The next batch to hand to the workers.
    to_dispatch: u64,
    deliveries: Deliveries,
    started: Instant,
}

impl Loader {
    /// Opens all shards, checks that they fit together and starts the workers.
    ///
    /// # Errors
    /// Options out of range, folders that are missing, damaged, empty or of different classes, and
    /// threads that the system refuses.
    pub fn start(options: LoaderOptions) -> Result<Self, LoaderError> {
        options.validate()?;
        let domains = open_patiently(&options)?;
        Self::start_on(options, domains)
    }

    /// Starts the workers of checked options on the domain of each stream.
    fn start_on(options: LoaderOptions, domains: Vec<Arc<Domain>>) -> Result<Self, LoaderError> {
        let plan = Plan::new(&options, domains)?;
        // Room for every job and every result that can exist: sending never blocks.
        let most_jobs = options.prefetch_batches.saturating_mul(plan.samples_per_batch());
        let (jobs, job_queue) = bounded(most_jobs);
        let (results, finished) = bounded(options.prefetch_batches);
        // Images and labels of each stream, for every batch under way and the one handed out.
        let most_buffers = options.prefetch_batches.saturating_add(1);
        let pool = Pool::new(most_buffers.saturating_mul(2 * options.streams.len()));
        let mut loader = Self {
            jobs: Some(jobs),
            job_queue,
            finished,
            early: BTreeMap::new(),
            workers: Vec::with_capacity(options.workers),
            due: options.first_batch,
            to_dispatch: options.first_batch,
            deliveries: Deliveries::default(),
            started: Instant::now(),
            shared: Arc::new(Shared {
                plan,
                counters: Counters::default(),
                watch: Watch::new(options.workers),
                pool,
                stop: AtomicBool::new(false),
                options,
            }),
        };
        loader.spawn(results)?;
        loader.dispatch();
        Ok(loader)
    }

    /// Starts the workers, which alone own the ends of `results`.
    fn spawn(&mut self, results: Sender<Finished>) -> Result<(), LoaderError> {
        let workers = self.shared.options.workers;
        for worker in 0..workers {
            let (shared, jobs, results) =
                (Arc::clone(&self.shared), self.job_queue.clone(), results.clone());
            let handle = std::thread::Builder::new()
                .name(format!("loader-{worker}"))
                .spawn(move || work(&shared, worker, &jobs, &results))
                .map_err(|source| LoaderError::Spawn { worker, workers, source })?;
            self.workers.push(handle);
        }
        Ok(())
    }

    /// The loader's counters since its start.
    #[must_use]
    pub fn stats(&self) -> LoaderStats {
        let (shared, deliveries) = (&self.shared, &self.deliveries);
        LoaderStats {
            decoded_samples: shared.counters.decoded_samples(),
            delivered_batches: deliveries.batches,
            delivered_samples: deliveries.samples,
            class_uniform_samples: deliveries.class_uniform_samples,
            substituted_samples: deliveries.substituted_samples,
            masked_tiles: deliveries.masked_tiles,
            faults: deliveries.faults,
            ready_when_asked: deliveries.ready_when_asked,
            ready_at_most: deliveries.ready_at_most,
            ready_batches: self.ready(),
            in_flight_batches: (self.to_dispatch - self.due) as usize,
            prefetch_batches: shared.options.prefetch_batches,
            class_table_bytes: shared.plan.class_table_bytes(),
            stall_secs: deliveries.stall.as_secs_f64(),
            elapsed_secs: self.started.elapsed().as_secs_f64(),
            stage_secs: shared.counters.stage_secs(),
            store: shared.plan.store_stats(),
        }
    }

    /// Where the stream stands: before the batch that comes next.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position_at(self.due)
    }

    /// Where the stream stands before batch number `batch`.
    #[must_use]
    pub fn position_at(&self, batch: u64) -> Position {
        self.shared.plan.position(batch)
    }

    /// Takes a batch back whose pixels are no longer needed, to fill its buffers again.
    ///
    /// A consumer need not do this; it spares the system the clearing of fresh memory.
    pub fn recycle(&self, batch: Batch) {
        for part in batch.streams {
            self.shared.pool.give(part.images);
            self.shared.pool.give(part.labels);
        }
    }

    fn ready(&self) -> usize {
        self.early.len() + self.finished.len()
    }

    /// Hands out jobs until `prefetch_batches` batches are under way.
    fn dispatch(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        let options = &self.shared.options;
        let end = self.due.saturating_add(options.prefetch_batches as u64).min(options.end_batch);
        while self.to_dispatch < end {
            for job in jobs_of(&self.shared, self.to_dispatch) {
                if jobs.send(job).is_err() {
                    return;
                }
            }
            self.to_dispatch += 1;
        }
    }

    /// Waits for the batch that is due, keeping those that come early.
    fn wait(&mut self) -> Result<Batch, LoaderError> {
        let waiting_since = Instant::now();
        let patience = self.shared.options.patience;
        let mut progress = (self.shared.counters.decoded_samples(), waiting_since);
        let result = loop {
            if let Some(result) = self.early.remove(&self.due) {
                break result;
            }
            let received = match patience {
                Some(patience) => self.finished.recv_timeout(patience / LOOKS_PER_PATIENCE),
                None => self.finished.recv().map_err(RecvTimeoutError::from),
            };
            match received {
                Ok(finished) => {
                    self.early.insert(finished.index, finished.result);
                }
                // The last sender is gone.
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(LoaderError::WorkersEnded { batch: self.due });
                }
                Err(RecvTimeoutError::Timeout) => {
                    let decoded = self.shared.counters.decoded_samples();
                    if decoded != progress.0 {
                        progress = (decoded, Instant::now());
                    } else if patience.is_some_and(|patience| progress.1.elapsed() >= patience) {
                        break Err(self.stalled());
                    }
                }
            }
        };
        self.deliveries.stall += waiting_since.elapsed();
        result
    }

    /// The error of a stream whose batches do not come.
    fn stalled(&self) -> LoaderError {
        let streams = &self.shared.plan.streams;
        let reading = self.shared.watch.in_words(|stream| &streams[stream].domain);
        let patience = self.shared.options.patience.unwrap_or_default();
        LoaderError::Stalled { batch: self.due, patience, reading }
    }

    /// Ends the workers, each at most a part of a sample away from noticing, and joins them.
    fn end(&mut self) {
        if self.workers.is_empty() {
            return;
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.early.clear();
        // So that a worker that is left behind holds no more than the batch it was at.
        while self.job_queue.try_recv().is_ok() {}
        let deadline = Instant::now() + LONGEST_GOODBYE;
        let all_ended = loop {
            match self.finished.recv_deadline(deadline) {
                Ok(_) => {}
                // Every worker drops its end when it returns.
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        for worker in self.workers.drain(..) {
            if all_ended || worker.is_finished() {
                // A worker catches panics of its jobs and reports them; no other outcome is left.
                drop(worker.join());
            }
        }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.jobs.is_none() || self.due >= self.shared.options.end_batch {
            self.end();
            return None;
        }
        // All that is under way could be ready.
        let ready = (self.ready(), self.to_dispatch - self.due);
        let result = self.wait();
        match &result {
            Ok(batch) => {
                self.deliveries.count(batch, ready);
                self.due += 1;
                self.dispatch();
            }
            Err(_) => self.end(),
        }
        Some(result)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Augment;
    use crate::class_uniform::ClassUniform;
    use crate::test_storage::one_sample_domain;

    fn options(streams: Vec<crate::StreamSource>) -> LoaderOptions {
        LoaderOptions {
            streams,
            crop_width: 4,
            crop_height: 4,
            augment: Augment::none(),
            prefetch_batches: 3,
            ..LoaderOptions::default()
        }
    }

    #[test]
    fn storage_that_falls_silent_becomes_an_error_that_names_the_sample_and_nobody_hangs() {
        let (domain, source, gate) = one_sample_domain();
        let patience = Duration::from_millis(100);
        let options =
            LoaderOptions { patience: Some(patience), workers: 2, ..options(vec![source]) };
        let mut loader = Loader::start_on(options, vec![domain]).unwrap();
        loader.next().unwrap().unwrap();
        gate.set_shut(true);
        let error = loader.find_map(Result::err).unwrap();
        assert!(matches!(error, LoaderError::Stalled { .. }), "{error}");
        for fact in
            ["no sample was finished for 0.1 s", "sample \"a\" of far/away", "domain one", "hint"]
        {
            assert!(error.to_string().contains(fact), "{fact} in {error}");
        }
        assert!(loader.next().is_none(), "the stream has ended");
        let since = Instant::now();
        let left_behind = Arc::downgrade(&loader.shared);
        drop(loader);
        assert!(since.elapsed() < 2 * LONGEST_GOODBYE, "{:?}", since.elapsed());
        assert!(left_behind.upgrade().is_some(), "a worker is still in its read");
        // The worker ends with its read.
        gate.set_shut(false);
        while left_behind.upgrade().is_some() {
            assert!(since.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn choosing_samples_by_class_reads_no_shard() {
        let (domain, source, gate) = one_sample_domain();
        gate.set_shut(true);
        let class_uniform = Some(ClassUniform { fraction: 1.0 });
        let options = LoaderOptions { class_uniform, ..options(vec![source]) };
        let plan = Plan::new(&options, vec![domain]).unwrap();
        for batch in 0..100 {
            for place in plan.places(batch).concat() {
                assert_eq!(place.pick.map(|pick| (pick.class, pick.sample)), Some((0, 0)));
            }
        }
    }

    #[test]
    fn the_consumers_waiting_is_counted() {
        let (domain, source, gate) = one_sample_domain();
        gate.set_shut(true);
        let mut loader = Loader::start_on(options(vec![source]), vec![domain]).unwrap();
        let shut = Duration::from_millis(200);
        let opener = std::thread::spawn(move || {
            std::thread::sleep(shut);
            gate.set_shut(false);
        });
        loader.next().unwrap().unwrap();
        opener.join().unwrap();
        let waited = loader.stats();
        // The loader was started a little before the clock of the gate.
        assert!(waited.stall_secs > 0.9 * shut.as_secs_f64(), "{waited:?}");
        assert!(waited.stall_share() > 0.5 && waited.queue_fill() == 0.0, "{waited:?}");
        // Nothing is waited for where everything is ready.
        while loader.stats().ready_batches < 3 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(shut);
        loader.next().unwrap().unwrap();
        let ready = loader.stats().since(&waited);
        assert!(ready.stall_share() < 0.5 && ready.queue_fill() == 1.0, "{ready:?}");
    }

    #[test]
    fn workers_in_the_middle_of_a_sample_are_joined_when_the_loader_is_dropped() {
        let (domain, source, _) = one_sample_domain();
        let options = LoaderOptions { workers: 7, ..options(vec![source]) };
        let loader = Loader::start_on(options, vec![domain]).unwrap();
        let shared = Arc::downgrade(&loader.shared);
        drop(loader);
        assert!(shared.upgrade().is_none(), "no thread has outlived the loader");
    }
}
