//! The `eval` program; `eval --help` lists its options.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use eval::cli::Cli;
use eval::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::init_logs();
    terminal::exit_code(&commands::run(&cli, &mut std::io::stdout().lock()))
}
