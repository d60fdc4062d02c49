//! Which samples a batch consists of: a function of the options and the batch's number alone.

use std::sync::Arc;

use shard_store::Stats;

use crate::class_uniform::{ClassPick, ClassTable};
use crate::domain::Domain;
use crate::error::LoaderError;
use crate::options::LoaderOptions;
use crate::permutation::permuted;
use crate::position::{Position, StreamPosition};
use crate::random::{Purpose, SampleKey, epoch_state};
use crate::sampling::{Sampling, Shares, StreamDraw, rank_part};

/// The samples of all batches, before any of them is read.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) streams: Vec<Stream>,
    order: Order,
    seed: u64,
    rank: usize,
    ranks: usize,
    /// Share of the samples that are chosen for a class.
    class_fraction: f64,
}

/// One way through the samples of a domain.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) domain: Arc<Domain>,
    /// The stream's number within its domain.
    pub(crate) number: u32,
    /// Samples in a batch of all ranks, where that is fixed.
    quota: usize,
    /// Only where samples are chosen for a class.
    table: Option<Arc<ClassTable>>,
}

#[derive(Debug)]
enum Order {
    Quotas,
    Drawn { batch: usize, draw: StreamDraw },
}

/// One sample of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u64,
    pub(crate) index: u64,
    /// Of all draws for this place.
    pub(crate) key: SampleKey,
    /// The sample's number within the domain.
    pub(crate) sample: usize,
    /// What the sample was chosen for, if for a class.
    pub(crate) pick: Option<ClassPick>,
}

impl Plan {
    /// The plan of checked options; `domains` are those of their streams.
    pub(crate) fn new(
        options: &LoaderOptions,
        domains: Vec<Arc<Domain>>,
    ) -> Result<Self, LoaderError> {
        let mut streams: Vec<Stream> = Vec::with_capacity(domains.len());
        for (source, domain) in options.streams.iter().zip(domains) {
            let sibling = streams.iter().find(|stream| stream.domain.name == domain.name);
            let table = match (options.class_uniform, sibling) {
                (None, _) => None,
                (Some(_), Some(sibling)) => sibling.table.clone(),
                (Some(_), None) => Some(Arc::new(domain.class_table())),
            };
            if table.as_ref().is_some_and(|table| table.is_empty()) {
                return Err(LoaderError::NoLabels { domain: domain.name.clone() });
            }
            let (number, quota) = (source.stream, source.samples_per_batch);
            streams.push(Stream { domain, number, quota, table });
        }
        let order = match options.sampling {
            Sampling::Quotas => Order::Quotas,
            Sampling::Drawn { batch, by } => {
                let each = streams.iter().zip(&options.streams).map(|(stream, source)| match by {
                    Shares::Images => stream.domain.len() as f64,
                    Shares::Equal => 1.0,
                    Shares::Weights => source.weight,
                });
                Order::Drawn { batch, draw: StreamDraw::new(each) }
            }
        };
        let (rank, ranks) = (options.rank, options.ranks);
        let class_fraction = options.class_uniform.map_or(0.0, |classes| classes.fraction);
        Ok(Self { streams, order, seed: options.seed, rank, ranks, class_fraction })
    }

    /// This rank's samples of each stream in batch number `batch`.
    pub(crate) fn places(&self, batch: u64) -> Vec<Vec<Place>> {
        let mine = |count| rank_part(count, self.rank, self.ranks);
        match &self.order {
            Order::Quotas => {
                let of_stream = |stream: &Stream| {
                    mine(stream.quota).map(|slot| self.next(stream, batch, slot)).collect()
                };
                self.streams.iter().map(of_stream).collect()
            }
            Order::Drawn { batch: slots, draw } => {
                let mut places = vec![Vec::new(); self.streams.len()];
                for slot in mine(*slots) {
                    let stream = draw.pick(SampleKey::of_batch(self.seed, batch, slot as u64));
                    places[stream].push(self.drawn(&self.streams[stream], batch, slot));
                }
                places
            }
        }
    }

    /// The most samples of each stream in a batch of this rank, in all.
    pub(crate) fn samples_per_batch(&self) -> usize {
        let mine = |count| rank_part(count, self.rank, self.ranks).len();
        match &self.order {
            Order::Quotas => self.streams.iter().map(|stream| mine(stream.quota)).sum(),
            Order::Drawn { batch, .. } => mine(*batch),
        }
    }

