//! The `train` program; `train --help` lists its commands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use train::cli::Cli;
use train::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::run(|out| commands::run(&cli, out))
}
