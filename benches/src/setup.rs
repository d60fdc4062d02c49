//! Everything that depends on the loader's options: a change of theirs changes this file alone.

use std::path::PathBuf;

use anyhow::{Context, Result};
use loader::{
    Augment, Filter, Jitter, Loader, LoaderOptions, Mode, SampleKey, SampleRenderer, Stage,
    StreamSource,
};
use shard_format::Dataset;
use shard_store::StoreOptions;

use crate::cli::{AugmentName, Cli, FilterName, ModeName};

/// The one domain of the benchmark.
const DOMAIN: &str = "bench";

/// Samples of a batch.
pub(crate) const BATCH: usize = 4;

/// What every run of the benchmark shares.
#[derive(Debug)]
pub(crate) struct Setup {
    shards: PathBuf,
    crop: u32,
    augment: Augment,
    seed: u64,
}

/// Names the draws and the frame of one rendered sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendered {
    epoch: u64,
    index: u64,
    sample: usize,
}

impl Setup {
    pub(crate) fn new(cli: &Cli) -> Result<Self> {
        let augment = augment(cli.augment, cli.mode, cli.filter);
        augment.validate()?;
        Ok(Self { shards: cli.shards.clone(), crop: cli.crop, augment, seed: cli.seed })
    }

    /// The number of stored samples, and width and height of the first.
    pub(crate) fn describe(&self) -> Result<(usize, [u32; 2])> {
        let dataset = self.open()?;
        anyhow::ensure!(dataset.len() > 0, "{}: no samples", self.shards.display());
        let first = dataset.sample(0);
        Ok((dataset.len(), [first.width, first.height]))
    }

    pub(crate) fn open(&self) -> Result<Dataset> {
        shard_store::open(&self.shards, &StoreOptions::default())
            .with_context(|| format!("{}: cannot open", self.shards.display()))
    }

    /// A loader that ends after `batches` batches, always with work for every worker.
    pub(crate) fn loader(&self, workers: usize, batches: u64) -> Result<Loader> {
        Ok(Loader::start(LoaderOptions {
            streams: vec![StreamSource::new(DOMAIN, vec![self.shards.clone()], BATCH)],
            crop_width: self.crop,
            crop_height: self.crop,
            augment: self.augment,
            seed: self.seed,
            workers,
            prefetch_batches: workers.max(2),
            first_batch: 0,
            end_batch: batches,
            ..LoaderOptions::default()
        })?)
    }

    /// The samples of the loader's next batch, whose pixels are dropped; `None` after the last.
    pub(crate) fn next_batch(loader: &mut Loader) -> Result<Option<Vec<Rendered>>> {
        let Some(batch) = loader.next().transpose()? else { return Ok(None) };
        let tags = batch.streams.iter().flat_map(|part| &part.samples);
        let rendered = tags
            .map(|tag| Rendered { epoch: tag.epoch, index: tag.index, sample: tag.sample })
            .collect();
        loader.recycle(batch);
        Ok(Some(rendered))
    }

    pub(crate) fn renderer(&self) -> SampleRenderer {
        SampleRenderer::new(self.crop, self.crop, self.augment)
    }

    /// Buffers for one crop. Shapes: [3, crop, crop] and [crop, crop].
    pub(crate) fn buffers(&self) -> (Vec<u8>, Vec<u8>) {
        let pixels = self.crop as usize * self.crop as usize;
        (vec![0; 3 * pixels], vec![0; pixels])
    }

    /// Renders a sample again as the loader did, with the same draws.
    pub(crate) fn render(
        &self,
        renderer: &mut SampleRenderer,
        dataset: &Dataset,
        rendered: Rendered,
        (planes, labels): (&mut [u8], &mut [u8]),
        on_stage: &mut dyn FnMut(Stage),
    ) -> Result<()> {
        let key = SampleKey::new(self.seed, DOMAIN, rendered.epoch, rendered.index);
        Ok(renderer.render((dataset, rendered.sample), key, planes, labels, on_stage)?)
    }
}

fn augment(name: AugmentName, mode: ModeName, filter: FilterName) -> Augment {
    let base = match name {
        AugmentName::Bench => Augment {
            jitter: Jitter { probability: 1.0, ..Augment::reference().jitter },
            ..Augment::reference()
        },
        AugmentName::Reference => Augment::reference(),
        AugmentName::None => Augment::none(),
    };
    let image_filter = match filter {
        FilterName::Bilinear => Filter::Bilinear,
        FilterName::Bicubic => Filter::Bicubic,
    };
    let mode = match mode {
        ModeName::Fast => Mode::Fast,
        ModeName::Reference => Mode::Reference,
    };
    Augment { image_filter, mode, ..base }
}
