//! The `eval` program; `eval --help` lists its options.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use eval::cli::Cli;
use eval::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::run(|out| commands::run(&cli, out))
}
