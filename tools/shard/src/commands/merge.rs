//! `shard merge`.

use std::io::Write;

use terminal::{Bar, Outcome};

use super::pack;
use crate::cli::MergeArguments;
use crate::merge::{MergeError, MergeOptions, merge};

pub(super) fn run(arguments: &MergeArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let options = MergeOptions {
        parts: arguments.parts.clone(),
        out: arguments.out.clone(),
        max_skipped: arguments.max_skipped,
        space: pack::space(arguments.skip_space_check),
    };
    let bar = Bar::new("merging", "samples", 0);
    let merged = merge(&options, &|done, total| bar.advance_to(done, total));
    bar.finish();
    match merged {
        Ok(report) => pack::finish(Ok(report), out),
        Err(MergeError::Pack(failure)) => pack::finish(Err(failure), out),
        Err(failure) => Err(failure.into()),
    }
}
