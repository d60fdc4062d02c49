//! The command line. Names and exit codes are fixed: scripts rely on them.

mod reading;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::reading::{
    AccessArgument, BenchArguments, DatasetArguments, ExtractArguments, InspectArguments,
    PreviewArguments, SampleLimit, StatsArguments, StoreArguments, VerifyArguments,
};
use crate::pack::Part;

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
    /// Join parts that `shard pack --part` made, to the bytes that one run would have made
    Merge(MergeArguments),
    /// Draft a manifest for a dataset of your own from its folder
    InitManifest(InitManifestArguments),
    /// Check a packed dataset; exit code 1 if anything is wrong
    Verify(VerifyArguments),
    /// Describe a packed dataset and its samples
    Inspect(InspectArguments),
    /// Count how often each class occurs, as a table and a chart
    Stats(StatsArguments),
    /// Draw a contact sheet of samples with their labels, as PNG or HTML
    Preview(PreviewArguments),
    /// Write the samples back as PNG: ID.png (RGB) and ID_label.png (8-bit grey train ids), `/` in
    /// an id as `__`
    Extract(ExtractArguments),
    /// Measure decoding, random crops and encoding on this machine
    Bench(BenchArguments),
    /// Print the completions of a shell
    Completions(CompletionsArguments),
    /// Write the manual pages, one per command
    Man(ManArguments),
}

/// Arguments of `shard pack`.
#[derive(Debug, Args)]
pub struct PackArguments {
    #[command(flatten)]
    /// What to pack.
    pub source: SourceArguments,
    /// Folder for the shards; must not hold a packed dataset already
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the visual domain [default: the manifest's name]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Encode about ten times faster, to somewhat larger shards
    #[arg(long)]
    pub fast: bool,
    /// Do not compress
    #[arg(long, conflicts_with = "fast")]
    pub raw: bool,
    /// Keep JPEG images as they are, byte for byte, and decode them when they are loaded
    #[arg(long, conflicts_with_all = ["fast", "raw"])]
    pub jpeg: bool,
    /// Pack part I of N, 1 to N; `shard merge` joins the parts
    #[arg(long, value_name = "I/N")]
    pub part: Option<Part>,
    /// Share of samples that may be left out, 0 to 1; beyond it nothing is kept and the exit code
    /// is 1
    #[arg(long, value_name = "FRACTION", default_value = "0.01", value_parser = fraction)]
    pub max_skipped: f64,
    /// Threads [default: one per processor core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory for samples under way, in MiB; one that needs more is packed alone [default: 2048, or
    /// a quarter of the machine's where that is less]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory_mib: Option<u32>,
    /// Largest size of a shard in MiB [default: 512]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_shard_mib: Option<u32>,
    /// Do not check first whether the disk has room
    #[arg(long)]
    pub skip_space_check: bool,
}

/// One split of a dataset's folder.
#[derive(Debug, Args)]
pub struct SourceArguments {
    /// The dataset's manifest: a file, or the name of a built-in one such as cityscapes
    #[arg(long, value_name = "FILE|NAME")]
    pub manifest: PathBuf,
    /// The dataset's folder
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// The split, such as train
    #[arg(long, value_name = "NAME")]
    pub split: String,
    /// Reading of the labels, where the manifest offers several
    #[arg(long, value_name = "NAME")]
    pub reading: Option<String>,
}

/// Arguments of `shard merge`.
#[derive(Debug, Args)]
pub struct MergeArguments {
    /// Folders that `shard pack --part` wrote, in any order
    #[arg(required = true, value_name = "PART_DIR")]
    pub parts: Vec<PathBuf>,
    /// Folder for the shards; must not hold a packed dataset already
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Share of samples that may have been left out of all parts together, 0 to 1 [default: that
    /// of the parts]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub max_skipped: Option<f64>,
    /// Do not check first whether the disk has room
    #[arg(long)]
    pub skip_space_check: bool,
}

/// Arguments of `shard init-manifest`.
#[derive(Debug, Args)]
pub struct InitManifestArguments {
    /// The dataset's folder
    pub root: PathBuf,
    /// File for the manifest; must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `shard completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `shard man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Folder for the pages; pages of the same names are replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
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
