//! `run.json`: what a run was made of.

use std::path::Path;

use serde::{Deserialize, Serialize};
use shard_store::{StoreError, StoreOptions};

use super::{RunError, content};
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

/// Most characters that are shown of what is wrong with a file.
const MAX_REASON: usize = 200;

/// Reads the facts, which may have been changed by hand.
pub(super) fn parse(text: &[u8], path: &Path) -> Result<RunFacts, RunError> {
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let found = match error.classify() {
            serde_json::error::Category::Data => {
                let reason = error.to_string().replace("struct RunFacts", "an object");
                let reason = reason.replace("struct SourceFacts", "an object");
                // The place stands at its end.
                let reason = reason.split(" at line ").next().unwrap_or_default();
                let is_shown = |c: &char| !c.is_control();
                reason.chars().filter(is_shown).take(MAX_REASON).collect()
            }
            _ => "no JSON".to_owned(),
        };
        let reason = format!(
            "line {line}, column {column}: found {found}, expected what `train run` wrote; hint: \
             the file is damaged, put a copy of it back"
        );
        content(path, reason)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_facts_are_refused_in_a_few_words_with_their_place() {
        let facts = |text: &str| parse(text.as_bytes(), Path::new("run.json"));
        let whole = r#"{"version":"0","device":"CPU","classes":["road"],"sources":[]}"#;
        facts(whole).unwrap();
        let long = format!(r#"{{"version":"0","device":[{:?}]}}"#, "x".repeat(5000));
        let wrong = format!(r#""{}""#, "y".repeat(5000));
        for (text, expected) in [
            (&whole[..20], "run.json: line 1, column 20: found no JSON, expected what"),
            ("", "found no JSON"),
            ("\u{1b}[2J", "found no JSON"),
            (&whole.replace("device", "devize"), "column 23: found unknown field `devize`"),
            (&long, "invalid type: sequence, expected a string"),
            (&wrong, "expected what `train run` wrote; hint: the file is damaged"),
        ] {
            let error = facts(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.len() < 400 && !error.contains('\u{1b}'), "{error}");
        }
    }
}
