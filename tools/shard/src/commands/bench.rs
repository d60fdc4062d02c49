//! `shard bench`.

use std::io::Write;

use anyhow::{Context, bail};
use datasets::Manifest;
use terminal::Outcome;
use tracing::info;

use crate::bench::{BenchOptions, Report, bench_dataset, bench_files, shown};
use crate::cli::BenchArguments;
use crate::store;

pub(super) fn run(arguments: &BenchArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let report = measured(arguments)?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &report).context("writing the result")?;
        writeln!(out)?;
    } else {
        out.write_all(shown(&report).as_bytes())?;
    }
    Ok(Outcome::Done)
}

fn measured(arguments: &BenchArguments) -> anyhow::Result<Report> {
    let options = BenchOptions {
        count: usize::from(arguments.count),
        seed: arguments.seed,
        crop: arguments.crop,
        threads: arguments.threads.map(usize::from),
        seconds: arguments.seconds,
    };
    info!("measuring; other work on this machine changes the results");
    if let Some(location) = &arguments.dataset {
        let dataset = shard_store::open(location, &store::options(&arguments.store)?)?;
        return Ok(bench_dataset(&dataset, &options)?);
    }
    let (Some(manifest), Some(root), Some(split)) =
        (&arguments.manifest, &arguments.root, &arguments.split)
    else {
        bail!("expected a packed dataset, or --manifest, --root and --split");
    };
    let mut manifest = Manifest::resolve(manifest)?;
    if let Some(reading) = &arguments.reading {
        manifest = manifest.with_reading(reading)?;
    }
    let listing = manifest.list(root, split)?;
    Ok(bench_files(&manifest, &listing, (root, split), &options)?)
}
