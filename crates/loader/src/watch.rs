//! What the workers are at, for the error of a loader that waits in vain.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::domain::Domain;

/// One entry for each worker.
#[derive(Debug)]
pub(crate) struct Watch(Vec<Mutex<Option<Reading>>>);

/// A sample that is being read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// The stream's place in the options.
    stream: usize,
    /// The sample's number within its domain.
    sample: usize,
    since: Instant,
}

/// Samples that are named.
const MOST_NAMED: usize = 4;

impl Watch {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    pub(crate) fn begin(&self, worker: usize, stream: usize, sample: usize) {
        *lock(&self.0[worker]) = Some(Reading { stream, sample, since: Instant::now() });
    }

    pub(crate) fn end(&self, worker: usize) {
        *lock(&self.0[worker]) = None;
    }

    /// Which samples are being read, from where and for how long, the one longest read first.
    pub(crate) fn in_words<'a>(&self, domain_of: impl Fn(usize) -> &'a Domain) -> String {
        let mut readings: Vec<Reading> = self.0.iter().filter_map(|entry| *lock(entry)).collect();
        readings.sort_by_key(|reading| reading.since);
        let mut named: Vec<String> = readings
            .iter()
            .take(MOST_NAMED)
            .map(|reading| {
                let domain = domain_of(reading.stream);
                let located = domain.locate(reading.sample);
                let (id, name, path) = (&located.info().id, &domain.name, located.path.display());
                let secs = reading.since.elapsed().as_secs();
                format!("sample {id:?} of {path} (domain {name}) for {secs} s")
            })
            .collect();
        if readings.len() > MOST_NAMED {
            named.push(format!("{} more", readings.len() - MOST_NAMED));
        }
        match named.is_empty() {
            true => "no sample is being read".to_owned(),
            false => format!("being read: {}", named.join(", ")),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
