//! `shard preview`.

use std::io::Write;

use terminal::Outcome;

use crate::cli::PreviewArguments;
use crate::preview::{Chosen, PreviewOptions, preview};
use crate::store;
use crate::summary::counted;

pub(super) fn run(arguments: &PreviewArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let dataset = store::open(&arguments.dataset)?;
    let count = usize::from(arguments.count);
    let chosen = match (&*arguments.ids, arguments.first) {
        ([], false) => Chosen::Drawn { count, seed: arguments.seed },
        ([], true) => Chosen::First(count),
        (ids, _) => Chosen::Ids(ids.to_vec()),
    };
    let options = PreviewOptions {
        chosen,
        side_by_side: arguments.side_by_side,
        opacity: arguments.opacity,
        width: arguments.width,
        columns: arguments.columns,
    };
    let shown = preview(&dataset, &arguments.dataset.dataset, &options, &arguments.out)?;
    writeln!(out, "{} in {}", counted(shown, "sample"), arguments.out.display())?;
    Ok(Outcome::Done)
}