    /// The sample that takes the place of a damaged one, at the `attempt`-th try from 1 on: that
    /// many further in the epoch's order, or where samples are drawn, in the domain.
    pub(crate) fn substitute(&self, stream: &Stream, place: &Place, attempt: u64) -> usize {
        let len = stream.domain.len() as u64;
        match self.order {
            Order::Quotas => {
                self.in_order(stream, place.epoch, (place.index % len + attempt % len) % len)
            }
            Order::Drawn { .. } => ((place.sample as u64 % len + attempt % len) % len) as usize,
        }
    }

    /// Where all streams stand at the start of batch number `batch`.
    pub(crate) fn position(&self, batch: u64) -> Position {
        let streams = self.streams.iter().map(|stream| {
            let (epoch, index) = match self.order {
                Order::Quotas => stream.progress(batch, 0),
                Order::Drawn { .. } => (batch, 0),
            };
            let (domain, samples) = (stream.domain.name.clone(), stream.domain.len() as u64);
            StreamPosition { domain, stream: stream.number, epoch, index, samples }
        });
        Position { seed: self.seed, batch, streams: streams.collect() }
    }

    /// Memory that the tables of classes take.
    pub(crate) fn class_table_bytes(&self) -> u64 {
        self.of_each_domain()
            .filter_map(|stream| stream.table.as_ref())
            .map(|table| table.bytes())
            .sum()
    }

    /// What the connections of all domains have done.
    pub(crate) fn store_stats(&self) -> Stats {
        let each = self.of_each_domain().map(|stream| stream.domain.store_stats());
        each.fold(Stats::default(), |sum, stats| sum.plus(&stats))
    }

    /// One stream of each domain; all of them share datasets and table.
    fn of_each_domain(&self) -> impl Iterator<Item = &Stream> {
        let is_first = |at: usize| {
            let domain = &self.streams[at].domain;
            self.streams[..at].iter().all(|earlier| !Arc::ptr_eq(&earlier.domain, domain))
        };
        self.streams
            .iter()
            .enumerate()
            .filter(move |(at, _)| is_first(*at))
            .map(|(_, stream)| stream)
    }

    /// Sample `slot` of a stream's quota: one keyed permutation per epoch, one after the other.
    fn next(&self, stream: &Stream, batch: u64, slot: usize) -> Place {
        let (epoch, index) = stream.progress(batch, slot);
        let sample = self.in_order(stream, epoch, index);
        self.place(stream, (epoch, index), |_| sample)
    }

    /// The sample of slot `slot`, any of the stream's.
    fn drawn(&self, stream: &Stream, batch: u64, slot: usize) -> Place {
        let len = stream.domain.len() as u64;
        self.place(stream, (batch, slot as u64), |key| {
            key.below_wide(Purpose::Sample, len) as usize
        })
    }

    fn in_order(&self, stream: &Stream, epoch: u64, index: u64) -> usize {
        let state = epoch_state(self.seed, stream.name(), epoch);
        permuted(state, stream.domain.len() as u64, index) as usize
    }

    fn place(
        &self,
        stream: &Stream,
        (epoch, index): (u64, u64),
        sample: impl FnOnce(SampleKey) -> usize,
    ) -> Place {
        let key = SampleKey::of_stream(self.seed, stream.name(), epoch, index);
        let for_class = stream.table.as_ref();
        let pick = for_class
            .filter(|_| key.unit(Purpose::ClassUniform) < self.class_fraction)
            .map(|table| table.pick(key));
        let sample = pick.map_or_else(|| sample(key), |pick| pick.sample);
        Place { epoch, index, key, sample, pick }
    }
}

impl Stream {
    /// What keys the stream's draws.
    fn name(&self) -> (&str, u32) {
        (&self.domain.name, self.number)
    }

    /// Epoch and index of sample `slot` of the quota in batch number `batch`.
    fn progress(&self, batch: u64, slot: usize) -> (u64, u64) {
        // 128 bits: batch and quota are the caller's and may both be large.
        let number = u128::from(batch) * self.quota as u128 + slot as u128;
        let len = self.domain.len() as u128;
        ((number / len) as u64, (number % len) as u64)
    }
}
