//! A recipe: one training run, completely, as a TOML file.
//!
//! Every key must be there and no other: a run is what its recipe says. `[method]` alone may start
//! from a `preset` and list only what differs; the resolved recipe in the run folder lists all.

mod check;
mod overrides;

use std::fs;
use std::path::{Path, PathBuf};

use loader::{Augment, DomainSource};
use models::deeplab_v3_plus::DeepLabV3PlusConfig;
use serde::{Deserialize, Serialize};

use crate::method::Method;
use crate::optimizer::SgdSettings;
use crate::schedule::Schedule;

use overrides::{PRESET_OVERRIDE, apply_override, expand_preset, override_preset};

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
    /// Which network: `deeplab_v3_plus`.
    pub name: ModelName,
    /// Bottleneck blocks per stage; ResNet-50 has `[3, 4, 6, 3]`.
    pub blocks: [usize; 4],
    /// Divides all widths of the reference: 1, 2, 4, 8 or 16.
    pub width_divisor: usize,
    /// Input pixels per feature pixel: 8, 16 or 32.
    pub output_stride: usize,
    /// Dilations of the ASPP; scale them with the crop.
    pub aspp_rates: [usize; 3],
    /// Whether the network has a categorical memory.
    pub memory: bool,
    /// Batches (of all domains) that give the memory its first value.
    pub memory_init_batches: u64,
    /// Channel dropout of the auxiliary head; 0.1 in the reference.
    pub auxiliary_dropout: f64,
}

/// Known networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelName {
    /// DeepLabV3+ on a ResNet.
    #[serde(rename = "deeplab_v3_plus")]
    DeepLabV3Plus,
}

/// Source domains and crops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Source domains.
    pub sources: Vec<SourceRecipe>,
    /// Samples of each domain in a batch; 4 in the reference.
    pub samples_per_domain: usize,
    /// Crop height, pixels; 768 in the reference.
    pub crop_height: u32,
    /// Crop width, pixels; 768 in the reference.
    pub crop_width: u32,
    /// Threads that decode and augment.
    pub workers: usize,
}

/// One source domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecipe {
    /// Name of the domain.
    pub name: String,
    /// Folders that `shard pack` wrote; relative ones start at the recipe's folder.
    pub shards: Vec<PathBuf>,
}

/// Augmentation of training samples; source: method of the reference's transforms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationRecipe {
    /// Smallest scale; 0.5 in the reference.
    pub scale_min: f32,
    /// Largest scale; 2.0.
    pub scale_max: f32,
    /// Probability of a horizontal flip; 0.5.
    pub flip_probability: f32,
    /// Probability of colour jitter; 0.5.
    pub jitter_probability: f32,
    /// Largest change of brightness; 0.4.
    pub brightness: f32,
    /// Largest change of contrast; 0.4.
    pub contrast: f32,
    /// Largest change of saturation; 0.4.
    pub saturation: f32,
    /// Largest turn of hue, in turns; 0.1.
    pub hue: f32,
    /// Smallest sigma of the Gaussian blur, pixels; 0.15.
    pub blur_sigma_min: f32,
    /// Largest sigma, pixels; 1.3.
    pub blur_sigma_max: f32,
    /// Filter of the image's resize: `bilinear` or `bicubic`.
    pub image_filter: FilterRecipe,
}

/// Filter of the image's resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterRecipe {
    /// Triangle.
    Bilinear,
    /// Catmull-Rom, as in Pillow.
    Bicubic,
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
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The recipe.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing field or a value of the wrong type.
    #[error("{}: {reason}\nhint: a recipe has every key of recipes/README.md and no other", path.display())]
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
        let mut table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| parse(error.to_string()))?;
        let (presets, overrides): (Vec<_>, Vec<_>) =
            overrides.iter().partition(|text| text.starts_with(PRESET_OVERRIDE));
        for text in presets {
            override_preset(&mut table, text)?;
        }
        expand_preset(&mut table).map_err(&parse)?;
        for text in overrides {
            apply_override(&mut table, text)?;
        }
        // Through text again, so that an error shows the line it is about.
        let mut recipe: Self = toml::from_str(&table.to_string()).map_err(|error| {
            parse(format!("in the resolved recipe: {}", error.to_string().trim_end()))
        })?;
        for source in &mut recipe.data.sources {
            for shards in &mut source.shards {
                if shard_store::is_url(shards) {
                    continue;
                }
                // Absolute, since the resolved recipe is read again from the run folder.
                let joined = folder.join(&*shards);
                *shards = std::path::absolute(&joined)
                    .map_err(|source| RecipeError::Read { path: joined, source })?;
            }
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
    pub fn network(&self, classes: usize) -> DeepLabV3PlusConfig {
        let ModelName::DeepLabV3Plus = self.model.name;
        DeepLabV3PlusConfig {
            blocks: self.model.blocks,
            width_divisor: self.model.width_divisor,
            output_stride: self.model.output_stride,
            aspp_rates: self.model.aspp_rates,
            classes,
            memory: self.model.memory,
        }
    }

    /// The loader's sources.
    #[must_use]
    pub fn domain_sources(&self) -> Vec<DomainSource> {
        self.data
            .sources
            .iter()
            .map(|source| DomainSource { name: source.name.clone(), shards: source.shards.clone() })
            .collect()
    }

    /// The loader's augmentation.
    #[must_use]
    pub fn augment(&self) -> Augment {
        let a = self.augmentation;
        Augment {
            scale_min: a.scale_min,
            scale_max: a.scale_max,
            flip_probability: a.flip_probability,
            jitter: loader::Jitter {
                probability: a.jitter_probability,
                brightness: a.brightness,
                contrast: a.contrast,
                saturation: a.saturation,
                hue: a.hue,
            },
            blur_sigma_min: a.blur_sigma_min,
            blur_sigma_max: a.blur_sigma_max,
            image_filter: match a.image_filter {
                FilterRecipe::Bilinear => loader::Filter::Bilinear,
                FilterRecipe::Bicubic => loader::Filter::Bicubic,
            },
        }
    }
}
