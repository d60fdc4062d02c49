//! `shard preview`.

use std::io::Write;

use terminal::Outcome;

use crate::cli::PreviewArguments;
use crate::preview::{Chosen, Look, preview};
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
    let mut look = Look::new(arguments.width, arguments.columns);
    look.side_by_side = arguments.side_by_side;
    look.opacity = arguments.opacity;
    let location = &arguments.dataset.dataset;
    let shown = preview(&dataset, location, (&chosen, &look), &arguments.out)?;
    writeln!(out, "{} in {}", counted(shown, "sample"), arguments.out.display())?;
    Ok(Outcome::Done)
}
