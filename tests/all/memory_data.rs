//! The memory as data: what a run keeps of it, and what comes back.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use burn::tensor::Device;
use evaluation::memory::MemoryLine;
use models::network::Network;
use models::weights::{self, MEMORY_KEY, NamedTensors};
use shard_store::StoreOptions;
use training::checkpoint;
use training::memory_history::{FIRST_KEY, LOGGED_KEY};
use training::recipe::Recipe;
use training::run::{self, Machine, RunError, memory_report};

use crate::toy::{Silent, Toy};

static STORE: LazyLock<StoreOptions> = LazyLock::new(StoreOptions::default);

fn train(recipe: &Recipe, out: &Path) {
    let device = Device::flex();
    let machine = Machine { device: &device, device_name: "CPU", store: &STORE };
    run::start(recipe, out, machine, &mut Silent::default()).unwrap();
}

fn tensors(out: &Path) -> NamedTensors {
    weights::read(&out.join("checkpoint.safetensors")).unwrap().0
}

fn log(out: &Path) -> Vec<MemoryLine> {
    let text = fs::read_to_string(out.join("memory.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_slot_is_counted_as_written_in_the_steps_that_change_it() {
    let toy = Toy::new();
    for weights in ["soft", "hard"] {
        let out = toy.path(weights);
        // Normalised slots would be rounded anew in every step.
        let weighting = format!("method.label_weights={weights}");
        train(&toy.recipe(&["steps=1", "method.normalize_slots=false", &weighting]), &out);
        let tensors = tensors(&out);
        let rows = |key: &str| tensors[key].values.chunks(16).map(<[f32]>::to_vec);
        let changed: Vec<u64> =
            rows(FIRST_KEY).zip(rows(MEMORY_KEY)).map(|(a, b)| u64::from(a != b)).collect();
        assert!(changed.contains(&0) && changed.contains(&1), "{changed:?}");
        assert_eq!(log(&out)[0].slot_writes, changed, "{weights}");
    }
}

#[test]
fn a_run_logs_how_its_memory_drifts_and_the_report_has_it_all() {
    let toy = Toy::new();
    for (name, keys) in [("episodes", &[][..]), ("all", &["method.preset=aggregated"])] {
        let out = toy.path(name);
        train(&toy.recipe(&[&["steps=5", "log_every_steps=2"], keys].concat()), &out);
        let lines = log(&out);
        assert_eq!(lines.iter().map(|line| line.step).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(lines[0].cosine_with_first, lines[0].cosine_with_last);
        let road = |line: &MemoryLine| [line.cosine_with_first[0], line.cosine_with_last[0]];
        let [first, last] = road(&lines[2]).map(|cosine| cosine.expect("a road in every city"));
        assert!(first < 1.0 && last < 1.0 && first < last, "{first} {last}: a step turns less");
        assert_eq!(lines[2].slot_writes[0], 5, "a road in every step");
        assert!(lines[2].slot_writes.iter().all(|&writes| writes <= 5));

        let report = memory_report(&out).unwrap();
        let history = report.history.expect("a run has a history");
        assert_eq!((history.step, &history.drift), (5, &lines));
        assert_eq!(history.slot_writes, lines[2].slot_writes);
        assert_eq!(history.cosine_with_first, lines[2].cosine_with_first);
        assert_eq!((report.classes.len(), report.channels), (19, 16));
        // f32 slots, normalised.
        assert!(report.norms.iter().all(|norm| *norm == 0.0 || (norm - 1.0).abs() < 1e-6));
        assert_eq!(tensors(&out)[LOGGED_KEY], tensors(&out)[MEMORY_KEY], "the last step is logged");
    }
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit_with_memory_and_history() {
    let toy = Toy::new();
    let out = toy.path("run");
    let recipe = toy.recipe(&["steps=3", "log_every_steps=2", "checkpoint_every_steps=3"]);
    train(&recipe, &out);
    let network = Network::new(recipe.network(19));
    let path = out.join("checkpoint.safetensors");
    let (state, recipe) = checkpoint::load(&path, &network, &Device::flex()).unwrap();
    assert!(state.memory.is_some() && state.memory_history.is_some());
    let again = toy.path("again.safetensors");
    checkpoint::save(&again, &network, &state, recipe).unwrap();
    assert!(fs::read(path).unwrap() == fs::read(again).unwrap());
}

#[test]
fn a_run_without_a_memory_has_no_log_of_one_and_no_report() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1", "model.memory=false"]), &out);
    assert!(!out.join("memory.jsonl").exists());
    let failure = memory_report(&out).unwrap_err();
    assert!(matches!(failure, RunError::NoMemory { .. }), "{failure}");
}
