//! Counts what a connection does.

#[cfg(feature = "remote")]
use std::sync::Arc;
#[cfg(feature = "remote")]
use std::sync::atomic::{AtomicU64, Ordering};

/// What connections have done so far; nothing but zeros for a folder, whose reads the system
/// serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Requests sent, repeated ones and those for credentials included.
    pub requests: u64,
    /// Requests that repeated one which failed, or went on where one broke off.
    pub retries: u64,
    /// Bytes of index and shards received.
    pub bytes_fetched: u64,
    /// Pieces of blocks that came from memory or from the disk cache, just fetched ones included.
    pub cache_hits: u64,
    /// Blocks that were in neither and were fetched.
    pub cache_misses: u64,
    /// Blocks of the disk cache that were found damaged and deleted.
    pub blocks_dropped: u64,
}

/// Counts on while a dataset is read.
#[derive(Debug, Clone, Default)]
pub struct StoreCounters {
    #[cfg(feature = "remote")]
    pub(crate) remote: Option<Arc<Counters>>,
}

impl Stats {
    /// The sum of both, number by number.
    pub fn plus(&self, other: &Self) -> Self {
        self.combined(other, u64::saturating_add)
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        self.combined(earlier, u64::saturating_sub)
    }

    fn combined(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            requests: with(self.requests, other.requests),
            retries: with(self.retries, other.retries),
            bytes_fetched: with(self.bytes_fetched, other.bytes_fetched),
            cache_hits: with(self.cache_hits, other.cache_hits),
            cache_misses: with(self.cache_misses, other.cache_misses),
            blocks_dropped: with(self.blocks_dropped, other.blocks_dropped),
        }
    }
}

impl StoreCounters {
    /// What the dataset's connection has done so far.
    pub fn stats(&self) -> Stats {
        #[cfg(feature = "remote")]
        if let Some(counters) = &self.remote {
            return counters.stats();
        }
        Stats::default()
    }
}

/// [`Stats`] that many threads count up.
#[cfg(feature = "remote")]
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: Counter,
    pub retries: Counter,
    pub bytes_fetched: Counter,
    pub cache_hits: Counter,
    pub cache_misses: Counter,
    pub blocks_dropped: Counter,
}

/// A number that many threads count up.
#[cfg(feature = "remote")]
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

#[cfg(feature = "remote")]
impl Counter {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(feature = "remote")]
impl Counters {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            requests: self.requests.get(),
            retries: self.retries.get(),
            bytes_fetched: self.bytes_fetched.get(),
            cache_hits: self.cache_hits.get(),
            cache_misses: self.cache_misses.get(),
            blocks_dropped: self.blocks_dropped.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_and_its_start_make_the_end() {
        let numbers = |from: u64| Stats {
            requests: from,
            retries: from + 1,
            bytes_fetched: from + 2,
            cache_hits: from + 3,
            cache_misses: from + 4,
            blocks_dropped: from + 5,
        };
        let (start, end) = (numbers(1), numbers(100));
        let difference = end.since(&start);
        assert_eq!((difference.requests, difference.blocks_dropped), (99, 99));
        assert_eq!(difference.plus(&start), end);
        assert_eq!(StoreCounters::default().stats(), Stats::default());
    }
}
