//! The command line. Names and exit codes are fixed: scripts rely on them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use evaluation::view::View;
use kernels::device::DeviceChoice;

/// Scores a trained run on packed datasets and writes eval.json and report.html.
#[derive(Debug, Parser)]
#[command(
    name = "eval",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit codes: 0 done, 1 a check failed, 2 error. The table goes to standard \
                  output, progress and remarks to standard error."
)]
pub struct Cli {
    /// Another thing to do than to score.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to score; there unless there is a command.
    #[command(flatten)]
    pub score: Option<ScoreArguments>,
}

/// What there is to do beside scoring.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a memory as data: norms, cosines between its slots, writes, drift over training
    Memory(MemoryArguments),
}

/// Arguments of `eval memory`.
#[derive(Debug, Args)]
pub struct MemoryArguments {
    /// Folder that `train run` wrote, or a file that `train import` wrote
    pub run: PathBuf,
    /// Folder for memory.json, similarity.png and, of a run, drift.png; must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `eval` without a command.
#[derive(Debug, Args)]
pub struct ScoreArguments {
    /// Folder that `train run` wrote
    pub run: PathBuf,
    /// Folders that `shard pack` wrote, one or more
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    pub shards: Vec<PathBuf>,
    /// How images become predictions: whole, sliding or sliding-flip [default: the recipe's]
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Side of the sliding window in pixels, 32 to 8192; not with protocol whole [default: the
    /// recipe's]
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
        let score = Cli::try_parse_from(words).unwrap().score.unwrap();
        assert_eq!(score.shards, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(score.device, DeviceChoice::Auto);
    }

    #[test]
    fn scoring_needs_its_arguments_and_a_command_needs_none_of_them() {
        let parse = |words: &[&str]| Cli::try_parse_from([&["eval"], words].concat());
        let cli = parse(&["memory", "run", "--json"]).unwrap();
        assert!(cli.score.is_none());
        let Some(Command::Memory(arguments)) = cli.command else { panic!("{cli:?}") };
        assert!(arguments.json && arguments.out.is_none());
        for words in [&[][..], &["run"], &["run", "--shards", "a"], &["memory"]] {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
        }
        assert!(parse(&["--device", "cpu", "memory", "run"]).is_err());
    }
}
