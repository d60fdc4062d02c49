//! Whole images of every domain, each as the strong colours change it and as it is: what the
//! covariance statistics of ISW compare.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use shard_store::Stats;

use crate::domain::Domain;
use crate::error::LoaderError;
use crate::faults::{Fault, FaultPolicy};
use crate::loader::LONGEST_GOODBYE;
use crate::opening::open_patiently;
use crate::options::LoaderOptions;
use crate::permutation::permuted;
use crate::random::{SampleKey, epoch_state};
use crate::recovery::Filling;
use crate::request::Request;
use crate::stats::{Counters, Deliveries, LoaderStats};
use crate::view_renderer::ViewRenderer;
use crate::watch::Watch;
use crate::worker::panicked;

/// How often the domains are gone through, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewTrials {
    /// Times that every domain comes.
    pub trials: u64,
    /// Most images of a domain in one trial; a smaller domain comes whole.
    pub images: u64,
}

/// One image in two views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewPair {
    /// The trial, from 0 on.
    pub trial: u64,
    /// The domain's name.
    pub domain: String,
    /// The sample's id.
    pub id: String,
    /// Width of the image in pixels.
    pub width: usize,
    /// Height of the image in pixels.
    pub height: usize,
    /// RGB levels of the augmented view and of the image as it is. Shape: [2, 3, height, width].
    pub levels: Vec<u8>,
    /// Of all draws for this pair.
    pub key: SampleKey,
    /// Whether it is the last of its domain in its trial.
    pub ends_trial: bool,
    /// Damage that was met, in order.
    pub faults: Vec<Fault>,
}

/// An iterator over pairs of views, rendered ahead by worker threads: all domains of the first
/// trial, one after the other, then those of the second.
///
/// A trial takes the images of a domain in an order of its own, none twice; order and draws are a
/// function of (seed, domain, trial, index). Each worker has at most two pairs that wait. The
/// first error ends the stream. As with the [`Loader`](crate::Loader), dropping it joins the
/// workers, but for one inside a read that the storage does not answer.
#[derive(Debug)]
pub struct ViewPairs {
    shared: Arc<Shared>,
    /// One for each worker; pair number `n` comes from worker `n` modulo their number.
    finished: Vec<Receiver<Result<ViewPair, LoaderError>>>,
    workers: Vec<JoinHandle<()>>,
    due: u64,
    deliveries: Deliveries,
    started: Instant,
}

#[derive(Debug)]
struct Shared {
    options: LoaderOptions,
    /// Each once, in the order of the options.
    domains: Vec<Arc<Domain>>,
    trials: ViewTrials,
    counters: Counters,
    watch: Watch,
    /// Set when the consumer is gone.
    stop: AtomicBool,
}

impl ViewPairs {
    /// Opens all shards and starts the workers.
    ///
    /// Of the options count the streams' domains, `store`, the colour jitter, blur and mode of
    /// `strong_augment`, `faults`, `seed`, `workers` and `patience`.
    ///
    /// # Errors
    /// As [`Loader::start`](crate::Loader::start).
    pub fn start(mut options: LoaderOptions, trials: ViewTrials) -> Result<Self, LoaderError> {
        options.validate()?;
        let mut names = BTreeSet::new();
        options.streams.retain(|source| names.insert(source.name.clone()));
        let domains = open_patiently(&options)?;
        Self::start_on(options, domains, trials)
    }

    fn start_on(
        options: LoaderOptions,
        domains: Vec<Arc<Domain>>,
        trials: ViewTrials,
    ) -> Result<Self, LoaderError> {
        let workers = options.workers;
        let mut pairs = Self {
            shared: Arc::new(Shared {
                options,
                domains,
                trials,
                counters: Counters::default(),
                watch: Watch::new(workers),
                stop: AtomicBool::new(false),
            }),
            finished: Vec::with_capacity(workers),
            workers: Vec::with_capacity(workers),
            due: 0,
            deliveries: Deliveries::default(),
            started: Instant::now(),
        };
        for worker in 0..workers {
            let (send, finished) = bounded(1);
            let shared = Arc::clone(&pairs.shared);
            let handle = std::thread::Builder::new()
                .name(format!("views-{worker}"))
                .spawn(move || work(&shared, worker, &send))
                .map_err(|source| LoaderError::Spawn { worker, workers, source })?;
            pairs.finished.push(finished);
            pairs.workers.push(handle);
        }
        Ok(pairs)
    }

