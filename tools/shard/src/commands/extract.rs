//! `shard extract`.

use std::io::Write;

use shard_format::Dataset;
use terminal::{Bar, Outcome};

use crate::cli::ExtractArguments;
use crate::extract::{ExtractOptions, extract};
use crate::store;
use crate::summary::counted;

pub(super) fn run(arguments: &ExtractArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let dataset = store::open(&arguments.dataset)?;
    let (location, folder) = (&arguments.dataset.dataset, &arguments.out);
    let bar = Bar::new("extracting", "samples", total(&dataset, &arguments.ids));
    let options = ExtractOptions { ids: &arguments.ids, keep_jpeg: arguments.keep_jpeg };
    let progress = |done, total| bar.advance_to(done, total);
    let samples = extract(&dataset, location, options, folder, &progress)?;
    bar.finish();
    let (images, maps) = (counted(samples, "image"), counted(samples, "label map"));
    writeln!(out, "{images} and {maps} in {}", folder.display())?;
    Ok(Outcome::Done)
}

fn total(dataset: &Dataset, ids: &[String]) -> u64 {
    let samples = if ids.is_empty() { dataset.len() } else { ids.len() };
    samples as u64
}
