//! `shard completions`.

use std::io::Write;

use clap::CommandFactory;
use terminal::Outcome;

use crate::cli::{Cli, CompletionsArguments};

pub(super) fn run(
    arguments: &CompletionsArguments,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    // Through memory: the generator takes a failing writer for a bug.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "shard", &mut script);
    out.write_all(&script)?;
    Ok(Outcome::Done)
}
