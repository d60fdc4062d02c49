//! `train export`: a trained network as a file that other programs read.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use evaluation::predictor::Predictor;
use models::image::{self, DEVIATION, MEAN};
use models::onnx;
use models::random::Stream;
use models::trace::record;
use models::weights::{self, MEMORY_KEY, NamedTensors, host_tensor, named_tensors};
use terminal::{Outcome, counted, require_new_file};
use tracing::{info, warn};
use training::run::{self, TrainedRun};

use crate::cli::{ExportArguments, ExportFormat};
use crate::commands::opened;
use crate::summary::image_size;

/// Key of the metadata of a safetensors file that tells of the run.
const FACTS_KEY: &str = "pinmem.run";
/// Images of an example, in one batch.
const EXAMPLES: usize = 3;
/// Side of their blocks of colour, in pixels.
const BLOCK: usize = 8;

pub(crate) fn run(arguments: &ExportArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let is_onnx = arguments.format == ExportFormat::Onnx;
    let options = [
        (arguments.size.is_some(), "--size"),
        (arguments.with_example.is_some(), "--with-example"),
    ];
    for (is_given, option) in options {
        ensure!(is_onnx || !is_given, "{option} belongs to --format onnx");
    }
    require_free_places(arguments)?;
    let opened = opened(arguments.device)?;
    let mut trained = run::load(&arguments.run, &opened.device)?;
    if let Some(remark) = trained.unfinished() {
        warn!("{}: {remark}", arguments.run.display());
    }
    let weights = all_weights(&trained.predictor);
    let path = arguments.out.display();
    match arguments.format {
        ExportFormat::Safetensors => {
            // One key, since the library writes several in no order.
            let facts = serde_json::to_string(&facts(&trained))?;
            let metadata = BTreeMap::from([(FACTS_KEY.to_owned(), facts)]);
            write(&arguments.out, &weights::serialize(&weights, &metadata)?)?;
            let tensors = counted(weights.len() as u64, "tensors");
            writeln!(out, "{path}: {tensors} after step {}", trained.step)?;
        }
        ExportFormat::Onnx => {
            if trained.predictor.read.gumbel_seed.take().is_some() {
                info!(
                    "{}: the run reads its memory with Gumbel noise; the exported network reads \
                     without, by the softmax alone",
                    arguments.run.display()
                );
            }
            let window = trained.recipe.evaluation.window.map(|side| side as usize);
            let size = image_size(arguments.size, window);
            let Predictor { network, read, .. } = &trained.predictor;
            let graph = record(network, size, read.temperature).inference;
            write(&arguments.out, &onnx::encode(&graph, &weights, &facts(&trained)))?;
            let [height, width] = size;
            writeln!(out, "{path}: images of {width}x{height}, any number at once")?;
            if let Some(example) = &arguments.with_example {
                write(
                    example,
                    &weights::serialize(&drawn(&trained.predictor, size), &BTreeMap::new())?,
                )?;
                writeln!(out, "{}: {EXAMPLES} images and our logits", example.display())?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// Refuses files that exist, a place for both files, and places where none can be.
fn require_free_places(arguments: &ExportArguments) -> anyhow::Result<()> {
    let files: Vec<PathBuf> = run::FILES.iter().map(|file| arguments.run.join(file)).collect();
    let mut taken: Vec<(&str, &Path)> =
        files.iter().map(|file| ("a file of the run,", file.as_path())).collect();
    require_new_file("--out", &arguments.out, &taken)?;
    if let Some(example) = &arguments.with_example {
        taken.push(("the same file as --out", &arguments.out));
        require_new_file("--with-example", example, &taken)?;
    }
    Ok(())
}

/// Parameters, running statistics and memory under the keys of the authors' code.
fn all_weights(predictor: &Predictor) -> NamedTensors {
    let Predictor { network, parameters, statistics, memory, .. } = predictor;
    let mut weights = named_tensors(&network.layout, parameters, statistics);
    if let Some(memory) = memory {
        weights.insert(MEMORY_KEY.to_owned(), host_tensor(memory, &memory.dims()));
    }
    weights
}

/// What a reader of the file has to know beside the tensors.
fn facts(trained: &TrainedRun) -> BTreeMap<String, String> {
    let numbers = |values: [f32; 3]| values.map(|value| value.to_string()).join(",");
    let entries = [
        ("run", trained.recipe.name.clone()),
        ("step", trained.step.to_string()),
        ("classes", trained.facts.classes.join(",")),
        ("input", "RGB / 255, minus mean, divided by deviation".to_owned()),
        ("mean", numbers(MEAN)),
        ("deviation", numbers(DEVIATION)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Drawn images, normalised, and their logits: blocks of colour under fine noise.
fn drawn(predictor: &Predictor, [height, width]: [usize; 2]) -> NamedTensors {
    let [colours, noise] = ["colours", "noise"].map(|what| Stream::new(0, 0, what));
    let columns = width.div_ceil(BLOCK);
    let blocks = height.div_ceil(BLOCK) * columns;
    let level = |index: usize| {
        let (plane, row, column) =
            (index / (height * width), index / width % height, index % width);
        let block = plane * blocks + row / BLOCK * columns + column / BLOCK;
        let level = colours.uniform(block as u64) * 255.0 + noise.uniform(index as u64) * 60.0;
        (level - 30.0).clamp(0.0, 255.0) as u8
    };
    let levels: Vec<u8> = (0..EXAMPLES * 3 * height * width).map(level).collect();
    let image = image::upload(&levels, [EXAMPLES, height, width], &predictor.device);
    let logits = predictor.logits(image.clone(), noise);
    NamedTensors::from([
        (onnx::INPUT.to_owned(), host_tensor(&image, &image.dims())),
        (onnx::LOGITS.to_owned(), host_tensor(&logits, &logits.dims())),
    ])
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    whole_file::write(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}
