//! Runs with ISW: its statistics in the middle of training, its loss from then on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;

use burn::tensor::Device;
use evaluation::protocol::InferenceProtocol;
use evaluation::targets::Target;
use kernels::device::software_vulkan;
use loader::{Augment, LoaderOptions, Mode, StreamSource, ViewPairs, ViewTrials};
use models::image;
use models::weights;
use shard_store::StoreOptions;
use training::checkpoint;
use training::device_colours::DeviceColours;
use training::loading::LoadingLine;
use training::metrics::MetricsLine;
use training::recipe::Recipe;
use training::run::{self, Machine, Observer, RunError};

use crate::toy::{Toy, damage_tiles};

static STORE: LazyLock<StoreOptions> = LazyLock::new(StoreOptions::default);
static CPU: LazyLock<Device> = LazyLock::new(Device::flex);

fn machine() -> Machine<'static> {
    Machine { device: &CPU, device_name: "CPU", store: &STORE }
}

/// Four steps, with the statistics of 2 trials over 4 of each source's 6 images after the second.
fn recipe(toy: &Toy, overrides: &[&str]) -> Recipe {
    let keys = [
        "steps=4",
        "model.normalization=isw",
        "model.isw.statistics_after_steps=2",
        "model.isw.trials=2",
        "model.isw.images_per_trial=4",
    ];
    toy.recipe(&[&keys, overrides].concat())
}

/// Notes phases and what was logged; ends the program, so to speak, at a moment of one phase.
#[derive(Default)]
struct Watcher {
    /// Name, total and units done of each phase.
    phases: Vec<(String, u64, u64)>,
    lines: Vec<MetricsLine>,
    faults: Vec<String>,
    /// Number of the phase, and units done in it.
    stops_at: Option<(usize, u64)>,
}

impl Watcher {
    fn stop_if_due(&self) {
        let last = self.phases.last().map(|(_, _, done)| (self.phases.len() - 1, *done));
        assert!(self.stops_at.is_none() || self.stops_at != last, "stopped");
    }
}

impl Observer for Watcher {
    fn phase(&mut self, name: &str, _: u64, total: u64) {
        self.phases.push((name.to_owned(), total, 0));
        self.stop_if_due();
    }

    fn advance(&mut self) {
        self.phases.last_mut().unwrap().2 += 1;
        self.stop_if_due();
    }

    fn damaged(&mut self, faults: &[String]) {
        self.faults.extend_from_slice(faults);
    }

    fn logged(&mut self, line: &MetricsLine, _: &LoadingLine) {
        self.lines.push(line.clone());
    }
}

fn trained(recipe: &Recipe, out: &Path) -> Watcher {
    let mut watcher = Watcher::default();
    run::start(recipe, out, machine(), &mut watcher).unwrap();
    watcher
}

/// The masks of a checkpoint.
fn masks(out: &Path) -> Vec<weights::HostTensor> {
    let (tensors, _) = weights::read(&out.join("checkpoint.safetensors")).unwrap();
    let masks = tensors.into_iter().filter(|(name, _)| name.starts_with("pinmem.sensitive_pairs."));
    masks.map(|(_, mask)| mask).collect()
}

