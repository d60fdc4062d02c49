//! One place of a batch: its sample, or what stands in for it where that is damaged.

use shard_format::{DamagedTile, ReadError, TileId};

use crate::domain::{Domain, Located};
use crate::error::LoaderError;
use crate::faults::{Fault, FaultPolicy, Remedy};
use crate::request::Rendered;

/// Samples that are tried in the place of a damaged one. Damage is rare; a dataset where this many
/// neighbours of an order are damaged should not be trained on.
const MOST_SUBSTITUTES: u64 = 16;

/// A place that is to be filled with a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    pub(crate) domain: &'a Domain,
    /// The stream's number within its domain.
    pub(crate) stream: u32,
    /// The stream's place in the options.
    pub(crate) stream_index: usize,
    /// The sample's place in the stream's part of the batch.
    pub(crate) slot: usize,
    pub(crate) policy: FaultPolicy,
}

/// What a place shows.
pub(crate) struct Shown {
    /// Number within the domain and id of the sample, if it is not the one planned.
    pub(crate) substitute: Option<(usize, String)>,
    pub(crate) faults: Vec<Fault>,
}

/// How one sample went.
enum Attempt {
    Done(Vec<Damage>),
    Unusable(Vec<Damage>, LoaderError),
    Stopped,
}

type Damage = (Option<TileId>, shard_format::Fault);

impl Filling<'_> {
    /// Renders sample `choose(0)` of the domain, or the first of `choose(1)`, ... that can be read;
    /// none if the consumer is gone. `render` gets the sample's number, and whether it is the
    /// planned one.
    pub(crate) fn run(
        &self,
        choose: impl Fn(u64) -> usize,
        mut render: impl FnMut(usize, bool) -> Result<Rendered, ReadError>,
    ) -> Option<Result<Shown, LoaderError>> {
        let most = MOST_SUBSTITUTES.min(self.domain.len() as u64 - 1);
        // Damaged samples by their numbers; what replaced them is known at the end.
        let mut left_out: Vec<(usize, Vec<Damage>)> = Vec::new();
        let mut attempt = 0;
        loop {
            let sample = choose(attempt);
            match self.judge(sample, render(sample, attempt == 0)) {
                Err(error) => return Some(Err(error)),
                Ok(Attempt::Stopped) => return None,
                Ok(Attempt::Done(masked)) => {
                    return Some(Ok(self.shown(sample, masked, left_out)));
                }
                Ok(Attempt::Unusable(_, error)) if attempt == most => {
                    let source = Box::new(error);
                    let domain = self.domain.name.clone();
                    let first = self.domain.locate(choose(0)).info().id.clone();
                    return Some(Err(LoaderError::NoSubstitute {
                        domain,
                        first,
                        tried: most,
                        source,
                    }));
                }
                Ok(Attempt::Unusable(damage, _)) => left_out.push((sample, damage)),
            }
            attempt += 1;
        }
    }

    /// What the policy makes of one sample; an error is one that no substitute mends.
    fn judge(
        &self,
        sample: usize,
        rendered: Result<Rendered, ReadError>,
    ) -> Result<Attempt, LoaderError> {
        let located = self.domain.locate(sample);
        match rendered {
            Ok(Rendered::Stopped) => Ok(Attempt::Stopped),
            Ok(Rendered::Whole(masked)) => Ok(Attempt::Done(damages(masked))),
            Ok(Rendered::Lost(tiles)) => Ok(Attempt::Unusable(damages(tiles), self.lost(&located))),
            Err(error) => {
                let damage = error.damage().map(|(tile, fault)| (tile, fault.clone()));
                let error = self.unreadable(&located, error);
                match damage {
                    Some(damage) if self.policy != FaultPolicy::Strict => {
                        Ok(Attempt::Unusable(vec![damage], error))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    fn shown(
        &self,
        sample: usize,
        masked: Vec<Damage>,
        left_out: Vec<(usize, Vec<Damage>)>,
    ) -> Shown {
        let id = || self.domain.locate(sample).info().id.clone();
        let substitute = (!left_out.is_empty()).then(|| (sample, id()));
        let replaced = || Remedy::Substituted { sample, id: id() };
        let left_out = left_out
            .into_iter()
            .flat_map(|(damaged, damage)| damage.into_iter().map(move |one| (damaged, one)))
            .map(|(damaged, one)| self.fault(damaged, one, replaced()));
        let masked = masked.into_iter().map(|one| self.fault(sample, one, Remedy::Masked));
        Shown { substitute, faults: left_out.chain(masked).collect() }
    }

    fn fault(&self, sample: usize, (tile, fault): Damage, remedy: Remedy) -> Fault {
        let located = self.domain.locate(sample);
        // The sample exists, so the shard does.
        let path = located.dataset.shard_path(located.sample).unwrap_or(located.path);
        Fault {
            path: path.to_owned(),
            domain: self.domain.name.clone(),
            stream: self.stream,
            stream_index: self.stream_index,
            slot: self.slot,
            sample,
            id: located.info().id.clone(),
            tile,
            fault,
            remedy,
        }
    }

    fn unreadable(&self, located: &Located<'_>, error: ReadError) -> LoaderError {
        LoaderError::Sample {
            path: located.path.to_owned(),
            domain: self.domain.name.clone(),
            sample: located.sample,
            id: located.info().id.clone(),
            source: Box::new(error),
        }
    }

    fn lost(&self, located: &Located<'_>) -> LoaderError {
        LoaderError::Lost {
            path: located.path.to_owned(),
            domain: self.domain.name.clone(),
            sample: located.sample,
            id: located.info().id.clone(),
        }
    }
}

fn damages(tiles: Vec<DamagedTile>) -> Vec<Damage> {
    tiles.into_iter().map(|tile| (Some(tile.tile), tile.fault)).collect()
}
