//! The demo: from nothing to a report in one command.
//!
//! It draws the toy city in four domains and the official layouts, packs it, trains the aggregated
//! baseline and Pin the Memory on three of them with the same seed and budget, and evaluates both
//! on the fourth.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use eval::{Evaluation, REPORT_FILE, SCORES_FILE, evaluate, open_targets};
use evaluation::protocol::InferenceProtocol;
use evaluation::report::{self, ReportData, RunReport, SamplePicture};
use evaluation::scores;
use kernels::device::OpenedDevice;
use shard::pack::{self, PackOptions};
use shard_store::StoreOptions;
use terminal::{Bar, Outcome, require_new_folder};
use toy_city::{City, CityOptions, write_city};
use tracing::info;
use training::recipe::Recipe;
use training::{metrics, run};

use crate::cli::DemoArguments;
use crate::commands::{machine, opened};
use crate::observer::TerminalObserver;

/// Frame size in pixels.
const FRAME: [u32; 2] = [256, 128];
const SEED: u64 = 304;
const PICTURES: usize = 6;

/// Each city with its manifest, and the split that is packed.
const CITIES: [(City, &str, &str); 4] = [
    (City::Gtav, include_str!("../../../data-manifests/gtav.toml"), "all"),
    (City::Synthia, include_str!("../../../data-manifests/synthia.toml"), "all"),
    (City::Idd, include_str!("../../../data-manifests/idd.toml"), "train"),
    (City::Cityscapes, include_str!("../../../data-manifests/cityscapes.toml"), "val"),
];

/// The two runs: folder and recipe.
const RUNS: [(&str, &str); 2] = [
    ("baseline", include_str!("../../../recipes/demo_baseline.toml")),
    ("pin_the_memory", include_str!("../../../recipes/demo_pin_the_memory.toml")),
];

/// Runs the demo and writes the table and the report's path to `out`.
///
/// # Errors
/// If the folder is not new, or a step fails.
pub fn run_demo(arguments: &DemoArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let root = &arguments.out;
    require_new_folder(root)?;
    let opened = opened(arguments.device)?;
    fs::create_dir_all(root).with_context(|| root.display().to_string())?;
    for (city, manifest, split) in CITIES {
        draw_and_pack(root, city, (manifest, split), arguments.frames)?;
    }
    let mut evaluations = Vec::new();
    for (name, recipe) in RUNS {
        evaluations.push(train_and_evaluate(root, name, recipe, (arguments, &opened))?);
    }
    let path = root.join(REPORT_FILE);
    report::write(&path, &report_of(root, arguments, &evaluations, &opened)?)?;
    let scores: Vec<_> = evaluations.into_iter().map(|evaluation| evaluation.scores).collect();
    writeln!(out, "{}", scores::table(&scores))?;
    writeln!(out, "report: {}", path.display())?;
    Ok(Outcome::Done)
}

fn draw_and_pack(
    root: &Path,
    city: City,
    (manifest, split): (&str, &str),
    frames: u32,
) -> anyhow::Result<()> {
    let name = city.name();
    let data = root.join("data").join(name);
    let target = city == City::Cityscapes;
    let (train_frames, val_frames) = if target { (0, (frames / 4).max(4)) } else { (frames, 0) };
    let options =
        CityOptions { seed: SEED, train_frames, val_frames, width: FRAME[0], height: FRAME[1] };
    let total = u64::from(train_frames + val_frames);
    let bar = Bar::new(format!("drawing {name}"), "frames", total);
    write_city(city, &data, &options, &|| bar.inc())?;
    bar.finish();

    let manifests = root.join("manifests");
    fs::create_dir_all(&manifests).with_context(|| manifests.display().to_string())?;
    let manifest_path = manifests.join(format!("{name}.toml"));
    whole_file::write(&manifest_path, manifest.as_bytes())
        .with_context(|| manifest_path.display().to_string())?;
    let bar = Bar::new(format!("packing {name}"), "samples", total);
    let shards = root.join("shards").join(name);
    let options = PackOptions::new(manifest_path, data, split, shards);
    pack::prepare(&options)?.pack(&|done, total| bar.advance_to(done, total))?;
    bar.finish();
    Ok(())
}