    /// Pairs in all, those that were handed out included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.shared.trials.trials.saturating_mul(self.shared.pairs_per_trial())
    }

    /// What was done so far; one pair counts as a batch of one sample.
    #[must_use]
    pub fn stats(&self) -> LoaderStats {
        let (shared, deliveries) = (&self.shared, &self.deliveries);
        let store = shared.domains.iter().map(|domain| domain.store_stats());
        LoaderStats {
            decoded_samples: shared.counters.decoded_samples(),
            delivered_batches: deliveries.batches,
            delivered_samples: deliveries.samples,
            substituted_samples: deliveries.substituted_samples,
            masked_tiles: deliveries.masked_tiles,
            faults: deliveries.faults,
            stall_secs: deliveries.stall.as_secs_f64(),
            elapsed_secs: self.started.elapsed().as_secs_f64(),
            stage_secs: shared.counters.stage_secs(),
            store: store.fold(Stats::default(), |sum, stats| sum.plus(&stats)),
            ..LoaderStats::default()
        }
    }

    fn wait(&self) -> Result<ViewPair, LoaderError> {
        let finished = &self.finished[(self.due % self.finished.len() as u64) as usize];
        let patience = self.shared.options.patience;
        let received = match patience {
            Some(patience) => finished.recv_timeout(patience),
            None => finished.recv().map_err(RecvTimeoutError::from),
        };
        match received {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => {
                Err(LoaderError::WorkersEnded { batch: self.due })
            }
            Err(RecvTimeoutError::Timeout) => Err(LoaderError::Stalled {
                batch: self.due,
                patience: patience.unwrap_or_default(),
                reading: self.shared.watch.in_words(|domain| &self.shared.domains[domain]),
            }),
        }
    }

    /// Ends the workers and joins them.
    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + LONGEST_GOODBYE;
        for (finished, worker) in self.finished.drain(..).zip(self.workers.drain(..)) {
            let has_ended = loop {
                match finished.recv_deadline(deadline) {
                    Ok(_) => {}
                    // The worker drops its end when it returns.
                    Err(RecvTimeoutError::Disconnected) => break true,
                    Err(RecvTimeoutError::Timeout) => break false,
                }
            };
            if has_ended || worker.is_finished() {
                // Panics over samples are caught and reported; no other outcome is left.
                drop(worker.join());
            }
        }
    }
}

impl Iterator for ViewPairs {
    type Item = Result<ViewPair, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished.is_empty() || self.due >= self.total() {
            self.end();
            return None;
        }
        let waiting_since = Instant::now();
        let result = self.wait();
        self.deliveries.stall += waiting_since.elapsed();
        match &result {
            Ok(pair) => {
                self.deliveries.batches += 1;
                self.deliveries.samples += 1;
                self.deliveries.count_faults(&pair.faults);
                self.due += 1;
            }
            Err(_) => self.end(),
        }
        Some(result)
    }
}

impl Drop for ViewPairs {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn images_of(&self, domain: usize) -> u64 {
        self.trials.images.min(self.domains[domain].len() as u64)
    }

    fn pairs_per_trial(&self) -> u64 {
        (0..self.domains.len()).map(|domain| self.images_of(domain)).sum()
    }

    /// Trial, domain and index within both of pair number `number`.
    fn place(&self, number: u64) -> (u64, usize, u64) {
        let per_trial = self.pairs_per_trial();
        let (trial, mut index) = (number / per_trial, number % per_trial);
        let mut domain = 0;
        while index >= self.images_of(domain) {
            index -= self.images_of(domain);
            domain += 1;
        }
        (trial, domain, index)
    }

    /// The sample at a place, or at the `attempt`-th try the one that many further in the order.
    fn sample(&self, (trial, domain, index): (u64, usize, u64), attempt: u64) -> usize {
        let domain = &self.domains[domain];
        let (state, len) =
            (epoch_state(self.options.seed, (&domain.name, 0), trial), domain.len() as u64);
        permuted(state, len, (index + attempt) % len) as usize
    }
}

