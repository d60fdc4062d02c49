//! `eval memory`: a memory as data.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use evaluation::charts::heat_map;
use evaluation::memory::{HistoryReport, MemoryReport, table};
use terminal::{Outcome, require_new_folder};
use training::run::memory_report;

use crate::cli::MemoryArguments;

/// Name of the numbers in an output folder.
const NUMBERS_FILE: &str = "memory.json";
/// Name of the heat map of all pairs of slots.
const SIMILARITY_FILE: &str = "similarity.png";
/// Name of the heat map of slots over steps.
const DRIFT_FILE: &str = "drift.png";

/// What the pictures show.
const SIMILARITY_TITLE: &str = "Cosine of each slot with each slot";
const DRIFT_TITLE: &str = "Cosine of each slot with its first value";

/// Steps in the picture of the drift; the others are left out evenly.
const MAX_STEPS: usize = 32;

pub(crate) fn run(arguments: &MemoryArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    if let Some(folder) = &arguments.out {
        require_new_folder(folder)?;
    }
    let report = memory_report(&arguments.run)?;
    let json = serde_json::to_string_pretty(&report)?;
    let shown = if arguments.json { json.clone() } else { table(&report) };
    writeln!(out, "{shown}")?;
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        write(&folder.join(NUMBERS_FILE), (json + "\n").as_bytes())?;
        let picture = heat_map::cosines(
            SIMILARITY_TITLE,
            &report.classes,
            &report.classes,
            &report.similarity,
        )?;
        write(&folder.join(SIMILARITY_FILE), &picture)?;
        if let Some(history) = report.history.as_ref().filter(|history| !history.drift.is_empty()) {
            write(&folder.join(DRIFT_FILE), &drift(&report, history)?)?;
        }
    }
    Ok(Outcome::Done)
}

/// Cosines with the first memory: a row for each slot, a column for each of some logged steps.
fn drift(report: &MemoryReport, history: &HistoryReport) -> anyhow::Result<Vec<u8>> {
    let lines = &history.drift;
    let count = lines.len().min(MAX_STEPS);
    // The last one is always among them.
    let places = (1..=count).map(|place| place * lines.len() / count - 1);
    let shown: Vec<_> = places.map(|place| &lines[place]).collect();
    let steps: Vec<String> = shown.iter().map(|line| format!("step {}", line.step)).collect();
    let cosines: Vec<Vec<Option<f64>>> = (0..report.classes.len())
        .map(|slot| shown.iter().map(|line| line.cosine_with_first[slot]).collect())
        .collect();
    Ok(heat_map::cosines(DRIFT_TITLE, &report.classes, &steps, &cosines)?)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    whole_file::write(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}