#[test]
fn the_loss_begins_after_the_statistics_and_counts_the_pairs_that_the_log_names() {
    let toy = Toy::new();
    // With a memory and exact second order, and without either.
    let plain = ["model.memory=false", "method.preset=aggregated"];
    for (name, overrides) in [("episodic", &[][..]), ("plain", &plain)] {
        let out = toy.path(name);
        let watcher = trained(&recipe(&toy, overrides), &out);
        let phases: Vec<_> = watcher.phases.iter().map(|(name, ..)| name.as_str()).collect();
        let expected = ["memory initialisation", "training", "covariance statistics", "training"];
        assert_eq!(phases, expected[usize::from(name == "plain")..]);
        // 2 trials over 4 images of each of 2 sources.
        let (_, total, done) = &watcher.phases[phases.len() - 2];
        assert_eq!((*total, *done), (16, 16));

        let sensitive: Vec<usize> = masks(&out)
            .iter()
            .map(|mask| mask.values.iter().filter(|value| **value == 1.0).count())
            .collect();
        assert_eq!(sensitive.len(), 3);
        // Of 4, 16 and 32 channels at a sixteenth of the width.
        assert!(sensitive.iter().zip([6, 120, 496]).all(|(count, all)| *count < all));
        assert!(sensitive.iter().any(|count| *count > 0), "{sensitive:?}");
        for line in &watcher.lines {
            let begun = line.step > 2;
            assert_eq!(line.inner.contains_key("whitening"), begun, "step {}", line.step);
            assert_eq!(line.outer.contains_key("whitening"), begun && name == "episodic");
            assert_eq!(line.sensitive_pairs, if begun { sensitive.clone() } else { vec![] });
            assert_eq!(line.not_finite([&[]; 2]), None);
        }
        let last = &watcher.lines[3].inner;
        assert!(last["whitening"] > 0.0, "{last:?}");
        if name == "plain" {
            // f32 numbers from the log.
            let sum = last["segmentation"] + 0.4 * last["auxiliary"] + 0.6 * last["whitening"];
            assert!((last["total"] - sum).abs() < 1e-5 * sum, "{last:?}");
        }

        let run = run::load(&out, &CPU).unwrap();
        let target = Target::open(&toy.target, &run.facts.classes, &STORE).unwrap();
        let protocol = InferenceProtocol::named("whole", [64, 64]).unwrap();
        assert_eq!(target.score(&run.predictor, protocol, &mut |_, _| ()).unwrap().samples, 3);
    }
}

#[test]
fn a_run_stopped_before_in_or_after_the_statistics_goes_on_as_if_it_had_not_been() {
    let toy = Toy::new();
    let recipe = recipe(&toy, &["checkpoint_every_steps=3", "model.memory=false"]);
    let whole = toy.path("whole");
    trained(&recipe, &whole);
    // Phases: training, statistics, training. Before the statistics, at their beginning, in their
    // second trial, after them, and one step on, whose checkpoint is the third step's.
    for stops_at in [(0, 1), (1, 0), (1, 11), (2, 0), (2, 1)] {
        let out = toy.path(&format!("{stops_at:?}"));
        stopped(&recipe, &out, Some(stops_at));
        assert_eq!(masks(&out).len(), if stops_at.0 == 2 { 3 } else { 0 }, "{stops_at:?}");
        let mut watcher = Watcher::default();
        run::resume(&out, machine(), &mut watcher).unwrap();
        let pass_again = watcher.phases.iter().any(|(name, ..)| name.starts_with("covariance"));
        assert_eq!(pass_again, stops_at.0 < 2, "{stops_at:?}");
        for file in ["checkpoint.safetensors", "metrics.jsonl"] {
            let [whole, resumed] = [&whole, &out].map(|dir| fs::read(dir.join(file)).unwrap());
            assert!(whole == resumed, "{stops_at:?}: {file} differs");
        }
    }
}

