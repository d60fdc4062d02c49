//! Runs one command: results to the given writer, remarks and progress to standard error.

mod bench;
mod completions;
mod extract;
mod init_manifest;
mod inspect;
mod man;
mod merge;
mod pack;
mod preview;
mod stats;
mod verify;

use std::io::Write;

use terminal::Outcome;

use crate::cli::{Cli, Command};

/// Runs the command and writes its results to `out`.
///
/// # Errors
/// The command could not do its work: exit code 2.
pub fn run(cli: &Cli, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match &cli.command {
        Command::Pack(arguments) => pack::run(arguments, out),
        Command::Merge(arguments) => merge::run(arguments, out),
        Command::InitManifest(arguments) => init_manifest::run(arguments, out),
        Command::Verify(arguments) => verify::run(arguments, out),
        Command::Inspect(arguments) => inspect::run(arguments, out),
        Command::Extract(arguments) => extract::run(arguments, out),
        Command::Stats(arguments) => stats::run(arguments, out),
        Command::Preview(arguments) => preview::run(arguments, out),
        Command::Bench(arguments) => bench::run(arguments, out),
        Command::Completions(arguments) => completions::run(arguments, out),
        Command::Man(arguments) => man::run(arguments, out),
    }
}
