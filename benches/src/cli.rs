//! What a user may ask for.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::setup::Setup;

/// Measures the loader: CPU time of each stage in one thread, and how it scales with its workers.
#[derive(Debug, Parser)]
#[command(name = "loader_bench", version)]
pub(crate) struct Cli {
    /// Folder of shards, as `shard pack` writes it
    #[arg(value_name = "SHARDS")]
    pub(crate) shards: PathBuf,
    /// Side of the square crop, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 768)]
    pub(crate) crop: u32,
    /// Measured samples for each worker, about: whole batches are taken
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) samples: u64,
    /// Numbers of workers [default: 1, 2, 4, .. and the number of processor cores]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = positive)]
    workers: Vec<usize>,
    /// Arithmetic of the pixels
    #[arg(long, value_enum, default_value_t = ModeName::Fast)]
    pub(crate) mode: ModeName,
    /// What happens to a sample
    #[arg(long, value_enum, default_value_t = AugmentName::Bench)]
    pub(crate) augment: AugmentName,
    /// How the image is resampled
    #[arg(long, value_enum, default_value_t = FilterName::Bicubic)]
    pub(crate) filter: FilterName,
    /// Seed of order and augmentation
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Measure the stages with fewer vector instructions too; pixels are the same
    #[arg(long)]
    pub(crate) all_levels: bool,
    /// Print JSON in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arithmetic of the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModeName {
    /// The cheapest that is the same on every machine
    Fast,
    /// That of Pillow, torchvision and scikit-image
    Reference,
}

/// What happens to a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AugmentName {
    /// Scale 0.5 to 2, flip, colour jitter and blur, the last two on every sample
    Bench,
    /// The same with colour jitter on every other sample, as runs train
    Reference,
    /// A random crop alone
    None,
}

/// How the image is resampled; antialiased either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FilterName {
    /// Support of one pixel
    Bilinear,
    /// Support of two pixels
    Bicubic,
}

impl Cli {
    pub(crate) fn setup(&self) -> Result<Setup> {
        Setup::new(self)
    }

    /// The numbers of workers to measure.
    pub(crate) fn workers(&self) -> Vec<usize> {
        if !self.workers.is_empty() {
            return self.workers.clone();
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        powers_and_last(cores)
    }
}

/// As a recipe allows.
const MOST_WORKERS: usize = 1024;

/// 1, 2, 4, .. below `last`, and `last`.
fn powers_and_last(last: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |workers| workers.checked_mul(2));
    powers.take_while(|workers| *workers < last).chain([last]).collect()
}

fn positive(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(workers) if (1..=MOST_WORKERS).contains(&workers) => Ok(workers),
        _ => Err(format!("expected whole numbers from 1 to {MOST_WORKERS}, separated by commas")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_double_up_to_the_number_of_cores() {
        assert_eq!(powers_and_last(1), [1]);
        assert_eq!(powers_and_last(6), [1, 2, 4, 6]);
        assert_eq!(powers_and_last(16), [1, 2, 4, 8, 16]);
    }

    #[test]
    fn a_list_of_workers_is_taken_as_it_is_and_zero_is_refused() {
        let cli = Cli::try_parse_from(["loader_bench", "shards", "--workers", "2, 7"]).unwrap();
        assert_eq!(cli.workers(), [2, 7]);
        assert!(Cli::try_parse_from(["loader_bench", "shards", "--workers", "1,0"]).is_err());
    }
}
