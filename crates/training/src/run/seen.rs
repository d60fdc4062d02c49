//! A batch as a step of training sees it, for a look by eye.

use loader::{Loader, MetaRole, StreamBatch};
use shard_store::StoreOptions;

use super::{RunError, facts, loader_options};
use crate::recipe::Recipe;

/// The samples of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenBatch {
    /// Class names by train id.
    pub classes: Vec<String>,
    /// The samples, domain by domain in the recipe's order.
    pub samples: Vec<SeenSample>,
    /// Damage that was met, in words.
    pub faults: Vec<String>,
}

/// One augmented sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSample {
    /// The domain's name in the recipe, and which of its streams where it has several.
    pub stream: String,
    /// `meta-train` or `meta-test`; none where all domains share one pass.
    pub role: Option<&'static str>,
    /// Whether it got the strong colour jitter.
    pub strong: bool,
    /// The sample's id in its dataset.
    pub id: String,
    /// Width of the crop in pixels.
    pub width: u32,
    /// Height of the crop in pixels.
    pub height: u32,
    /// RGB levels. Shape: [height, width, 3].
    pub rgb: Vec<u8>,
    /// Train ids, the ignore id in the padding. Shape: [height, width].
    pub train_ids: Vec<u8>,
}

/// Renders the batch of step `step`, counted from 0, exactly as training would.
///
/// # Errors
/// The shards cannot be read.
pub fn seen(recipe: &Recipe, step: u64, store: &StoreOptions) -> Result<SeenBatch, RunError> {
    let classes = facts::gather(recipe, "", store)?.classes;
    let options = loader_options(recipe, [step, step + 1], store);
    let mut seen = SeenBatch { classes, samples: Vec::new(), faults: Vec::new() };
    for batch in Loader::start(options)? {
        let batch = batch?;
        seen.faults.extend(batch.faults.iter().map(ToString::to_string));
        for part in &batch.streams {
            let samples = (0..part.batch).map(|sample| seen_sample(recipe, part, sample));
            seen.samples.extend(samples);
        }
    }
    Ok(seen)
}

fn seen_sample(recipe: &Recipe, part: &StreamBatch, sample: usize) -> SeenSample {
    let pixels = part.height * part.width;
    let planes = &part.images[sample * 3 * pixels..][..3 * pixels];
    let rgb = (0..pixels).flat_map(|pixel| [0, 1, 2].map(|plane| planes[plane * pixels + pixel]));
    SeenSample {
        stream: recipe.data.stream_name(&part.name, part.stream),
        role: part.role.map(|role| match role {
            MetaRole::Train => "meta-train",
            MetaRole::Test => "meta-test",
        }),
        strong: part.strong,
        id: part.samples[sample].id.clone(),
        width: part.width as u32,
        height: part.height as u32,
        rgb: rgb.collect(),
        train_ids: part.labels[sample * pixels..][..pixels].to_vec(),
    }
}
