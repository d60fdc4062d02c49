//! From the plan of a batch to the jobs of the workers.

use std::sync::Arc;

use crate::assembly::{Assembly, Slot};
use crate::batch::{SampleTag, StreamBatch};
use crate::plan::{Place, Stream};
use crate::roles::{MetaRole, MetaSplit, Roles, StrongStream, meta_split};
use crate::worker::Shared;

/// One sample to render.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Arc<Assembly>,
    pub(crate) slot: Slot,
    pub(crate) place: Place,
    /// Whether it gets the strong augmentation.
    pub(crate) strong: bool,
}

/// The jobs of one batch, the first sample of every stream before the second of any.
pub(crate) fn jobs_of(shared: &Shared, batch: u64) -> Vec<Job> {
    let (options, plan) = (&shared.options, &shared.plan);
    let split = (options.roles == Roles::PerStep)
        .then(|| meta_split(options.seed, batch, plan.streams.len()));
    let places = plan.places(batch);
    let parts: Vec<StreamBatch> = plan
        .streams
        .iter()
        .zip(&places)
        .enumerate()
        .map(|(stream_index, (stream, places))| StreamBatch {
            name: stream.domain.name.clone(),
            stream: stream.number,
            stream_index,
            role: split.as_ref().map(|split| split.role(stream_index)),
            strong: is_strong(options.strong, split.as_ref(), stream_index),
            batch: places.len(),
            height: options.crop_height as usize,
            width: options.crop_width as usize,
            images: Vec::new(),
            labels: Vec::new(),
            samples: tags(stream, places),
        })
        .collect();
    let strong: Vec<bool> = parts.iter().map(|part| part.strong).collect();
    let assembly = Arc::new(Assembly::new(batch, parts));
    let places = places.into_iter().enumerate().flat_map(|(stream, places)| {
        let slots = places.into_iter().enumerate();
        slots.map(move |(sample, place)| (Slot { stream, sample }, place))
    });
    let mut jobs: Vec<Job> = places
        .map(|(slot, place)| Job {
            batch: Arc::clone(&assembly),
            slot,
            place,
            strong: strong[slot.stream],
        })
        .collect();
    jobs.sort_by_key(|job| (job.slot.sample, job.slot.stream));
    jobs
}

fn is_strong(strong: StrongStream, split: Option<&MetaSplit>, stream: usize) -> bool {
    match strong {
        StrongStream::Nobody => false,
        StrongStream::MetaTest => split.is_some_and(|split| split.role(stream) == MetaRole::Test),
        StrongStream::FirstStream => stream == 0,
    }
}

fn tags(stream: &Stream, places: &[Place]) -> Vec<SampleTag> {
    let tag = |place: &Place| SampleTag {
        epoch: place.epoch,
        index: place.index,
        sample: place.sample,
        id: stream.domain.locate(place.sample).info().id.clone(),
        class: place.pick.map(|pick| pick.class),
    };
    places.iter().map(tag).collect()
}
