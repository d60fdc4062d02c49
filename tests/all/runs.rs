//! Whole runs on the toy city: training, resume, evaluation, and what users do wrong.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use burn::tensor::Device;
use evaluation::protocol::InferenceProtocol;
use evaluation::targets::{EvaluationError, Target};
use evaluation::view::View;
use safetensors::{Dtype, SafeTensors};
use shard_store::{AccessMode, StoreOptions};
use training::recipe::Recipe;
use training::run::{self, Machine, RunError};

use crate::toy::{Silent, Toy, damage_tiles};

pub(crate) static STORE: LazyLock<StoreOptions> = LazyLock::new(StoreOptions::default);

fn cpu(device: &Device) -> Machine<'_> {
    Machine { device, device_name: "CPU", store: &STORE }
}

pub(crate) fn train(recipe: &Recipe, out: &Path) -> Silent {
    let mut observer = Silent::default();
    run::start(recipe, out, cpu(&Device::flex()), &mut observer).unwrap();
    observer
}

fn bytes(dir: &Path, file: &str) -> Vec<u8> {
    fs::read(dir.join(file)).unwrap_or_else(|e| panic!("{}/{file}: {e}", dir.display()))
}

#[test]
fn shards_read_in_pieces_give_the_run_of_mapped_shards_bit_for_bit() {
    let toy = Toy::new();
    let recipe = toy.recipe(&["steps=2"]);
    let device = Device::flex();
    let [mapped, pieces] = [AccessMode::Map, AccessMode::Read].map(|access| {
        let out = toy.path(&format!("{access:?}"));
        let store = StoreOptions { access, ..StoreOptions::default() };
        let machine = Machine { store: &store, ..cpu(&device) };
        run::start(&recipe, &out, machine, &mut Silent::default()).unwrap();
        bytes(&out, "checkpoint.safetensors")
    });
    assert!(mapped == pieces);
}

#[test]
fn a_run_stopped_and_resumed_equals_the_uninterrupted_run_bit_for_bit() {
    let toy = Toy::new();
    let whole = toy.path("whole");
    train(&toy.recipe(&["steps=4"]), &whole);

    // Stopped after two steps: the same recipe, cut short, then given its full length.
    let stopped = toy.path("stopped");
    train(&toy.recipe(&["steps=2"]), &stopped);
    fs::copy(whole.join("recipe.toml"), stopped.join("recipe.toml")).unwrap();
    // A line after the checkpoint, and half a line, as a crash leaves them.
    let log = fs::read_to_string(whole.join("metrics.jsonl")).unwrap();
    let ahead: String = log.lines().take(3).map(|line| format!("{line}\n")).collect();
    fs::write(stopped.join("metrics.jsonl"), ahead + "{\"step\":4,\"lea").unwrap();
    let mut observer = Silent::default();
    run::resume(&stopped, cpu(&Device::flex()), &mut observer).unwrap();

    assert_eq!(observer.steps, 2);
    for file in ["checkpoint.safetensors", "metrics.jsonl", "memory.jsonl"] {
        assert!(bytes(&whole, file) == bytes(&stopped, file), "{file} differs");
    }
}

#[test]
fn the_number_of_workers_changes_no_bit_of_the_result() {
    let toy = Toy::new();
    let runs = ["1", "3"].map(|workers| {
        let out = toy.path(&format!("workers{workers}"));
        train(&toy.recipe(&["steps=2", &format!("data.workers={workers}")]), &out);
        bytes(&out, "checkpoint.safetensors")
    });
    assert!(runs[0] == runs[1]);
}

#[test]
fn every_algorithm_trains_and_logs_what_it_computes() {
    let toy = Toy::new();
    // Recipe keys, and whether cohesion, outer pass and second-order term are expected.
    let cases = [
        (vec!["model.memory=false", "method.preset=aggregated"], [false, false, false]),
        (vec!["method.preset=aggregated"], [true, false, false]),
        (vec!["model.memory=false", "method.order=first"], [false, true, false]),
        (vec!["model.memory=false"], [false, true, true]),
        (vec!["method.order=first", "method.read=gumbel"], [true, true, false]),
        (vec![], [true, true, true]),
    ];
    for (number, (keys, [cohesion, outer, second])) in cases.into_iter().enumerate() {
        let overrides: Vec<&str> = ["steps=2"].into_iter().chain(keys.iter().copied()).collect();
        let observer = train(&toy.recipe(&overrides), &toy.path(&number.to_string()));
        assert_eq!(observer.lines.len(), 2, "{keys:?}");
        for line in &observer.lines {
            assert_eq!(line.inner.contains_key("cohesion"), cohesion, "{keys:?}");
            assert_eq!(line.outer_gradient_norm.is_some(), outer, "{keys:?}");
            assert_eq!(line.outer.is_empty(), !outer, "{keys:?}");
            assert_eq!(line.second_order_norm.is_some(), second, "{keys:?}");
            assert_eq!(line.not_finite([&[]; 2]), None, "{keys:?}");
            assert_eq!(line.meta_train.len() + line.meta_test.len(), 2, "{keys:?}");
        }
    }
}

