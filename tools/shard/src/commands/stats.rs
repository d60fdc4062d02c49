//! `shard stats`.

use std::io::Write;

use anyhow::Context;
use terminal::{Bar, Outcome};
use tracing::info;

use crate::cli::StatsArguments;
use crate::stats::{chart, count, shown};
use crate::store;

pub(super) fn run(arguments: &StatsArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let dataset = store::open(&arguments.dataset)?;
    let bar = Bar::new("counting", "samples", dataset.len() as u64);
    let statistics = count(&dataset, &|done, total| bar.advance_to(done, total))?;
    bar.finish();
    // A chart that cannot be written is told before the numbers, not after them.
    if let Some(path) = &arguments.chart {
        whole_file::write(path, &chart(&statistics))
            .with_context(|| format!("{}: cannot write the chart", path.display()))?;
        info!("chart: {}", path.display());
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &statistics).context("writing the result")?;
        writeln!(out)?;
    } else {
        out.write_all(shown(&statistics).as_bytes())?;
    }
    Ok(Outcome::Done)
}
