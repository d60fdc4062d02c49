//! Arguments of the commands that read a packed dataset.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::fraction;

/// A packed dataset, and how to read it.
#[derive(Debug, Args)]
pub struct DatasetArguments {
    /// Folder that `shard pack` wrote, or its URL: s3://, gs://, az://, http:// or https://
    #[arg(value_name = "DIR|URL")]
    pub dataset: PathBuf,
    /// How to read it.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Heading of the options that say how shards are read.
const READING: &str = "Reading";

/// How shards are read.
#[derive(Debug, Clone, Args)]
pub struct StoreArguments {
    /// How files of a folder are read [env: PINMEM_READ] [default: auto]
    #[arg(long, value_name = "HOW", help_heading = READING)]
    pub access: Option<AccessArgument>,
    /// Folder for the cache of what was read from a URL, which lies in it as `remote-blocks` [env:
    /// PINMEM_CACHE_DIR] [default: pinmem in the user's cache folder]
    #[arg(long, value_name = "DIR", help_heading = READING)]
    pub cache_dir: Option<PathBuf>,
    /// Largest size of that cache in GiB, 0 for none; other files in its folder do not count [env:
    /// PINMEM_CACHE_GIB] [default: 20]
    #[arg(long, value_name = "N", value_parser = gibibytes, help_heading = READING)]
    pub cache_gib: Option<f64>,
}

/// How files of a folder are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessArgument {
    /// In pieces on a network file system, mapped into memory elsewhere
    Auto,
    /// Mapped into memory
    Map,
    /// In pieces
    Pread,
}

/// Arguments of `shard verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// What to check.
    #[command(flatten)]
    pub dataset: DatasetArguments,
    /// Also decode everything, and count classes and samples against audit.json
    #[arg(long)]
    pub deep: bool,
    /// Also compare with the files that were packed: their hashes, every pixel and every label
    #[arg(long, value_name = "ROOT")]
    pub against_source: Option<PathBuf>,
    /// The manifest that the dataset was packed with, if it is not a built-in one
    #[arg(long, value_name = "FILE|NAME", requires = "against_source")]
    pub manifest: Option<PathBuf>,
    /// The reading of the labels that the dataset was packed with [default: by its mapping]
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub reading: Option<String>,
}

/// Arguments of `shard inspect`.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// What to describe.
    #[command(flatten)]
    pub dataset: DatasetArguments,
    /// Samples to list, a number or `all` [default: 20; with --json all]
    #[arg(long, value_name = "N|all")]
    pub samples: Option<SampleLimit>,
    /// Print everything as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// How many samples to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleLimit {
    /// Every one.
    All,
    /// The first so many.
    First(usize),
}

impl FromStr for SampleLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("all", _) => Ok(Self::All),
            (_, Ok(samples)) => Ok(Self::First(samples)),
            _ => Err("expected a number or `all`".into()),
        }
    }
}

/// Arguments of `shard stats`.
#[derive(Debug, Args)]
pub struct StatsArguments {
    /// What to count.
    #[command(flatten)]
    pub dataset: DatasetArguments,
    /// Draw the class frequencies as a bar chart into this PNG file
    #[arg(long, value_name = "FILE.png")]
    pub chart: Option<PathBuf>,
    /// Print the counts as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `shard preview`.
#[derive(Debug, Args)]
pub struct PreviewArguments {
    /// What to draw.
    #[command(flatten)]
    pub dataset: DatasetArguments,
    /// File for the sheet, .png or .html; a file of this name is replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Samples to draw
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// Another number draws other samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Draw the first samples
    #[arg(long, conflicts_with = "seed")]
    pub first: bool,
    /// Draw this sample; may be given several times
    #[arg(long = "id", value_name = "ID", allow_hyphen_values = true, conflicts_with_all = ["count", "seed", "first"])]
    pub ids: Vec<String>,
    /// Show each image beside its overlay
    #[arg(long)]
    pub side_by_side: bool,
    /// Share of the label's colour in the overlay, 0 to 1
    #[arg(long, value_name = "FRACTION", default_value = "0.5", value_parser = fraction)]
    pub opacity: f64,
    /// Width of one picture in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 384, value_parser = clap::value_parser!(u32).range(64..=2048))]
    pub width: u32,
    /// Samples in a row
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub columns: u32,
}

/// Arguments of `shard extract`.
#[derive(Debug, Args)]
pub struct ExtractArguments {
    /// What to unpack.
    #[command(flatten)]
    pub dataset: DatasetArguments,
    /// Folder for the PNG files; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Unpack this sample alone; may be given several times
    #[arg(long = "id", value_name = "ID", allow_hyphen_values = true)]
    pub ids: Vec<String>,
    /// Write JPEG files that were passed through as they are, ID.jpg, in place of ID.png
    #[arg(long)]
    pub keep_jpeg: bool,
}

/// Arguments of `shard bench`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["dataset", "manifest"])))]
pub struct BenchArguments {
    /// Folder that `shard pack` wrote, or its URL
    #[arg(value_name = "DIR|URL")]
    pub dataset: Option<PathBuf>,
    /// Measure on source files instead: the dataset's manifest, a file or a built-in name
    #[arg(long, value_name = "FILE|NAME", requires_all = ["root", "split"])]
    pub manifest: Option<PathBuf>,
    /// The dataset's folder
    #[arg(long, value_name = "DIR", requires = "manifest")]
    pub root: Option<PathBuf>,
    /// The split, such as train
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub split: Option<String>,
    /// Reading of the labels, where the manifest offers several
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub reading: Option<String>,
    /// Samples to measure with
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// Another number takes other samples and crops
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Edge of the random crops in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 768, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub crop: u32,
    /// Threads of the parallel measurements [default: one per processor core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Least time of each measurement in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub seconds: f64,
    /// Print the results as one JSON document
    #[arg(long)]
    pub json: bool,
    /// How to read it.
    #[command(flatten)]
    pub store: StoreArguments,
}

fn gibibytes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1e6).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1000000".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=3600.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 3600".into()),
    }
}