#[test]
fn every_model_takes_a_second_order_step_and_predicts() {
    let toy = Toy::new();
    // Model, dilations, output stride, whether it can have a memory.
    let models = [
        ("deeplab_v3", "[1, 2, 3]", 16, true),
        ("deeplab_v2", "[1, 2, 3, 4]", 8, true),
        ("deeplab_v2_original", "[1, 2, 3, 4]", 8, false),
        ("fcn8s", "[]", 32, true),
    ];
    for (model, rates, stride, memory) in models {
        let out = toy.path(model);
        let keys = [
            "steps=1".to_owned(),
            format!("model.name={model}"),
            format!("model.aspp_rates={rates}"),
            format!("model.output_stride={stride}"),
            format!("model.memory={memory}"),
        ];
        let observer = train(&toy.recipe(&keys.each_ref().map(String::as_str)), &out);
        let line = &observer.lines[0];
        assert_eq!(line.not_finite([&[]; 2]), None, "{model}");
        assert!(line.second_order_norm.is_some_and(|norm| norm > 0.0), "{model}");
        let trained = run::load(&out, &Device::flex()).unwrap();
        let target = Target::open(&toy.target, &trained.facts.classes, &STORE).unwrap();
        let protocol = InferenceProtocol::named("whole", [64, 64]).unwrap();
        let scores = target.score(&trained.predictor, protocol, &mut |_, _| ()).unwrap();
        assert_eq!(scores.samples, 3, "{model}");
    }
}

#[test]
fn every_normalisation_takes_a_second_order_step() {
    let toy = Toy::new();
    for (normalization, has_loss) in
        [("ibn-a", false), ("ibn", false), ("iw", true), ("irw", true), ("switchable", false)]
    {
        let key = format!("model.normalization={normalization}");
        let line = train(&toy.recipe(&["steps=1", &key]), &toy.path(normalization)).lines.remove(0);
        assert_eq!(line.not_finite([&[]; 2]), None, "{normalization}");
        assert_eq!(line.inner.contains_key("whitening"), has_loss, "{normalization}");
        run::load(&toy.path(normalization), &Device::flex()).unwrap();
    }
}

#[test]
fn every_resnet_takes_a_step() {
    let toy = Toy::new();
    for backbone in ["resnet18", "resnet34", "resnet101", "resnet152", "resnext50_32x4d"] {
        let backbone = format!("model.backbone={backbone}");
        let recipe = toy.recipe(&["steps=1", "method.order=first", &backbone]);
        let observer = train(&recipe, &toy.path(&backbone));
        assert_eq!(observer.lines[0].not_finite([&[]; 2]), None, "{backbone}");
    }
}

#[test]
fn forty_steps_on_one_city_lower_the_loss() {
    let toy = Toy::new();
    let recipe = toy.recipe(&[
        "steps=40",
        "model.memory=false",
        "method.preset=aggregated",
        "schedule.warmup_steps=5",
    ]);
    let lines = train(&recipe, &toy.path("run")).lines;
    let mean = |lines: &[training::metrics::MetricsLine]| {
        lines.iter().map(|line| line.inner["segmentation"]).sum::<f64>() / lines.len() as f64
    };
    let (first, last) = (mean(&lines[..5]), mean(&lines[35..]));
    // Chance is ln 19 = 2.94; sky, road and buildings alone bring it below 2.2.
    assert!(first > 2.4 && last < 2.2, "from {first} to {last}");
}

