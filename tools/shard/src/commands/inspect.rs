//! `shard inspect`.

use std::io::Write;

use anyhow::Context;
use terminal::Outcome;

use crate::cli::{InspectArguments, SampleLimit};
use crate::inspect::{describe, shown};
use crate::store;

/// Samples in the table, unless told otherwise; JSON has all.
const ROWS: usize = 20;

pub(super) fn run(arguments: &InspectArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let dataset = store::open(&arguments.dataset)?;
    let rows = match (arguments.samples, arguments.json) {
        (Some(SampleLimit::First(rows)), _) => rows,
        (Some(SampleLimit::All), _) | (None, true) => usize::MAX,
        (None, false) => ROWS,
    };
    let description = describe(&dataset, rows);
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &description).context("writing the result")?;
        writeln!(out)?;
    } else {
        out.write_all(shown(&description).as_bytes())?;
    }
    Ok(Outcome::Done)
}