#[test]
fn views_coloured_on_the_device_are_those_of_the_loader() {
    let toy = Toy::new();
    let wgpu = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    let options = LoaderOptions {
        streams: vec![StreamSource::new("gtav", vec![toy.path("shards").join("gtav")], 1)],
        strong_augment: Augment { mode: Mode::Reference, ..Augment::strong() },
        ..LoaderOptions::default()
    };
    let (left, colours) = DeviceColours::take_from(options.clone(), &wgpu);
    let colours = colours.unwrap();
    let pairs = |options| {
        let trials = ViewTrials { trials: 1, images: 4 };
        ViewPairs::start(options, trials).unwrap().map(Result::unwrap)
    };
    for (expected, pair) in pairs(options).zip(pairs(left)) {
        let shape = [2, pair.height, pair.width];
        let (draws, tables) = (colours.of_views(pair.key), image::value_tables());
        let found = kernels::augment(&pair.levels, shape, &draws, &tables, &wgpu);
        let found: Vec<f32> = found.try_into_vec_as().unwrap();
        let upload = |levels: &[u8]| -> Vec<f32> {
            image::upload(levels, shape, &CPU).try_into_vec_as().unwrap()
        };
        // One level, where a blurred sum is next to a limit, in units of the smallest deviation.
        let level = 1.001 / 255.0 / 0.224;
        let differ = |other: Vec<f32>| {
            found.iter().zip(other).filter(|(a, b)| (**a - b).abs() > level).count()
        };
        assert_eq!(differ(upload(&expected.levels)), 0, "{}", pair.id);
        assert!(differ(upload(&pair.levels)) > found.len() / 8, "no colours at all: {}", pair.id);
    }
}

/// The masks of statistics before the first step, which is not taken.
fn masks_at_the_start(recipe: &Recipe, out: &Path) -> Vec<weights::HostTensor> {
    // Phases: statistics, training.
    stopped(recipe, out, Some((1, 0)));
    masks(out)
}

/// Starts a run, or goes on with it, until the program ends at a moment of a phase.
fn stopped(recipe: &Recipe, out: &Path, stops_at: Option<(usize, u64)>) -> Watcher {
    let mut watcher = Watcher { stops_at, ..Watcher::default() };
    let run = AssertUnwindSafe(|| match out.exists() {
        true => run::resume(out, machine(), &mut watcher),
        false => run::start(recipe, out, machine(), &mut watcher),
    });
    assert!(catch_unwind(run).is_err(), "{stops_at:?} was not reached");
    watcher
}

/// Without a memory and with statistics before the first step.
const AT_THE_START: [&str; 3] =
    ["model.memory=false", "model.isw.statistics_after_steps=0", "steps=1"];

#[test]
fn a_pair_counts_if_every_trial_over_every_source_found_it() {
    let toy = Toy::new();
    let found = |name: &str, keys: &[&str]| {
        let recipe = recipe(&toy, &[&AT_THE_START[..], keys].concat());
        let masks = masks_at_the_start(&recipe, &toy.path(name));
        masks.into_iter().flat_map(|mask| mask.values).collect::<Vec<f32>>()
    };
    let one_trial = found("one", &["model.isw.trials=1"]);
    let source = format!("data.sources=[{}]", toy.source("gtav", ""));
    let one_source = found("source", &[&source, "data.streams_per_domain=2", "model.isw.trials=1"]);
    let all = found("all", &["model.isw.trials=3"]);
    let count = |mask: &[f32]| mask.iter().filter(|value| **value == 1.0).count();
    let is_part = |part: &[f32], whole: &[f32]| part.iter().zip(whole).all(|(a, b)| a <= b);
    assert!(is_part(&all, &one_trial) && is_part(&one_trial, &one_source));
    let counts = [&all, &one_trial, &one_source].map(|mask| count(mask));
    assert!(0 < counts[0] && counts.is_sorted_by(|a, b| a < b), "{counts:?}");
}

#[test]
fn the_statistics_look_at_the_network_with_its_running_statistics() {
    let toy = Toy::new();
    let recipe = recipe(&toy, &AT_THE_START);
    let masks = ["as it is", "changed"].map(|name| {
        let out = toy.path(name);
        stopped(&recipe, &out, Some((0, 0)));
        if name == "changed" {
            let path = out.join("checkpoint.safetensors");
            let (mut tensors, step) = checkpoint::read(&path).unwrap();
            let means = tensors.get_mut("layer1.0.bn1.running_mean").unwrap();
            means.values.iter_mut().zip(1..).for_each(|(mean, by)| *mean += by as f32 / 4.0);
            fs::write(&path, checkpoint::encode(&tensors, step).unwrap()).unwrap();
        }
        masks_at_the_start(&recipe, &out)
    });
    assert_eq!(masks[0][0], masks[1][0], "the stem comes before");
    assert_ne!(masks[0][1], masks[1][1]);
}