fn train_and_evaluate(
    root: &Path,
    name: &str,
    recipe: &str,
    (arguments, opened): (&DemoArguments, &OpenedDevice),
) -> anyhow::Result<Evaluation> {
    let recipes = root.join("recipes");
    fs::create_dir_all(&recipes).with_context(|| recipes.display().to_string())?;
    let recipe_path = recipes.join(format!("{name}.toml"));
    whole_file::write(&recipe_path, recipe.as_bytes())
        .with_context(|| recipe_path.display().to_string())?;
    let overrides: Vec<String> = arguments
        .steps
        .iter()
        .flat_map(|steps| [format!("steps={steps}"), format!("schedule.decay.steps={steps}")])
        .collect();
    let recipe = Recipe::load(&recipe_path, &overrides)?;
    let run_dir = root.join(name);
    let mut observer = TerminalObserver::new(&recipe.name);
    let store = StoreOptions::default();
    run::start(&recipe, &run_dir, machine(opened, &store), &mut observer)?;
    observer.finish();

    let trained = run::load(&run_dir, &opened.device)?;
    let settings = &trained.recipe.evaluation;
    let Some(protocol) = InferenceProtocol::named(&settings.protocol, settings.window) else {
        bail!("{}: unknown protocol {}", recipe_path.display(), settings.protocol);
    };
    let targets = open_targets(&trained, &[target_shards(root)], &store)?;
    let evaluation = evaluate(&trained, &targets, protocol, PICTURES)?;
    evaluation.scores.write(&run_dir.join(SCORES_FILE))?;
    info!("{}: mIoU {:.1} %", trained.recipe.name, evaluation.scores.miou.unwrap_or(0.0) * 100.0);
    Ok(evaluation)
}

fn report_of(
    root: &Path,
    arguments: &DemoArguments,
    evaluations: &[Evaluation],
    opened: &OpenedDevice,
) -> anyhow::Result<ReportData> {
    let mut runs = Vec::new();
    let mut recipes = Vec::new();
    let mut samples: Vec<SamplePicture> = Vec::new();
    for ((name, _), evaluation) in RUNS.iter().zip(evaluations) {
        let run_dir = root.join(name);
        let curves =
            metrics::curves(&run_dir).with_context(|| format!("{}: metrics", run_dir.display()))?;
        let scores = evaluation.scores.clone();
        let toml = fs::read_to_string(run_dir.join(run::RECIPE_FILE))
            .with_context(|| run_dir.display().to_string())?;
        recipes.push((scores.run.clone(), toml));
        runs.push(RunReport { name: scores.run, targets: scores.targets, curves });
        if samples.is_empty() {
            samples.clone_from(&evaluation.pictures);
        } else {
            for (sample, other) in samples.iter_mut().zip(&evaluation.pictures) {
                sample.predictions.extend(other.predictions.iter().cloned());
            }
        }
    }
    let Some(first) = evaluations.first() else { bail!("no run to report") };
    let steps = run::load(&root.join(RUNS[0].0), &opened.device)?.step;
    Ok(ReportData {
        title: "Toy city: train on three domains, test on a fourth".to_owned(),
        subtitle: "The aggregated baseline and Pin the Memory, same seed, data and steps, scored \
                   on a city that neither saw in training."
            .to_owned(),
        facts: vec![
            ("command".to_owned(), command(arguments)),
            ("device".to_owned(), opened.description.clone()),
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("seed".to_owned(), SEED.to_string()),
            ("steps per run".to_owned(), steps.to_string()),
            (
                "sources".to_owned(),
                format!("gtav, synthia and idd looks, {} frames each", arguments.frames),
            ),
            ("target".to_owned(), "cityscapes look, never seen in training".to_owned()),
        ],
        classes: first.scores.classes.clone(),
        protocol: first.scores.protocol.clone(),
        runs,
        samples,
        notes: vec![
            "The pictures are drawn, the network is a narrow one that starts from random weights, \
             and training is short: the numbers show that the whole chain works, not how the \
             methods rank. One seed says little; differences of some points of mIoU are within \
             the spread of seeds."
                .to_owned(),
        ],
        recipes,
    })
}

fn command(arguments: &DemoArguments) -> String {
    let DemoArguments { out, device, steps, frames } = arguments;
    let steps = steps.map_or_else(String::new, |steps| format!(" --steps {steps}"));
    format!("train demo --out {} --device {device}{steps} --frames {frames}", out.display())
}

fn target_shards(root: &Path) -> PathBuf {
    root.join("shards").join(City::Cityscapes.name())
}