#[test]
fn a_trained_run_scores_every_image_of_the_target_under_every_protocol() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1", "method.read=gumbel"]), &out);
    let trained = run::load(&out, &Device::flex()).unwrap();
    let target = Target::open(&toy.target, &trained.facts.classes, &STORE).unwrap();
    for name in ["whole", "sliding", "sliding-flip"] {
        let protocol = InferenceProtocol::named(name, [64, 64]).unwrap();
        let score = || target.score(&trained.predictor, protocol, &mut |_, _| ()).unwrap();
        let scores = score();
        assert_eq!(scores.samples, 3);
        let pixels = scores.confusion.total();
        // The hood of the own car is ignored, the rest counts.
        assert!(pixels > 3 * 128 * 64 * 8 / 10 && pixels < 3 * 128 * 64, "{name}: {pixels}");
        assert_eq!(scores, score(), "{name}: a Gumbel read is a function of the seed too");
    }
}

#[test]
fn the_view_of_the_released_code_shows_the_middle_of_a_wide_image() {
    let toy = Toy::new();
    let classes = run::seen(&toy.recipe(&[]), 0, &STORE).unwrap().classes;
    let open = || Target::open(&toy.target, &classes, &STORE).unwrap();
    let whole = open().picture(1).unwrap();
    let view = open().with_view(View::ReleasedMapillary).picture(1).unwrap();
    assert_eq!((whole.width, whole.height, view.width, view.height), (128, 64, 1536, 1536));
    // 24 times the size; of 3072 columns the first 768 are cut off. Nearest labels at the centre of
    // each source pixel are that pixel's.
    for (y, x) in (0..64).flat_map(|y| (32..96).map(move |x| (y, x))) {
        let (row, column) = (24 * y + 12, 24 * (x - 32) + 12);
        assert_eq!(view.truth[row * 1536 + column], whole.truth[y * 128 + x], "{x}, {y}");
    }
    let protocol = InferenceProtocol::named("whole", [64, 64]).unwrap().describe();
    assert_eq!(View::Whole.noted_in(protocol.clone()), protocol);
    let noted = View::ReleasedMapillary.noted_in(protocol);
    assert_eq!(noted.parameters["view"], "released-mapillary");
}

#[test]
fn a_run_that_diverges_keeps_its_last_good_checkpoint_though_nothing_was_logged() {
    let toy = Toy::new();
    let out = toy.path("run");
    let recipe = toy.recipe(&[
        "steps=60",
        "log_every_steps=60",
        "checkpoint_every_steps=1",
        "schedule.learning_rate=1e6",
        "schedule.warmup_steps=0",
        "optimizer.clip_gradient_norm=0.0",
    ]);
    let mut observer = Silent::default();
    let device = Device::flex();
    let failure = run::start(&recipe, &out, cpu(&device), &mut observer).unwrap_err();
    assert!(matches!(failure, RunError::NotFinite { .. }), "{failure}");
    assert!(failure.to_string().contains("hint: lower schedule.learning_rate"), "{failure}");
    let kept = run::load(&out, &device).unwrap();
    let checkpoint = bytes(&out, "checkpoint.safetensors");
    let checkpoint = SafeTensors::deserialize(&checkpoint).unwrap();
    // Parameters, momentum, running statistics, memory and its history.
    for (name, tensor) in checkpoint.iter().filter(|(_, tensor)| tensor.dtype() == Dtype::F32) {
        let mut values = tensor.data().as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x));
        assert!(values.all(f32::is_finite), "{name} saved at step {}", kept.step);
    }
}

#[test]
fn gradient_checkpointing_changes_no_bit() {
    let toy = Toy::new();
    let (kept, again) = (toy.path("kept"), toy.path("again"));
    train(&toy.recipe(&["steps=2", "method.order=second"]), &kept);
    let overrides = ["steps=2", "method.order=second", "gradient_checkpointing=true"];
    train(&toy.recipe(&overrides), &again);
    assert!(bytes(&kept, "checkpoint.safetensors") == bytes(&again, "checkpoint.safetensors"));
}

#[test]
fn a_run_stopped_before_its_first_checkpoint_is_resumed_from_the_beginning() {
    let toy = Toy::new();
    let (whole, stopped) = (toy.path("whole"), toy.path("stopped"));
    train(&toy.recipe(&["steps=1"]), &whole);
    fs::create_dir(&stopped).unwrap();
    for file in ["recipe.toml", "run.json"] {
        fs::copy(whole.join(file), stopped.join(file)).unwrap();
    }
    run::resume(&stopped, cpu(&Device::flex()), &mut Silent::default()).unwrap();
    assert!(bytes(&whole, "checkpoint.safetensors") == bytes(&stopped, "checkpoint.safetensors"));
}

