//! `[data]`: source domains, how a batch is filled from them, and crops.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Source domains and crops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Source domains.
    pub sources: Vec<SourceRecipe>,
    /// Streams that go through each domain: 2 for single-source training, 1 otherwise.
    pub streams_per_domain: u32,
    /// Samples of each stream in a batch; 4 in the reference.
    pub samples_per_domain: usize,
    /// How a batch is filled from the streams.
    pub sampling: SamplingRecipe,
    /// Share of samples that are drawn by class, every class alike; 0 in the reference.
    pub class_uniform: f64,
    /// What is done about a damaged sample.
    pub on_damage: DamageRecipe,
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
    /// Samples of each of its streams in a batch, where that is not `samples_per_domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Its weight where samples are drawn by weight; 1 unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// How a batch is filled from the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplingRecipe {
    /// A fixed number of samples from each stream.
    Quotas,
    /// Every image of every domain is equally likely.
    ImageUniform,
    /// Every domain is equally likely.
    DomainUniform,
    /// Domains are drawn by their weights.
    Weighted,
}

impl SamplingRecipe {
    /// What the recipe calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quotas => "quotas",
            Self::ImageUniform => "image-uniform",
            Self::DomainUniform => "domain-uniform",
            Self::Weighted => "weighted",
        }
    }
}

/// What is done about a sample that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageRecipe {
    /// The run stops with file, sample and tile.
    Strict,
    /// The next sample stands in.
    Substitute,
    /// The damaged tile becomes grey and counts for nothing.
    MaskTile,
}

impl DataRecipe {
    /// Streams of all domains, the meta-domains of an episode.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.sources.len() * self.streams_per_domain as usize
    }

    /// What a stream is called in logs and sheets: its domain, and its number if there are several.
    #[must_use]
    pub fn stream_name(&self, domain: &str, stream: u32) -> String {
        if self.streams_per_domain == 1 { domain.into() } else { format!("{domain}/{stream}") }
    }

    /// Samples of a source in a batch, in each of its streams, where quotas fill it.
    #[must_use]
    pub fn quota(&self, source: &SourceRecipe) -> usize {
        source.samples.unwrap_or(self.samples_per_domain)
    }

    /// Samples of a whole batch.
    #[must_use]
    pub fn batch(&self) -> usize {
        let per_stream: usize = self.sources.iter().map(|source| self.quota(source)).sum();
        per_stream * self.streams_per_domain as usize
    }
}
