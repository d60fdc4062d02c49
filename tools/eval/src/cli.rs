//! The command line. Names and exit codes are fixed: scripts rely on them.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use evaluation::view::View;
use kernels::device::DeviceChoice;

/// Scores a trained run on packed datasets and writes eval.json and report.html.
#[derive(Debug, Parser)]
#[command(
    name = "eval",
    version,
    after_help = "Exit codes: 0 done, 1 a check failed, 2 error. The table goes to standard \
                  output, progress and remarks to standard error."
)]
pub struct Cli {
    /// Folder that `train run` wrote
    pub run: PathBuf,
    /// Folders that `shard pack` wrote, one or more
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    pub shards: Vec<PathBuf>,
    /// How images become predictions: whole, sliding or sliding-flip [default: the recipe's]
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Side of the sliding window in pixels [default: the recipe's]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=8192))]
    pub window: Option<u32>,
    /// What of each image is scored
    #[arg(long, value_enum, default_value_t = ViewName::Whole)]
    pub view: ViewName,
    /// Folder for eval.json and report.html; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where to compute: auto (best GPU, else CPU), cpu, gpu, or gpu:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Images of each target shown in the report
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub pictures: usize,
}

/// What of each image is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ViewName {
    /// All of it
    Whole,
    /// The 1536x1536 pixels on which the released code scores Mapillary Vistas
    ReleasedMapillary,
}

impl From<ViewName> for View {
    fn from(name: ViewName) -> Self {
        match name {
            ViewName::Whole => Self::Whole,
            ViewName::ReleasedMapillary => Self::ReleasedMapillary,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent_and_takes_several_targets() {
        Cli::command().debug_assert();
        let words = ["eval", "run", "--shards", "a", "b", "--out", "o"];
        let cli = Cli::try_parse_from(words).unwrap();
        assert_eq!(cli.shards, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(cli.device, DeviceChoice::Auto);
    }
}