/// Renders every pair of worker number `worker` until the consumer is gone.
fn work(shared: &Shared, worker: usize, finished: &Sender<Result<ViewPair, LoaderError>>) {
    let total = shared.trials.trials.saturating_mul(shared.pairs_per_trial());
    let mut renderer = ViewRenderer::new();
    for number in (worker as u64..total).step_by(shared.options.workers) {
        let place = shared.place(number);
        let render = AssertUnwindSafe(|| render(shared, worker, place, &mut renderer));
        let result = match catch_unwind(render) {
            Ok(None) => return,
            Ok(Some(result)) => result,
            Err(panic) => {
                let domain = &shared.domains[place.1];
                Err(panicked(domain, shared.sample(place, 0), panic.as_ref()))
            }
        };
        shared.watch.end(worker);
        let is_last = result.is_err();
        if finished.send(result).is_err() || is_last {
            return;
        }
    }
}

/// One pair; none if the consumer is gone.
fn render(
    shared: &Shared,
    worker: usize,
    place @ (trial, domain_index, index): (u64, usize, u64),
    renderer: &mut ViewRenderer,
) -> Option<Result<ViewPair, LoaderError>> {
    let (options, domain) = (&shared.options, &shared.domains[domain_index]);
    let key = SampleKey::new(options.seed, &domain.name, trial, index);
    let slot = index as usize;
    let policy = options.faults;
    let filling = Filling { domain, stream: 0, stream_index: domain_index, slot, policy };
    let mut levels = Vec::new();
    let choose = |attempt| shared.sample(place, attempt);
    let shown = filling.run(choose, |sample, _| {
        shared.watch.begin(worker, domain_index, sample);
        let located = domain.locate(sample);
        let request = Request {
            masks: policy == FaultPolicy::MaskTile,
            stop: Some(&shared.stop),
            ..Request::new(located.dataset, located.sample, key)
        };
        let mut clock = shared.counters.stage_clock();
        renderer.run(&request, &options.strong_augment, &mut levels, &mut clock)
    })?;
    Some(shown.map(|shown| {
        shared.counters.count_sample();
        let sample = shown.substitute.map_or_else(|| choose(0), |(sample, _)| sample);
        let located = domain.locate(sample);
        let info = located.info();
        ViewPair {
            trial,
            domain: domain.name.clone(),
            id: info.id.clone(),
            width: info.width as usize,
            height: info.height as usize,
            levels,
            key,
            ends_trial: index + 1 == shared.images_of(domain_index),
            faults: shown.faults,
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_storage::one_sample_domain;

    #[test]
    fn storage_that_falls_silent_becomes_an_error_that_names_the_sample_and_nobody_hangs() {
        let (domain, source, gate) = one_sample_domain();
        let patience = Duration::from_millis(100);
        let options = LoaderOptions {
            streams: vec![source],
            patience: Some(patience),
            workers: 2,
            ..LoaderOptions::default()
        };
        let trials = ViewTrials { trials: 100, images: 5 };
        let mut pairs = ViewPairs::start_on(options, vec![domain], trials).unwrap();
        pairs.next().unwrap().unwrap();
        gate.set_shut(true);
        let error = pairs.find_map(Result::err).unwrap();
        assert!(matches!(error, LoaderError::Stalled { .. }), "{error}");
        assert!(error.to_string().contains("sample \"a\" of far/away"), "{error}");
        assert!(pairs.next().is_none(), "the stream has ended");
        let since = Instant::now();
        drop(pairs);
        assert!(since.elapsed() < 2 * LONGEST_GOODBYE, "{:?}", since.elapsed());
        gate.set_shut(false);
    }

    #[test]
    fn dropping_the_pairs_half_way_joins_the_workers() {
        let (domain, source, _) = one_sample_domain();
        let options =
            LoaderOptions { streams: vec![source], workers: 3, ..LoaderOptions::default() };
        let trials = ViewTrials { trials: 1000, images: 1 };
        let mut pairs = ViewPairs::start_on(options, vec![domain], trials).unwrap();
        pairs.next().unwrap().unwrap();
        let left_behind = Arc::downgrade(&pairs.shared);
        drop(pairs);
        assert!(left_behind.upgrade().is_none(), "a worker is left");
    }
}
