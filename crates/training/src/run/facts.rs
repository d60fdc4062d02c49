//! `run.json`: what a run was made of.

use serde::{Deserialize, Serialize};
use shard_format::{Dataset, ReadError};

use crate::recipe::Recipe;

/// What a run was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// Version of the program.
    pub version: String,
    /// Device, in words.
    pub device: String,
    /// Class names by train id.
    pub classes: Vec<String>,
    /// The source datasets.
    pub sources: Vec<SourceFacts>,
}

/// One source dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFacts {
    /// Domain in the recipe.
    pub domain: String,
    /// Dataset and split.
    pub dataset: String,
    /// Mapping of its labels.
    pub mapping: String,
    /// Number of samples.
    pub samples: u64,
    /// BLAKE3 of each shard.
    pub shards: Vec<String>,
}

/// Opens every source of `recipe` and notes what it is.
pub(super) fn gather(recipe: &Recipe, device: &str) -> Result<RunFacts, ReadError> {
    let mut classes: Option<Vec<String>> = None;
    let mut sources = Vec::new();
    for source in &recipe.data.sources {
        for dir in &source.shards {
            let dataset = Dataset::open(dir)?;
            let index = dataset.index();
            let info = &index.dataset;
            // That all sources agree is the loader's check.
            classes.get_or_insert_with(|| info.class_names.clone());
            sources.push(SourceFacts {
                domain: source.name.clone(),
                dataset: format!("{} {}", info.name, info.split),
                mapping: info.mapping.clone(),
                samples: index.samples,
                shards: index.shards.iter().map(|shard| shard.blake3.clone()).collect(),
            });
        }
    }
    Ok(RunFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: device.to_owned(),
        classes: classes.unwrap_or_default(),
        sources,
    })
}
