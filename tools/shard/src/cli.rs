//! The command line. Names and exit codes are fixed: scripts rely on them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Turns dataset folders into shards for training, and checks, describes and unpacks shards.
#[derive(Debug, Parser)]
#[command(
    name = "shard",
    version,
    after_help = "Exit codes: 0 done, 1 a check failed, 2 error. Results go to standard output, \
                  progress and remarks to standard error."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pack one split of a dataset into shards, with an audit
    Pack(PackArguments),
    /// Check every byte of a packed dataset; exit code 1 if anything is wrong
    Verify {
        /// Folder that `shard pack` wrote
        dir: PathBuf,
    },
    /// Describe a packed dataset and its samples
    Inspect {
        /// Folder that `shard pack` wrote
        dir: PathBuf,
        /// Print everything as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write the samples back as PNG: ID.png (RGB) and ID_label.png (8-bit grey train ids), `/` in
    /// an id as `__`
    Extract {
        /// Folder that `shard pack` wrote
        dir: PathBuf,
        /// Folder for the PNG files; must be new or empty
        #[arg(long)]
        out: PathBuf,
    },
}

/// Arguments of `shard pack`.
#[derive(Debug, Args)]
pub struct PackArguments {
    /// The dataset's manifest, such as data-manifests/cityscapes.toml
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The dataset's folder
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// The split to pack, such as train
    #[arg(long, value_name = "NAME")]
    pub split: String,
    /// Folder for the shards; must not hold a packed dataset already
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the visual domain [default: the manifest's name]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Compress about ten times faster, to somewhat larger shards
    #[arg(long)]
    pub fast: bool,
    /// Do not compress
    #[arg(long, conflicts_with = "fast")]
    pub raw: bool,
    /// Share of samples that may be left out, 0 to 1; beyond it nothing is kept and the exit code
    /// is 1
    #[arg(long, value_name = "FRACTION", default_value = "0.01", value_parser = fraction)]
    pub max_skipped: f64,
    /// Threads [default: one per processor core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent_and_the_default_share_of_skips_is_one_percent() {
        Cli::command().debug_assert();
        let words =
            ["shard", "pack", "--manifest", "m", "--root", "r", "--split", "s", "--out", "o"];
        let Command::Pack(arguments) = Cli::try_parse_from(words).unwrap().command else {
            panic!("a pack command")
        };
        assert_eq!((arguments.max_skipped, arguments.threads), (0.01, None));
    }

    #[test]
    fn a_share_of_skips_beyond_one_is_refused() {
        for text in ["1.5", "-0.1", "nan", "many"] {
            assert!(fraction(text).is_err(), "{text}");
        }
    }
}
