//! Counts what a connection does.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Remote`](crate::Remote) has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Requests sent, repeated ones and those for credentials included.
    pub requests: u64,
    /// Requests that repeated one which failed, or went on where one broke off.
    pub retries: u64,
    /// Bytes of index and shards received.
    pub bytes_fetched: u64,
    /// Pieces of blocks that came from memory or from the disk cache.
    pub cache_hits: u64,
    /// Blocks of the disk cache that were found damaged and deleted.
    pub blocks_dropped: u64,
}

/// [`Stats`] that many threads count up.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: Counter,
    pub retries: Counter,
    pub bytes_fetched: Counter,
    pub cache_hits: Counter,
    pub blocks_dropped: Counter,
}

/// A number that many threads count up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            requests: self.requests.get(),
            retries: self.retries.get(),
            bytes_fetched: self.bytes_fetched.get(),
            cache_hits: self.cache_hits.get(),
            blocks_dropped: self.blocks_dropped.get(),
        }
    }
}
