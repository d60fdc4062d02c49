//! `run.json`: what a run was made of.

use std::path::Path;

use serde::{Deserialize, Serialize};
use shard_store::{StoreError, StoreOptions};

use super::RunError;
use crate::initial_weights::WeightsFacts;
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
    /// The weights that the run began with, if not all of them were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsFacts>,
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

/// Opens every source of `recipe` and notes what it is; the weights are for later.
pub(super) fn gather(
    recipe: &Recipe,
    device: &str,
    store: &StoreOptions,
) -> Result<RunFacts, StoreError> {
    let mut classes: Option<Vec<String>> = None;
    let mut sources = Vec::new();
    for source in &recipe.data.sources {
        for dir in &source.shards {
            let dataset = shard_store::open(dir, store)?;
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
        weights: None,
    })
}

/// Refuses to continue a run on other classes or other shards than it began with.
pub(super) fn require_equal(
    run_dir: &Path,
    found: &RunFacts,
    expected: &RunFacts,
) -> Result<(), RunError> {
    if (&found.classes, &found.sources) == (&expected.classes, &expected.sources) {
        return Ok(());
    }
    let describe = |facts: &RunFacts| {
        let sources: Vec<String> = facts
            .sources
            .iter()
            .map(|source| {
                // The first digits tell two datasets apart.
                let hash = source.shards.first().map_or("", |hash| hash.get(..12).unwrap_or(hash));
                format!("{} = {} ({hash})", source.domain, source.dataset)
            })
            .collect();
        format!("{} with {} classes", sources.join(", "), facts.classes.len())
    };
    Err(RunError::SourcesChanged {
        path: run_dir.to_owned(),
        found: describe(found),
        expected: describe(expected),
    })
}
