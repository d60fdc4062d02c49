//! What the workers are at, for the error of a loader that waits in vain.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One entry for each worker.
#[derive(Debug)]
pub(crate) struct Watch(Vec<Mutex<Option<Reading>>>);

/// A sample that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// The stream's place in the options.
    pub(crate) stream: usize,
    /// The sample's number within its domain.
    pub(crate) sample: usize,
    pub(crate) since: Instant,
}

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

    /// All samples that are being read, the one longest read first.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let mut readings: Vec<Reading> = self.0.iter().filter_map(|entry| *lock(entry)).collect();
        readings.sort_by_key(|reading| reading.since);
        readings
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
