//! The `shard` program; `shard --help` lists its commands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use shard::cli::Cli;
use shard::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::run(|out| commands::run(&cli, out))
}
