//! What became of the memory: how often each slot was written, and how far it turned.

use std::path::Path;

use burn::tensor::Tensor;
use evaluation::memory::{MemoryLine, cosine};
use models::weights::{self, HostTensor, NamedTensors, WeightsError};

use crate::exact_count;
use crate::run_log::LogLine;

/// Name of the log in a run folder.
pub const MEMORY_FILE: &str = "memory.jsonl";

/// Tensor of a checkpoint: the memory before the first step, `[K, C]`.
pub const FIRST_KEY: &str = "history.first_memory";
/// Tensor of a checkpoint: the memory of the last logged step, `[K, C]`.
pub const LOGGED_KEY: &str = "history.logged_memory";
/// Tensor of a checkpoint: `[2, K]`, how often each slot was written, in units of 2^24 and the
/// rest, so that f32 holds both exactly.
pub const WRITES_KEY: &str = "history.slot_writes";

/// What became of a memory since its first value.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryHistory {
    /// The value that training began with, `[K, C]`.
    pub first: HostTensor,
    /// The value at the last logged step, `[K, C]`; before that, the first.
    pub logged: HostTensor,
    /// In how many steps the final write (Eq. 12) moved each slot.
    pub slot_writes: Vec<u64>,
}

impl LogLine for MemoryLine {
    fn step(&self) -> u64 {
        self.step
    }
}

impl MemoryHistory {
    /// That of a memory `[K, C]` which no step has written.
    #[must_use]
    pub fn new(slots: &Tensor<2>) -> Self {
        let first = weights::host_tensor(slots, &slots.dims());
        Self { logged: first.clone(), first, slot_writes: vec![0; slots.dims()[0]] }
    }

    /// Counts a write that moved the slots of the `present` classes.
    pub fn count(&mut self, present: &[bool]) {
        for (writes, &present) in self.slot_writes.iter_mut().zip(present) {
            *writes += u64::from(present);
        }
    }

    /// The line of a step that gave the memory `slots`, which is then the last logged one.
    pub fn log(&mut self, step: u64, slots: &Tensor<2>) -> MemoryLine {
        let slots = weights::host_tensor(slots, &slots.dims());
        let line = MemoryLine {
            step,
            cosine_with_first: cosines(&slots, &self.first),
            cosine_with_last: cosines(&slots, &self.logged),
            slot_writes: self.slot_writes.clone(),
        };
        self.logged = slots;
        line
    }

    /// Its tensors in a checkpoint.
    #[must_use]
    pub fn named_tensors(&self) -> NamedTensors {
        let parts = |part: usize| {
            self.slot_writes.iter().map(move |&writes| exact_count::parts(writes)[part])
        };
        let values = parts(0).chain(parts(1)).collect();
        let writes = HostTensor { shape: vec![2, self.slot_writes.len()], values };
        let tensors = [self.first.clone(), self.logged.clone(), writes];
        [FIRST_KEY, LOGGED_KEY, WRITES_KEY].map(str::to_owned).into_iter().zip(tensors).collect()
    }

    /// What [`named_tensors`](Self::named_tensors) gave, of a memory of `shape` `[K, C]`.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape; `path` is named as the source.
    pub fn find(
        named: &NamedTensors,
        path: &Path,
        shape: [usize; 2],
    ) -> Result<Self, WeightsError> {
        let slots = |key: &str| {
            let values = weights::find(named, path, key, &shape)?.to_vec();
            Ok::<_, WeightsError>(HostTensor { shape: shape.to_vec(), values })
        };
        let (units, rest) =
            weights::find(named, path, WRITES_KEY, &[2, shape[0]])?.split_at(shape[0]);
        let counts = units.iter().zip(rest);
        let slot_writes = counts.map(|(&units, &rest)| exact_count::count([units, rest])).collect();
        Ok(Self { first: slots(FIRST_KEY)?, logged: slots(LOGGED_KEY)?, slot_writes })
    }
}

/// Cosines of the rows of two tensors `[K, C]`.
fn cosines(a: &HostTensor, b: &HostTensor) -> Vec<Option<f64>> {
    let channels = a.shape[1].max(1);
    let rows = a.values.chunks(channels).zip(b.values.chunks(channels));
    rows.map(|(a, b)| cosine(a, b)).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn slots(values: &[f32]) -> Tensor<2> {
        let rows = values.len() / 2;
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([rows, 2])
    }

    #[test]
    fn a_line_compares_with_the_first_memory_and_with_that_of_the_line_before() {
        let mut history = MemoryHistory::new(&slots(&[1.0, 0.0, 0.0, 0.0]));
        history.count(&[true, false]);
        let first = history.log(5, &slots(&[0.0, 2.0, 0.0, 1.0]));
        assert_eq!(first.cosine_with_first, [Some(0.0), None], "the second slot was zero");
        assert_eq!(first.cosine_with_last, first.cosine_with_first);
        history.count(&[true, true]);
        let second = history.log(9, &slots(&[0.0, 3.0, 0.0, -1.0]));
        assert_eq!(second.cosine_with_first, [Some(0.0), None]);
        assert_eq!(second.cosine_with_last, [Some(1.0), Some(-1.0)]);
        assert_eq!((second.step, second.slot_writes), (9, vec![2, 1]));
    }

    #[test]
    fn the_tensors_of_a_checkpoint_hold_every_count_exactly() {
        let mut history = MemoryHistory::new(&slots(&[1.0, 0.5, -0.25, 0.0]));
        // One more than f32 can tell from its neighbour, and a billion steps.
        history.slot_writes = vec![(1 << 24) + 1, 1_000_000_007];
        drop(history.log(1, &slots(&[0.0, 0.5, 0.25, 1.0])));
        let path = Path::new("checkpoint");
        let found = MemoryHistory::find(&history.named_tensors(), path, [2, 2]).unwrap();
        assert_eq!(found, history);
        let error = MemoryHistory::find(&NamedTensors::new(), path, [2, 2]).unwrap_err();
        assert!(matches!(error, WeightsError::Missing { .. }), "{error}");
    }
}
