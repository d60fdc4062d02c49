//! The loop of one worker thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::assembly::{Assembly, Finished, Slot};
use crate::augment::Augment;
use crate::domain::{Domain, Position};
use crate::error::LoaderError;
use crate::random::SampleKey;
use crate::renderer::SampleRenderer;
use crate::stats::Counters;

/// One sample to render.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Arc<Assembly>,
    pub(crate) slot: Slot,
    pub(crate) position: Position,
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) domains: Vec<Domain>,
    pub(crate) seed: u64,
    pub(crate) crop_width: u32,
    pub(crate) crop_height: u32,
    pub(crate) augment: Augment,
    pub(crate) counters: Counters,
    /// Set when the consumer is gone: jobs still queued are dropped.
    pub(crate) stop: AtomicBool,
}

/// Renders jobs until the consumer is gone.
pub(crate) fn work(shared: &Shared, jobs: &Receiver<Job>, finished: &Sender<Finished>) {
    let mut worker = Worker::new(shared);
    while let Ok(job) = jobs.recv() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let outcome = match catch_unwind(AssertUnwindSafe(|| worker.render(&job))) {
            Ok(outcome) => outcome,
            Err(panic) => {
                // Its buffers may be half-changed; nothing of it is used again.
                worker = Worker::new(shared);
                Err(panicked(shared, &job, panic.as_ref()))
            }
        };
        if let Some(batch) = job.batch.deliver(job.slot, outcome)
            && finished.send(batch).is_err()
        {
            return;
        }
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    renderer: SampleRenderer,
    /// [3, H, W]
    planes: Vec<u8>,
    /// [H, W]
    labels: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared) -> Self {
        let pixels = shared.crop_width as usize * shared.crop_height as usize;
        Self {
            shared,
            renderer: SampleRenderer::new(shared.crop_width, shared.crop_height, shared.augment),
            planes: vec![0; 3 * pixels],
            labels: vec![0; pixels],
        }
    }

    fn render(&mut self, job: &Job) -> Result<(), LoaderError> {
        let shared = self.shared;
        let domain = &shared.domains[job.slot.domain];
        let Position { epoch, index, sample } = job.position;
        let located = domain.locate(sample);
        let key = SampleKey::new(shared.seed, &domain.name, epoch, index);
        let mut clock = shared.counters.stage_clock();
        self.renderer
            .render(
                (located.dataset, located.sample),
                key,
                &mut self.planes,
                &mut self.labels,
                &mut clock,
            )
            .map_err(|error| LoaderError::Sample {
                path: located.path.to_owned(),
                domain: domain.name.clone(),
                sample: located.sample,
                id: located.dataset.sample(located.sample).id.clone(),
                source: Box::new(error),
            })?;
        job.batch.fill(job.slot, &self.planes, &self.labels);
        shared.counters.count_sample();
        Ok(())
    }
}

fn panicked(shared: &Shared, job: &Job, panic: &(dyn Any + Send)) -> LoaderError {
    let domain = &shared.domains[job.slot.domain];
    let located = domain.locate(job.position.sample);
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    LoaderError::WorkerPanicked {
        path: located.path.to_owned(),
        domain: domain.name.clone(),
        sample: located.sample,
        id: located.dataset.sample(located.sample).id.clone(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use shard_format::{
        DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
        encode_sample,
    };
    use shard_store::StoreOptions;

    use super::*;
    use crate::batch::{DomainBatch, SampleTag};
    use crate::domain::open_domains;
    use crate::options::DomainSource;

    fn one_sample(root: &std::path::Path) -> DomainSource {
        let info = DatasetInfo {
            name: "one".to_owned(),
            split: "train".to_owned(),
            domain: "one".to_owned(),
            class_names: vec!["road".to_owned()],
            ignore_id: 255,
            mapping: "none".to_owned(),
            license: "none".to_owned(),
        };
        let folder = root.join("one");
        let options = WriterOptions { max_shard_bytes: 1 << 20, ..WriterOptions::default() };
        let mut writer = DatasetWriter::create(&folder, info, options).unwrap();
        let image = RgbImage { width: 8, height: 8, pixels: vec![3; 8 * 8 * 3] };
        let labels = LabelMap { width: 8, height: 8, train_ids: vec![0; 8 * 8] };
        let meta = SampleMeta { id: "a".into(), domain: "one".into(), ..SampleMeta::default() };
        writer.push(encode_sample(&meta, &image, &labels, Preset::Fast).unwrap()).unwrap();
        writer.finish().unwrap();
        DomainSource { name: "one".to_owned(), shards: vec![folder] }
    }

    #[test]
    fn a_panic_becomes_an_error_and_the_worker_lives_on() {
        let root = tempfile::tempdir().unwrap();
        let shared = Shared {
            domains: open_domains(&[one_sample(root.path())], &StoreOptions::default()).unwrap(),
            seed: 0,
            crop_width: 4,
            crop_height: 4,
            augment: Augment::none(),
            counters: Counters::default(),
            stop: AtomicBool::new(false),
        };
        let position = Position { epoch: 0, index: 0, sample: 0 };
        let tag = SampleTag { epoch: 0, index: 0, sample: 0, id: "a".to_owned() };
        let (send_job, jobs) = bounded(2);
        let (results, finished) = bounded(2);
        // The first job's place lies outside its batch, which is a bug of the kind meant here.
        for (index, sample) in [(0, 5), (1, 0)] {
            let part = DomainBatch { batch: 1, samples: vec![tag.clone()], ..Default::default() };
            let batch = Arc::new(Assembly::new(index, vec![part]));
            send_job.send(Job { batch, slot: Slot { domain: 0, sample }, position }).unwrap();
        }
        drop(send_job);
        work(&shared, &jobs, &results);
        let error = finished.recv().unwrap().result.unwrap_err();
        assert!(matches!(error, LoaderError::WorkerPanicked { sample: 0, .. }), "{error}");
        assert!(error.to_string().contains("range"), "{error}");
        assert_eq!(finished.recv().unwrap().result.unwrap().index, 1);
    }
}