#[test]
fn the_number_of_workers_changes_no_mask() {
    let toy = Toy::new();
    let masks = ["1", "3"].map(|workers| {
        let out = toy.path(workers);
        trained(&recipe(&toy, &["steps=3", &format!("data.workers={workers}")]), &out);
        masks(&out)
    });
    assert_eq!(masks[0], masks[1]);
}

#[test]
fn a_single_source_with_two_streams_is_gone_through_once_in_each_trial() {
    let toy = Toy::new();
    let source = format!("data.sources=[{}]", toy.source("gtav", ""));
    let keys = [&source, "data.streams_per_domain=2", "steps=3", "model.memory=false"];
    let watcher = trained(&recipe(&toy, &keys), &toy.path("run"));
    assert_eq!(watcher.phases[1], ("covariance statistics".to_owned(), 8, 8));
}

#[test]
fn damage_in_the_statistics_is_met_as_the_recipe_says() {
    let toy = Toy::new();
    damage_tiles(&toy.path("shards").join("gtav"), 10_000);
    let failure = run::start(
        &recipe(&toy, &AT_THE_START),
        &toy.path("strict"),
        machine(),
        &mut Watcher::default(),
    );
    let failure = failure.unwrap_err().to_string();
    assert!(failure.contains(".shard") && failure.contains("tile"), "{failure}");

    let out = toy.path("substitute");
    // Stopped after the statistics, so that no step meets the damage too.
    let recipe = recipe(&toy, &[&AT_THE_START[..], &["data.on_damage=substitute"]].concat());
    let watcher = stopped(&recipe, &out, Some((1, 0)));
    assert_eq!(masks(&out).len(), 3);
    assert!(!watcher.faults.is_empty());
    assert!(watcher.faults[0].contains("took its place"), "{}", watcher.faults[0]);
    let log = fs::read_to_string(out.join("loading.jsonl")).unwrap();
    let line: LoadingLine = serde_json::from_str(log.trim()).unwrap();
    assert_eq!((line.step, &line.faults), (0, &watcher.faults));
    assert!(line.substituted_samples > 0 && line.samples_per_sec > 0.0);
}

#[test]
fn a_checkpoint_beyond_the_statistics_without_their_masks_or_with_wrong_ones_is_refused() {
    let toy = Toy::new();
    let out = toy.path("run");
    trained(&recipe(&toy, &["steps=3", "model.memory=false"]), &out);
    let path = out.join("checkpoint.safetensors");
    let (tensors, step) = checkpoint::read(&path).unwrap();
    let refusal = |change: &dyn Fn(&mut weights::NamedTensors)| {
        let mut changed = tensors.clone();
        change(&mut changed);
        fs::write(&path, checkpoint::encode(&changed, step).unwrap()).unwrap();
        let error = run::load(&out, &CPU).unwrap_err();
        assert!(matches!(error, RunError::Checkpoint(_)), "{error}");
        error.to_string()
    };
    let name = "pinmem.sensitive_pairs.1";
    let missing = refusal(&|tensors| drop(tensors.remove(name)));
    assert!(missing.contains(&format!("{name} is missing, expected shape [16, 16]")), "{missing}");
    let all = ["0", "1", "2"].map(|layer| format!("pinmem.sensitive_pairs.{layer}"));
    let none = refusal(&|tensors| tensors.retain(|name, _| !all.contains(name)));
    assert!(none.contains("pinmem.sensitive_pairs.0 is missing"), "{none}");
    let below = |tensors: &mut weights::NamedTensors| {
        tensors.get_mut(name).unwrap().values[16] = 1.0;
    };
    let below = refusal(&below);
    assert!(below.contains(name) && below.contains("ones above the diagonal"), "{below}");
}
