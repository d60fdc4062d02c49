//! Runs one command: results to the given writer, remarks and progress to standard error.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use shard_format::{Dataset, Preset, ReadError};
use terminal::{Bar, Outcome};
use tracing::{error, info, warn};

use crate::audit::Audit;
use crate::cli::{Cli, Command, PackArguments};
use crate::extract::extract;
use crate::inspect::{describe, shown};
use crate::pack::{PackError, PackOptions, prepare};
use crate::summary::pack_shown;

/// Left-out samples named on the terminal; the audit lists all.
const SKIPS_SHOWN: usize = 5;

/// Runs the command and writes its results to `out`.
///
/// # Errors
/// The command could not do its work: exit code 2.
pub fn run(cli: &Cli, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match &cli.command {
        Command::Pack(arguments) => run_pack(arguments, out),
        Command::Verify { dir } => run_verify(dir, out),
        Command::Inspect { dir, json } => run_inspect(dir, *json, out),
        Command::Extract { dir, out: folder } => run_extract(dir, folder, out),
    }
}

fn run_pack(arguments: &PackArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let preset = match (arguments.fast, arguments.raw) {
        (_, true) => Preset::Raw,
        (true, false) => Preset::Fast,
        (false, false) => Preset::Default,
    };
    let options = PackOptions {
        domain: arguments.domain.clone(),
        preset,
        max_skipped: arguments.max_skipped,
        threads: arguments.threads.map(usize::from),
        ..PackOptions::new(&arguments.manifest, &arguments.root, &arguments.split, &arguments.out)
    };
    let prepared = prepare(&options)?;
    info!("licence of {}: {}", prepared.manifest.name, prepared.manifest.license);
    let bar = Bar::new("packing", "samples", prepared.listing.pairs.len() as u64);
    let packed = prepared.pack(&|done, total| bar.advance_to(done, total));
    bar.finish();
    match packed {
        Ok(report) => {
            remark(&report.audit);
            out.write_all(pack_shown(&report).as_bytes())?;
            Ok(Outcome::Done)
        }
        Err(failure) => {
            let PackError::TooManySkipped { audit, .. } = &failure else {
                return Err(failure.into());
            };
            remark(audit);
            error!("{failure}");
            Ok(Outcome::CheckFailed)
        }
    }
}

/// What a person should know about a run, good or bad.
fn remark(audit: &Audit) {
    for note in &audit.notes {
        warn!("{note}");
    }
    for (name, images) in &audit.unknown_objects {
        warn!("objects `{name}` in {images} images are not in the manifest and were left out");
    }
    for skip in audit.skipped.iter().take(SKIPS_SHOWN) {
        if skip.reason.contains(&skip.path) {
            warn!("left out: {}", skip.reason);
        } else {
            warn!("left out: {}: {}", skip.path, skip.reason);
        }
    }
    let more = audit.skipped.len().saturating_sub(SKIPS_SHOWN);
    if more > 0 {
        warn!("and {more} more left out");
    }
}

fn run_verify(dir: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let dataset = match Dataset::open(dir) {
        Ok(dataset) => dataset,
        // No dataset at all is an error; a damaged one is a failed check.
        Err(
            failure @ (ReadError::NoIndex { .. }
            | ReadError::Io { .. }
            | ReadError::NewerVersion { .. }),
        ) => {
            return Err(failure.into());
        }
        Err(damage) => {
            writeln!(out, "{damage}")?;
            return Ok(Outcome::CheckFailed);
        }
    };
    let total = dataset.len() as u64;
    let bar = Bar::new("verifying", "samples", total);
    let problems = dataset.verify(&mut |index| bar.advance_to(index as u64 + 1, total))?;
    bar.finish();
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    if problems.is_empty() {
        let shards = dataset.index().shards.len();
        writeln!(out, "{}: {total} samples in {shards} shards are intact", dir.display())?;
        return Ok(Outcome::Done);
    }
    writeln!(
        out,
        "{}: {} problems found; hint: copy the shards again, or pack the dataset again",
        dir.display(),
        problems.len()
    )?;
    Ok(Outcome::CheckFailed)
}

fn run_inspect(dir: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let description = describe(dir)?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &description).context("writing the result")?;
        writeln!(out)?;
    } else {
        out.write_all(shown(&description).as_bytes())?;
    }
    Ok(Outcome::Done)
}

fn run_extract(dir: &Path, folder: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let bar = Bar::new("extracting", "samples", 0);
    let samples = extract(dir, folder, &|done, total| bar.advance_to(done, total))?;
    bar.finish();
    writeln!(out, "{samples} images and {samples} label maps in {}", folder.display())?;
    Ok(Outcome::Done)
}
