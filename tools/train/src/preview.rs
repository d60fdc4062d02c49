//! `train preview-batch`: a contact sheet of one augmented batch.

use std::io::Write;

use anyhow::ensure;
use palette::class_colours;
use shard::preview::{ContactSheet, Legend, Look, Picture};
use shard_format::{LabelMap, RgbImage};
use shard_store::StoreOptions;
use terminal::{Outcome, counted, require_output_file};
use tracing::warn;
use training::recipe::Recipe;
use training::run::{SeenBatch, SeenSample, seen};

use crate::cli::PreviewArguments;

pub(crate) fn run(arguments: &PreviewArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let recipe_file = ("the recipe", arguments.recipe.as_path());
    require_output_file("--out", &arguments.out, &[recipe_file])?;
    let recipe = Recipe::load(&arguments.recipe, &arguments.overrides)?;
    let mut look = Look::new(arguments.width, 1);
    look.side_by_side = arguments.side_by_side;
    look.opacity = arguments.opacity;
    let mut look = look.for_file(&arguments.out)?;
    let (step, steps) = (arguments.step, recipe.steps);
    ensure!(
        step < steps,
        "--step {step}: the recipe has {steps} steps, expected 0 to {}",
        steps - 1
    );
    let batch = seen(&recipe, step, &StoreOptions::from_environment()?)?;
    batch.faults.iter().for_each(|fault| warn!("{fault}"));
    let title = format!("{}: the batch of step {}", recipe.name, arguments.step);
    // One row for each stream.
    look.columns = streams(&batch).map(|samples| samples.len() as u32).max().unwrap_or(1);
    sheet(title, &batch, &look).write(&look, &arguments.out)?;
    let path = arguments.out.display();
    let samples = counted(batch.samples.len() as u64, "samples");
    writeln!(out, "{samples} of step {} in {path}", arguments.step)?;
    Ok(Outcome::Done)
}

/// The samples of each stream.
fn streams(batch: &SeenBatch) -> impl Iterator<Item = &[SeenSample]> {
    batch.samples.chunk_by(|one, next| one.stream == next.stream)
}

fn sheet(title: String, batch: &SeenBatch, look: &Look) -> ContactSheet {
    let colours = class_colours(&batch.classes);
    let mut occurs = [false; 256];
    for &train_id in batch.samples.iter().flat_map(|sample| &sample.train_ids) {
        occurs[usize::from(train_id)] = true;
    }
    let has_ignored = occurs[batch.classes.len()..].contains(&true);
    let pictures = |samples: &[SeenSample]| {
        samples.iter().map(|sample| picture(sample, &colours, look)).collect()
    };
    let groups = streams(batch).map(pictures).collect();
    let legend = Legend::new(&batch.classes, |train_id| occurs[train_id], has_ignored);
    ContactSheet { title, groups, legend }
}

fn picture(sample: &SeenSample, colours: &[[u8; 3]], look: &Look) -> Picture {
    let SeenSample { width, height, .. } = *sample;
    let image = RgbImage { width, height, pixels: sample.rgb.clone() };
    let labels = LabelMap { width, height, train_ids: sample.train_ids.clone() };
    let strong = sample.strong.then_some("strong");
    let parts: Vec<&str> = sample.role.into_iter().chain(strong).collect();
    let part = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let caption = format!("{}{part}: {}", sample.stream, sample.id);
    Picture::new(&caption, (&image, &labels), colours, look)
}