#[test]
fn a_run_is_not_resumed_on_other_shards_than_it_began_with() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    let shards = toy.path("shards");
    fs::rename(shards.join("gtav"), shards.join("away")).unwrap();
    fs::rename(shards.join("synthia"), shards.join("gtav")).unwrap();
    fs::rename(shards.join("away"), shards.join("synthia")).unwrap();
    let failure = run::resume(&out, cpu(&Device::flex()), &mut Silent::default()).unwrap_err();
    assert!(matches!(failure, RunError::SourcesChanged { .. }), "{failure}");
    assert!(failure.to_string().contains("gtav = synthia all"), "{failure}");
}

#[test]
fn a_second_process_on_the_same_run_is_refused() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    let lock = fs::File::create(out.join("run.lock")).unwrap();
    lock.lock().unwrap();
    let failure = run::resume(&out, cpu(&Device::flex()), &mut Silent::default()).unwrap_err();
    assert!(matches!(failure, RunError::Locked { .. }), "{failure}");
    assert!(failure.to_string().contains("hint: wait for it, or end it first"), "{failure}");
}

#[test]
fn an_existing_run_folder_is_refused_and_left_alone() {
    let toy = Toy::new();
    let out = toy.path("run");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let mut observer = Silent::default();
    let failure =
        run::start(&toy.recipe(&[]), &out, cpu(&Device::flex()), &mut observer).unwrap_err();
    assert!(matches!(failure, RunError::Exists { .. }), "{failure}");
    assert!(failure.to_string().contains("hint: choose another --out"), "{failure}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    let file = out.join("notes.txt");
    let failure =
        run::start(&toy.recipe(&[]), &file, cpu(&Device::flex()), &mut observer).unwrap_err();
    assert!(failure.to_string().contains("notes.txt: found a file, expected a folder"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_folder_that_is_no_run_is_named_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let failure = run::load(folder.path(), &Device::flex()).unwrap_err().to_string();
    assert!(failure.contains("recipe.toml is missing"), "{failure}");
}

#[test]
fn missing_shards_stop_a_run_before_its_folder_is_made() {
    let toy = Toy::new();
    let recipe = toy.recipe(&[
        "data.sources=[{ name = \"a\", shards = [\"no\"] }, { name = \"b\", shards = [\"no\"] }]",
    ]);
    let out = toy.path("run");
    let mut observer = Silent::default();
    let failure = run::start(&recipe, &out, cpu(&Device::flex()), &mut observer).unwrap_err();
    assert!(failure.to_string().contains("recipes/no"), "{failure}");
    assert!(!out.exists());
}

#[test]
fn an_altered_shard_stops_training_with_file_and_tile() {
    let toy = Toy::new();
    damage_tiles(&toy.path("shards").join("gtav"), 10);
    let mut observer = Silent::default();
    let device = Device::flex();
    let failure =
        run::start(&toy.recipe(&["steps=20"]), &toy.path("run"), cpu(&device), &mut observer)
            .unwrap_err()
            .to_string();
    assert!(failure.contains(".shard") && failure.contains("tile"), "{failure}");
}

#[test]
fn a_truncated_checkpoint_is_refused_with_its_path() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    let path = out.join("checkpoint.safetensors");
    let content = fs::read(&path).unwrap();
    for length in [0, 5, 1_000, content.len() - 1] {
        fs::write(&path, &content[..length]).unwrap();
        let failure = run::load(&out, &Device::flex()).unwrap_err().to_string();
        assert!(failure.contains("checkpoint.safetensors"), "{length}: {failure}");
        assert!(failure.contains("hint"), "{length}: {failure}");
    }
}

#[test]
fn a_target_of_other_classes_is_refused_with_both_lists() {
    let toy = Toy::new();
    let other = vec!["ground".to_owned(), "air".to_owned()];
    let Err(failure) = Target::open(&toy.target, &other, &STORE) else { panic!("opened") };
    assert!(matches!(failure, EvaluationError::Classes { .. }), "{failure}");
    assert!(failure.to_string().contains("ground, air"), "{failure}");
}
