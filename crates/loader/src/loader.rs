//! The loader: hands out jobs, puts finished batches in order, ends its workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::assembly::{Assembly, Finished, Slot};
use crate::batch::{Batch, DomainBatch, SampleTag};
use crate::domain::open_domains;
use crate::error::LoaderError;
use crate::options::LoaderOptions;
use crate::stats::{Counters, LoaderStats};
use crate::worker::{Job, Shared, work};

/// An iterator over augmented batches, rendered ahead by worker threads.
///
/// Batches come in order of their index. The jobs of at most `prefetch_batches` batches exist at a
/// time, which bounds memory and means that no worker ever waits for room in a channel. The first
/// error ends the stream; dropping the loader ends and joins the workers.
#[derive(Debug)]
pub struct Loader {
    options: LoaderOptions,
    shared: Arc<Shared>,
    /// `None` once the stream has ended.
    jobs: Option<Sender<Job>>,
    finished: Receiver<Finished>,
    /// Finished batches that are not yet due.
    early: BTreeMap<u64, Result<Batch, LoaderError>>,
    workers: Vec<JoinHandle<()>>,
    /// The next batch to hand out.
    due: u64,
    /// The next batch to hand to the workers.
    to_dispatch: u64,
    stall: Duration,
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
        let shared = Arc::new(Shared {
            domains: open_domains(&options.domains, &options.store)?,
            seed: options.seed,
            crop_width: options.crop_width,
            crop_height: options.crop_height,
            augment: options.augment,
            counters: Counters::default(),
            stop: AtomicBool::new(false),
        });
        let samples = options.domains.len() * options.samples_per_domain;
        // Room for every job and every result that can exist: sending never blocks.
        let (jobs, job_queue) = bounded(options.prefetch_batches.saturating_mul(samples));
        let (results, finished) = bounded(options.prefetch_batches);
        let mut loader = Self {
            shared,
            jobs: Some(jobs),
            finished,
            early: BTreeMap::new(),
            workers: Vec::with_capacity(options.workers),
            due: options.first_batch,
            to_dispatch: options.first_batch,
            stall: Duration::ZERO,
            started: Instant::now(),
            options,
        };
        for worker in 0..loader.options.workers {
            let (shared, jobs, results) =
                (Arc::clone(&loader.shared), job_queue.clone(), results.clone());
            let handle = std::thread::Builder::new()
                .name(format!("loader-{worker}"))
                .spawn(move || work(&shared, &jobs, &results))
                .map_err(|source| LoaderError::Spawn {
                    worker,
                    workers: loader.options.workers,
                    source,
                })?;
            loader.workers.push(handle);
        }
        loader.dispatch();
        Ok(loader)
    }

    /// The loader's counters since its start.
    #[must_use]
    pub fn stats(&self) -> LoaderStats {
        LoaderStats {
            decoded_samples: self.shared.counters.decoded_samples(),
            delivered_batches: self.due - self.options.first_batch,
            ready_batches: self.early.len() + self.finished.len(),
            in_flight_batches: (self.to_dispatch - self.due) as usize,
            stall_secs: self.stall.as_secs_f64(),
            elapsed_secs: self.started.elapsed().as_secs_f64(),
            stage_secs: self.shared.counters.stage_secs(),
        }
    }

    /// Hands out jobs until `prefetch_batches` batches are under way.
    fn dispatch(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        let prefetch = self.options.prefetch_batches as u64;
        let end = self.due.saturating_add(prefetch).min(self.options.end_batch);
        while self.to_dispatch < end {
            for job in self.jobs_of(self.to_dispatch) {
                if jobs.send(job).is_err() {
                    // All workers are gone; waiting for the due batch reports it.
                    return;
                }
            }
            self.to_dispatch += 1;
        }
    }

    /// The jobs of one batch, neighbours of different domains, so that they copy to different parts.
    fn jobs_of(&self, batch: u64) -> Vec<Job> {
        let per_domain = self.options.samples_per_domain;
        let mut parts = Vec::with_capacity(self.shared.domains.len());
        let mut places = Vec::with_capacity(self.shared.domains.len() * per_domain);
        for (domain_index, domain) in self.shared.domains.iter().enumerate() {
            let mut samples = Vec::with_capacity(per_domain);
            for sample in 0..per_domain {
                let position = domain.position(self.options.seed, batch, per_domain, sample);
                let located = domain.locate(position.sample);
                samples.push(SampleTag {
                    epoch: position.epoch,
                    index: position.index,
                    sample: position.sample,
                    id: located.dataset.sample(located.sample).id.clone(),
                });
                places.push((Slot { domain: domain_index, sample }, position));
            }
            parts.push(DomainBatch {
                name: domain.name.clone(),
                domain_index,
                batch: per_domain,
                height: self.options.crop_height as usize,
                width: self.options.crop_width as usize,
                images: Vec::new(),
                labels: Vec::new(),
                samples,
            });
        }
        places.sort_by_key(|(slot, _)| (slot.sample, slot.domain));
        let assembly = Arc::new(Assembly::new(batch, parts));
        places
            .into_iter()
            .map(|(slot, position)| Job { batch: Arc::clone(&assembly), slot, position })
            .collect()
    }

    /// Waits for the batch that is due, keeping those that come early.
    fn wait(&mut self) -> Result<Batch, LoaderError> {
        let waiting_since = Instant::now();
        let result = loop {
            if let Some(result) = self.early.remove(&self.due) {
                break result;
            }
            match self.finished.recv() {
                Ok(finished) => {
                    self.early.insert(finished.index, finished.result);
                }
                // The last sender is gone.
                Err(crossbeam_channel::RecvError) => {
                    break Err(LoaderError::WorkersEnded { batch: self.due });
                }
            }
        };
        self.stall += waiting_since.elapsed();
        result
    }

    /// Ends and joins the workers; each is at most one sample away from noticing.
    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A worker catches panics of its jobs and reports them; no other outcome is left.
            drop(worker.join());
        }
        self.early.clear();
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.jobs.is_none() || self.due >= self.options.end_batch {
            self.end();
            return None;
        }
        let result = self.wait();
        if result.is_ok() {
            self.due += 1;
            self.dispatch();
        } else {
            self.end();
        }
        Some(result)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.end();
    }
}
