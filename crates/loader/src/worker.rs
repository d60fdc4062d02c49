//! The loop of one worker thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::assembly::Finished;
use crate::buffers::Pool;
use crate::class_uniform::tile_centre;
use crate::domain::Domain;
use crate::error::LoaderError;
use crate::faults::{Fault, FaultPolicy};
use crate::jobs::Job;
use crate::options::LoaderOptions;
use crate::plan::Plan;
use crate::recovery::Filling;
use crate::renderer::SampleRenderer;
use crate::request::Request;
use crate::stats::Counters;
use crate::watch::Watch;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: LoaderOptions,
    pub(crate) plan: Plan,
    pub(crate) counters: Counters,
    pub(crate) watch: Watch,
    /// Buffers that the consumer gave back.
    pub(crate) pool: Pool,
    /// Set when the consumer is gone: jobs still queued are dropped.
    pub(crate) stop: AtomicBool,
}

/// Renders jobs as worker number `number` until the consumer is gone.
pub(crate) fn work(
    shared: &Shared,
    number: usize,
    jobs: &Receiver<Job>,
    finished: &Sender<Finished>,
) {
    let mut worker = Worker::new(shared, number);
    while let Ok(job) = jobs.recv() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let outcome = match catch_unwind(AssertUnwindSafe(|| worker.render(&job))) {
            Ok(None) => return,
            Ok(Some(outcome)) => outcome,
            Err(panic) => {
                // What it holds may be half-changed; nothing of it is used again.
                worker = Worker::new(shared, number);
                let domain = &shared.plan.streams[job.slot.stream].domain;
                Err(panicked(domain, job.place.sample, panic.as_ref()))
            }
        };
        shared.watch.end(number);
        if let Some(batch) = job.batch.deliver(job.slot, outcome)
            && finished.send(batch).is_err()
        {
            return;
        }
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    number: usize,
    renderer: SampleRenderer,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, number: usize) -> Self {
        let LoaderOptions { crop_width, crop_height, augment, .. } = shared.options;
        Self { shared, number, renderer: SampleRenderer::new(crop_width, crop_height, augment) }
    }

    /// Puts a sample into its batch; none if the consumer is gone.
    fn render(&mut self, job: &Job) -> Option<Result<Vec<Fault>, LoaderError>> {
        let shared = self.shared;
        let options = &shared.options;
        let augment = if job.strong { options.strong_augment } else { options.augment };
        self.renderer.set_augment(augment);
        let (place, stream) = (&job.place, &shared.plan.streams[job.slot.stream]);
        let filling = Filling {
            domain: &stream.domain,
            stream: stream.number,
            stream_index: job.slot.stream,
            slot: job.slot.sample,
            policy: options.faults,
        };
        let mut pixels = job.batch.claim(job.slot, &shared.pool);
        let choose = |attempt| match attempt {
            0 => place.sample,
            _ => shared.plan.substitute(stream, place, attempt),
        };
        let shown = filling.run(choose, |sample, is_planned| {
            shared.watch.begin(self.number, job.slot.stream, sample);
            let located = stream.domain.locate(sample);
            let info = located.info();
            let pick = place.pick.filter(|_| is_planned);
            let request = Request {
                focus: pick.map(|pick| tile_centre(pick.tile, (info.width, info.height))),
                masks: options.faults == FaultPolicy::MaskTile,
                stop: Some(&shared.stop),
                ..Request::new(located.dataset, located.sample, place.key)
            };
            let mut clock = shared.counters.stage_clock();
            self.renderer.run(&request, &mut pixels.planes, &mut pixels.labels, &mut clock)
        })?;
        Some(shown.map(|shown| {
            job.batch.fill(job.slot, pixels, |tag| {
                if let Some((sample, id)) = shown.substitute {
                    (tag.sample, tag.id, tag.class) = (sample, id, None);
                }
            });
            shared.counters.count_sample();
            shown.faults
        }))
    }
}

/// The error of a thread that panicked over a sample of a domain.
pub(crate) fn panicked(domain: &Domain, sample: usize, panic: &(dyn Any + Send)) -> LoaderError {
    let located = domain.locate(sample);
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    LoaderError::WorkerPanicked {
        path: located.path.to_owned(),
        domain: domain.name.clone(),
        sample: located.sample,
        id: located.info().id.clone(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_channel::bounded;

    use super::*;
    use crate::assembly::{Assembly, Slot};
    use crate::augment::Augment;
    use crate::batch::{SampleTag, StreamBatch};
    use crate::test_storage::one_sample_domain;

    #[test]
    fn a_panic_becomes_an_error_and_the_worker_lives_on() {
        let (domain, source, _) = one_sample_domain();
        let options = LoaderOptions {
            streams: vec![source],
            crop_width: 4,
            crop_height: 4,
            augment: Augment::none(),
            ..LoaderOptions::default()
        };
        let plan = Plan::new(&options, vec![domain]).unwrap();
        let place = plan.places(0)[0][0];
        let (watch, pool, stop) = (Watch::new(1), Pool::new(0), AtomicBool::new(false));
        let shared = Shared { options, plan, counters: Counters::default(), watch, pool, stop };
        let tag = SampleTag { epoch: 0, index: 0, sample: 0, id: "a".to_owned(), class: None };
        let (send_job, jobs) = bounded(2);
        let (results, finished) = bounded(2);
        // The first job's place lies outside its batch, which is a bug of the kind meant here.
        for (index, sample) in [(0, 5), (1, 0)] {
            let samples = vec![tag.clone()];
            let part = StreamBatch { batch: 1, height: 4, width: 4, samples, ..Default::default() };
            let batch = Arc::new(Assembly::new(index, vec![part]));
            let slot = Slot { stream: 0, sample };
            send_job.send(Job { batch, slot, place, strong: false }).unwrap();
        }
        drop(send_job);
        work(&shared, 0, &jobs, &results);
        let error = finished.recv().unwrap().result.unwrap_err();
        assert!(matches!(error, LoaderError::WorkerPanicked { sample: 0, .. }), "{error}");
        assert!(error.to_string().contains("out of bounds"), "{error}");
        assert_eq!(finished.recv().unwrap().result.unwrap().index, 1);
    }
}
