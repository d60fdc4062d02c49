//! One place of a batch: its sample, or what stands in for it where that is damaged.

use shard_format::{DamagedTile, ReadError, TileId};

use crate::assembly::Slot;
use crate::class_uniform::tile_centre;
use crate::domain::Located;
use crate::error::LoaderError;
use crate::faults::{Fault, FaultPolicy, Remedy};
use crate::plan::{Place, Stream};
use crate::renderer::SampleRenderer;
use crate::request::{Rendered, Request};
use crate::worker::Shared;

/// Samples that are tried in the place of a damaged one. Damage is rare; a dataset where this many
/// neighbours of an order are damaged should not be trained on.
const MOST_SUBSTITUTES: u64 = 16;

/// The task of filling one place.
pub(crate) struct Rendering<'a> {
    pub(crate) shared: &'a Shared,
    /// The worker's number.
    pub(crate) worker: usize,
    pub(crate) slot: Slot,
    pub(crate) place: &'a Place,
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

impl Rendering<'_> {
    /// Renders the sample, or the first of those after it that can be read; none if the consumer
    /// is gone.
    pub(crate) fn run(
        &self,
        renderer: &mut SampleRenderer,
        planes: &mut [u8],
        labels: &mut [u8],
    ) -> Option<Result<Shown, LoaderError>> {
        let stream = self.stream();
        let most = MOST_SUBSTITUTES.min(stream.domain.len() as u64 - 1);
        // Damaged samples by their numbers; what replaced them is known at the end.
        let mut left_out: Vec<(usize, Vec<Damage>)> = Vec::new();
        let mut attempt = 0;
        loop {
            let sample = match attempt {
                0 => self.place.sample,
                _ => self.shared.plan.substitute(stream, self.place, attempt),
            };
            match self.attempt(sample, attempt == 0, renderer, (planes, labels)) {
                Err(error) => return Some(Err(error)),
                Ok(Attempt::Stopped) => return None,
                Ok(Attempt::Done(masked)) => {
                    return Some(Ok(self.shown(sample, masked, left_out)));
                }
                Ok(Attempt::Unusable(_, error)) if attempt == most => {
                    let source = Box::new(error);
                    let domain = stream.domain.name.clone();
                    let first = stream.domain.locate(self.place.sample).info().id.clone();
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

    fn stream(&self) -> &Stream {
        &self.shared.plan.streams[self.slot.stream]
    }

    /// Renders one sample; an error is one that no substitute mends.
    fn attempt(
        &self,
        sample: usize,
        is_planned: bool,
        renderer: &mut SampleRenderer,
        (planes, labels): (&mut [u8], &mut [u8]),
    ) -> Result<Attempt, LoaderError> {
        let (shared, located) = (self.shared, self.stream().domain.locate(sample));
        shared.watch.begin(self.worker, self.slot.stream, sample);
        let info = located.info();
        let pick = self.place.pick.filter(|_| is_planned);
        let policy = shared.options.faults;
        let request = Request {
            focus: pick.map(|pick| tile_centre(pick.tile, (info.width, info.height))),
            masks: policy == FaultPolicy::MaskTile,
            stop: Some(&shared.stop),
            ..Request::new(located.dataset, located.sample, self.place.key)
        };
        let mut clock = shared.counters.stage_clock();
        match renderer.run(&request, planes, labels, &mut clock) {
            Ok(Rendered::Stopped) => Ok(Attempt::Stopped),
            Ok(Rendered::Whole(masked)) => Ok(Attempt::Done(damages(masked))),
            Ok(Rendered::Lost(tiles)) => Ok(Attempt::Unusable(damages(tiles), self.lost(&located))),
            Err(error) => {
                let damage = error.damage().map(|(tile, fault)| (tile, fault.clone()));
                let error = self.unreadable(&located, error);
                match damage {
                    Some(damage) if policy != FaultPolicy::Strict => {
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
        let id = || self.stream().domain.locate(sample).info().id.clone();
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
        let stream = self.stream();
        let located = stream.domain.locate(sample);
        // The sample exists, so the shard does.
        let path = located.dataset.shard_path(located.sample).unwrap_or(located.path);
        Fault {
            path: path.to_owned(),
            domain: stream.domain.name.clone(),
            stream: stream.number,
            stream_index: self.slot.stream,
            slot: self.slot.sample,
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
            domain: self.stream().domain.name.clone(),
            sample: located.sample,
            id: located.info().id.clone(),
            source: Box::new(error),
        }
    }

    fn lost(&self, located: &Located<'_>) -> LoaderError {
        LoaderError::Lost {
            path: located.path.to_owned(),
            domain: self.stream().domain.name.clone(),
            sample: located.sample,
            id: located.info().id.clone(),
        }
    }
}

fn damages(tiles: Vec<DamagedTile>) -> Vec<Damage> {
    tiles.into_iter().map(|tile| (Some(tile.tile), tile.fault)).collect()
}
