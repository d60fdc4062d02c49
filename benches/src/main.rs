//! The `loader_bench` program: CPU time of every stage of the loader, and how it scales.
//!
//! `README.md` beside this crate says what is measured and what it can be compared with.
#![forbid(unsafe_code)]

mod cli;
mod cpu_time;
mod report;
mod scaling;
mod setup;
mod stages;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use loader::Level;

use crate::cli::Cli;
use crate::report::Report;
use crate::stages::Stages;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&mut std::io::stderr(), &format!("loader_bench: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let report = measure(cli)?;
    let text = if cli.json {
        serde_json::to_string_pretty(&report).context("cannot write JSON")? + "\n"
    } else {
        report.to_string()
    };
    tell(&mut std::io::stdout(), &text);
    Ok(())
}

/// Writes a text; a reader that left early is no error.
fn tell(to: &mut dyn Write, text: &str) {
    drop(to.write_all(text.as_bytes()));
}

fn measure(cli: &Cli) -> Result<Report> {
    let setup = cli.setup()?;
    let (stored_samples, frame) = setup.describe()?;
    // Nobody measures this run: it brings the shards into the page cache.
    scaling::run_loader(&setup, 1, cli.samples)?;
    let (one, rendered) = scaling::run_loader(&setup, 1, cli.samples)?;
    let mut scaling = Vec::new();
    for &workers in &cli.workers() {
        let run =
            if workers == 1 { one } else { scaling::run_loader(&setup, workers, cli.samples)?.0 };
        scaling.push(run.compared_with(&one));
    }
    let best = Level::best();
    let levels: Vec<Level> = match cli.all_levels {
        true => Level::available().collect(),
        false => vec![best],
    };
    let measure = |&level| Ok((level, stages::measure(&setup, level, &rendered)?));
    let stages: Vec<(Level, Stages)> = levels.iter().map(measure).collect::<Result<_>>()?;
    let sum_ms = stages.last().map_or(0.0, |(_, stages)| stages.sum_ms());
    Ok(Report {
        shards: cli.shards.clone(),
        stored_samples,
        frame,
        crop: cli.crop,
        mode: cli.mode,
        augment: cli.augment,
        filter: cli.filter,
        seed: cli.seed,
        samples_per_worker: cli.samples,
        assembly_ms: one.cpu_ms_per_sample() - sum_ms,
        stages: stages.into_iter().map(|(level, stages)| stages.at(level)).collect(),
        scaling,
    })
}
