//! A recipe: one training run, completely, as a TOML file.
//!
//! Every key must be there and no other: a run is what its recipe says. `[method]` may start from a
//! `preset` and list only what differs, and so may `[augmentation.extra]`, all of which is off
//! unless listed, and `[model.isw]`, which has the reference's values; the resolved recipe in the
//! run folder lists all.

mod augmentation;
mod check;
mod data;
mod digest;
mod isw;
mod method_check;
mod overrides;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use models::backbone::BackboneName;
use models::network::{ModelName, NetworkConfig};
use models::normalization::presets::NormPreset;
use serde::{Deserialize, Serialize};

use crate::method::Method;
use crate::optimizer::SgdSettings;
use crate::schedule::Schedule;

pub use augmentation::{AugmentationRecipe, ColoursOn, FilterRecipe, ModeRecipe};
pub use data::{DamageRecipe, DataRecipe, SamplingRecipe, SourceRecipe};
pub use digest::FREE_KEYS;
pub use isw::IswRecipe;
use overrides::{
    PRESET_OVERRIDE, apply_override, expand_defaults, expand_extra, expand_isw, expand_preset,
    override_preset,
};

/// The largest float that still means something; keeps infinities and NaN out.
const LARGE: f64 = 1e6;

/// A training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the run in tables and reports.
    pub name: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// Training steps.
    pub steps: u64,
    /// Steps between lines of `metrics.jsonl`.
    pub log_every_steps: u64,
    /// Steps between checkpoints; the last step always has one.
    pub checkpoint_every_steps: u64,
    /// Whether backward passes compute cheap operations again, which saves memory; off unless told
    /// otherwise.
    pub gradient_checkpointing: bool,
    /// The network.
    pub model: ModelRecipe,
    /// Source domains and crops.
    pub data: DataRecipe,
    /// Augmentation of the training samples.
    pub augmentation: AugmentationRecipe,
    /// Algorithm and its variants.
    pub method: Method,
    /// Rates.
    pub schedule: Schedule,
    /// Optimiser.
    pub optimizer: SgdSettings,
    /// How the trained network is evaluated unless told otherwise.
    pub evaluation: EvaluationRecipe,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// Which model: `deeplab_v3_plus`, `deeplab_v3`, `deeplab_v2`, `deeplab_v2_original`, `fcn8s`.
    pub name: ModelName,
    /// Which backbone: `resnet50`, ...
    pub backbone: BackboneName,
    /// Blocks per stage, where they are not the backbone's; ResNets only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<[usize; 4]>,
    /// Safetensors file of weights to start from, relative to the recipe's folder; what it lacks
    /// starts at random. `train import` makes such files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Divides all widths of the reference: 1, 2, 4, 8 or 16, on ResNets also 32.
    pub width_divisor: usize,
    /// Input pixels per feature pixel: 8, 16 or 32.
    pub output_stride: usize,
    /// Dilations of the ASPP, as many as the model has; scale them with the crop.
    pub aspp_rates: Vec<usize>,
    /// What normalises: `batch`, `ibn-a`, `ibn`, `iw`, `irw`, `isw` or `switchable`.
    pub normalization: NormPreset,
    /// The statistics and the loss of `isw`, which it alone has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isw: Option<IswRecipe>,
    /// Whether the network has a categorical memory.
    pub memory: bool,
    /// Batches (of all domains) that give the memory its first value.
    pub memory_init_batches: u64,
    /// Channel dropout of the auxiliary head; 0.1 in the reference.
    pub auxiliary_dropout: f64,
}

/// How the trained network is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRecipe {
    /// Protocol: `whole`, `sliding` or `sliding-flip`.
    pub protocol: String,
    /// Window of the sliding protocols, `[height, width]` in pixels; the crop is fair.
    pub window: [u32; 2],
}

/// What can be wrong with a recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; hint: a recipe is a TOML file", path.display())]
    Read {
        /// The recipe.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing field or a value of the wrong type.
    #[error("{}: {}; hint: recipes/README.md lists every key", path.display(), reason.trim_end())]
    Parse {
        /// The recipe.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// An override that is not `key=value` with an existing key.
    #[error("--set {text}: {reason}")]
    Override {
        /// The override.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Keys that contradict each other.
    #[error("{}: {key} is {found}, expected {expected}", path.display())]
    Contradiction {
        /// The recipe.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
}

impl Recipe {
    /// Reads a recipe, applies `overrides` (`key=value`, dotted keys), resolves and checks it.
    ///
    /// # Errors
    /// See [`RecipeError`].
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, RecipeError> {
        let text = fs::read_to_string(path)
            .map_err(|source| RecipeError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&text, path, folder, overrides)
    }

    /// As [`Recipe::load`], from text; `path` is named in errors.
    ///
    /// # Errors
    /// See [`RecipeError`].
    pub fn parse(
        text: &str,
        path: &Path,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Self, RecipeError> {
        let parse = |reason: String| RecipeError::Parse { path: path.to_owned(), reason };
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| parse(words::of_text(&error.to_string())))?;
        let (presets, overrides): (Vec<_>, Vec<_>) =
            overrides.iter().partition(|text| text.starts_with(PRESET_OVERRIDE));
        for text in presets {
            override_preset(&mut table, text)?;
        }
        expand_preset(&mut table).map_err(&parse)?;
        expand_extra(&mut table).map_err(&parse)?;
        expand_defaults(&mut table);
        for text in overrides {
            apply_override(&mut table, text)?;
        }
        expand_isw(&mut table).map_err(&parse)?;
        let mut recipe: Self = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| parse(words::of_key(&error)))?;
        // Absolute, since the resolved recipe is read again from the run folder.
        let resolve = |path: &mut PathBuf| {
            let joined = folder.join(&*path);
            *path = std::path::absolute(&joined)
                .map_err(|source| RecipeError::Read { path: joined, source })?;
            Ok(())
        };
        let shards = recipe.data.sources.iter_mut().flat_map(|source| &mut source.shards);
        for path in shards.filter(|shards| !shard_store::is_url(shards)) {
            resolve(path)?;
        }
        if let Some(path) = &mut recipe.model.weights {
            resolve(path)?;
        }
        check::check(&recipe, path)?;
        Ok(recipe)
    }

    /// The recipe as TOML with every key.
    ///
    /// # Errors
    /// Never for a recipe that was parsed.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// The network's sizes for data of `classes` classes.
    #[must_use]
    pub fn network(&self, classes: usize) -> NetworkConfig {
        NetworkConfig {
            model: self.model.name,
            backbone: self.model.backbone,
            blocks: self.model.blocks,
            width_divisor: self.model.width_divisor,
            output_stride: self.model.output_stride,
            aspp_rates: self.model.aspp_rates.clone(),
            normalization: self.model.normalization.places(),
            whitening: match self.model.isw {
                Some(isw) => Some(isw.whitening()),
                None => self.model.normalization.whitening(),
            },
            classes,
            memory: self.model.memory,
            update_network: self.method.update_network,
        }
    }
}
