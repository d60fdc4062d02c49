//! The loop of one worker thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::assembly::Finished;
use crate::buffers::Pool;
use crate::error::LoaderError;
use crate::faults::Fault;
use crate::jobs::Job;
use crate::options::LoaderOptions;
use crate::plan::Plan;
use crate::recovery::Rendering;
use crate::renderer::SampleRenderer;
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
                Err(panicked(shared, &job, panic.as_ref()))
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
        let options = &self.shared.options;
        let augment = if job.strong { options.strong_augment } else { options.augment };
        self.renderer.set_augment(augment);
        let rendering = Rendering {
            shared: self.shared,
            worker: self.number,
            slot: job.slot,
            place: &job.place,
        };
        let mut pixels = job.batch.claim(job.slot, &self.shared.pool);
        let shown = rendering.run(&mut self.renderer, &mut pixels.planes, &mut pixels.labels)?;
        Some(shown.map(|shown| {
            job.batch.fill(job.slot, pixels, |tag| {
                if let Some((sample, id)) = shown.substitute {
                    (tag.sample, tag.id, tag.class) = (sample, id, None);
                }
            });
            self.shared.counters.count_sample();
            shown.faults
        }))
    }
}

fn panicked(shared: &Shared, job: &Job, panic: &(dyn Any + Send)) -> LoaderError {
    let domain = &shared.plan.streams[job.slot.stream].domain;
    let located = domain.locate(job.place.sample);
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
