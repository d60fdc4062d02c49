//! A batch that several workers fill.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::batch::{Batch, SampleTag, StreamBatch};
use crate::buffers::{Pixels, Pool};
use crate::error::LoaderError;
use crate::faults::Fault;

/// A batch under way. Each sample is delivered once; the last delivery takes the batch out.
#[derive(Debug)]
pub(crate) struct Assembly {
    index: u64,
    parts: Vec<Mutex<Part>>,
    progress: Mutex<Progress>,
}

/// What becomes the part of one stream.
#[derive(Debug)]
struct Part {
    batch: StreamBatch,
    /// One for each sample, `None` while a worker has it; empty until the first is asked for.
    pixels: Vec<Option<Pixels>>,
}

#[derive(Debug)]
struct Progress {
    missing: usize,
    /// The failure of the foremost sample, so that it does not depend on which worker was first.
    failure: Option<(Slot, LoaderError)>,
    faults: Vec<Fault>,
}

/// One sample's place in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) stream: usize,
    pub(crate) sample: usize,
}

/// A finished batch, or the failure of its foremost unreadable sample.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) index: u64,
    pub(crate) result: Result<Batch, LoaderError>,
}

impl Assembly {
    /// An assembly for parts whose `samples` are known and whose pixels are not yet allocated.
    pub(crate) fn new(index: u64, parts: Vec<StreamBatch>) -> Self {
        let missing = parts.iter().map(|part| part.samples.len()).sum();
        Self {
            index,
            parts: parts
                .into_iter()
                .map(|batch| Mutex::new(Part { batch, pixels: Vec::new() }))
                .collect(),
            progress: Mutex::new(Progress { missing, failure: None, faults: Vec::new() }),
        }
    }

    /// Hands out a sample's place in the batch, to render into.
    ///
    /// # Panics
    /// If there is no such sample, or if its place was handed out before.
    pub(crate) fn claim(&self, slot: Slot, pool: &Pool) -> Pixels {
        let mut part = lock(&self.parts[slot.stream]);
        let Part { batch, pixels } = &mut *part;
        if pixels.is_empty() {
            *pixels = Pixels::side_by_side(pool, batch.batch, batch.height * batch.width);
        }
        pixels[slot.sample].take().expect("invariant: each sample has one job")
    }

    /// Takes a rendered sample back; `change` may change its tag.
    pub(crate) fn fill(&self, slot: Slot, rendered: Pixels, change: impl FnOnce(&mut SampleTag)) {
        let mut part = lock(&self.parts[slot.stream]);
        change(&mut part.batch.samples[slot.sample]);
        part.pixels[slot.sample] = Some(rendered);
    }

    /// Counts a sample as delivered, filled or failed; returns the batch after the last one.
    pub(crate) fn deliver(
        &self,
        slot: Slot,
        outcome: Result<Vec<Fault>, LoaderError>,
    ) -> Option<Finished> {
        let mut progress = lock(&self.progress);
        progress.missing -= 1;
        match outcome {
            Ok(faults) => progress.faults.extend(faults),
            Err(error) => {
                if progress.failure.as_ref().is_none_or(|(foremost, _)| slot < *foremost) {
                    progress.failure = Some((slot, error));
                }
            }
        }
        if progress.missing > 0 {
            return None;
        }
        let mut faults = std::mem::take(&mut progress.faults);
        // Those of one sample come together and in order.
        faults.sort_by_key(|fault| (fault.stream_index, fault.slot));
        let result = match progress.failure.take() {
            Some((_, error)) => Err(error),
            None => Ok(Batch {
                index: self.index,
                streams: self.parts.iter().map(|part| lock(part).finished()).collect(),
                faults,
            }),
        };
        Some(Finished { index: self.index, result })
    }
}

impl Part {
    /// The stream's part of the batch, all of whose samples were filled.
    fn finished(&mut self) -> StreamBatch {
        let samples = std::mem::take(&mut self.pixels).into_iter().flatten();
        let (images, labels) = Pixels::joined(samples);
        StreamBatch { images, labels, ..std::mem::take(&mut self.batch) }
    }
}

/// Locks even after a panic elsewhere: the data is plain bytes and the panic is reported anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Remedy;

    fn fault(slot: Slot, sample: usize) -> Fault {
        Fault {
            path: "shard".into(),
            domain: "gtav".to_owned(),
            stream: 0,
            stream_index: slot.stream,
            slot: slot.sample,
            sample,
            id: "a".to_owned(),
            tile: None,
            fault: shard_format::Fault::HeadCopy,
            remedy: Remedy::Masked,
        }
    }

    #[test]
    fn faults_stand_in_the_order_of_the_samples_whoever_was_first() {
        let tag = SampleTag { epoch: 0, index: 0, sample: 0, id: "a".to_owned(), class: None };
        let part = StreamBatch { batch: 2, samples: vec![tag; 2], ..Default::default() };
        let slots =
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(stream, sample)| Slot { stream, sample });
        for first in 0..4 {
            let assembly = Assembly::new(0, vec![part.clone(), part.clone()]);
            let deliver = |place: usize| {
                let slot = slots[(first + place) % 4];
                assembly.deliver(slot, Ok(vec![fault(slot, 9), fault(slot, 5)]))
            };
            assert!((0..3).all(|place| deliver(place).is_none()));
            let batch = deliver(3).unwrap().result.unwrap();
            let expected: Vec<Fault> =
                slots.iter().flat_map(|slot| [fault(*slot, 9), fault(*slot, 5)]).collect();
            assert_eq!(batch.faults, expected);
        }
    }
}
