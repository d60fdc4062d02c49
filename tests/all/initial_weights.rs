//! Runs that start from weights: `model.weights` of a recipe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use burn::tensor::Device;
use models::weights::{self, HostTensor, MEMORY_KEY, NamedTensors, WeightsError};
use shard_store::StoreOptions;
use training::loading::LoadingLine;
use training::metrics::MetricsLine;
use training::recipe::Recipe;
use training::run::{self, Machine, Observer, RunError};

use crate::toy::Toy;

static STORE: LazyLock<StoreOptions> = LazyLock::new(StoreOptions::default);
static CPU: LazyLock<Device> = LazyLock::new(Device::flex);

fn machine() -> Machine<'static> {
    Machine { device: &CPU, device_name: "CPU", store: &STORE }
}

/// Notes the phases of a run.
#[derive(Default)]
struct Phases(Vec<String>);

impl Observer for Phases {
    fn damaged(&mut self, _: &[String]) {}

    fn phase(&mut self, name: &str, _: u64, _: u64) {
        self.0.push(name.to_owned());
    }

    fn advance(&mut self) {}

    fn logged(&mut self, _: &MetricsLine, _: &LoadingLine) {}
}

/// Runs one step; the phases and the checkpoint.
fn trained(recipe: &Recipe, out: &Path) -> Result<(Vec<String>, NamedTensors), RunError> {
    let mut phases = Phases::default();
    run::start(recipe, out, machine(), &mut phases)?;
    let (tensors, _) = weights::read(&out.join("checkpoint.safetensors")).unwrap();
    Ok((phases.0, tensors))
}

fn saved(toy: &Toy, name: &str, tensors: &NamedTensors) -> PathBuf {
    let path = toy.path(name);
    fs::write(&path, weights::serialize(tensors, &BTreeMap::new()).unwrap()).unwrap();
    path
}

/// So small a rate that a step changes nothing to speak of.
const STILL: &str = "schedule.learning_rate=1e-12";

fn recipe(toy: &Toy, weights: &Path) -> Recipe {
    toy.recipe(&["steps=1", STILL, &format!("model.weights={}", weights.display())])
}

/// A parameter for the toy's network, whose widths are divided by 16.
fn stem() -> (String, HostTensor) {
    let values = (0..4 * 3 * 49).map(|i| (i % 13) as f32 / 16.0 - 0.34375).collect();
    ("layer0.0.weight".to_owned(), HostTensor { shape: vec![4, 3, 7, 7], values })
}

#[test]
fn a_run_starts_from_the_file_and_notes_its_name_and_hash() {
    let toy = Toy::new();
    let path = saved(&toy, "stem.safetensors", &NamedTensors::from([stem()]));
    let out = toy.path("run");
    let (phases, tensors) = trained(&recipe(&toy, &path), &out).unwrap();
    assert_eq!(phases, ["memory initialisation", "training"]);
    let (name, given) = stem();
    // A gradient of 1e3 would move a value by 1e-9 at this rate, below a rounding of f32.
    assert!(tensors[&name] == given);

    let facts: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(facts["weights"]["file"], "stem.safetensors");
    let hash = blake3::hash(&fs::read(&path).unwrap()).to_hex().to_string();
    assert_eq!(facts["weights"]["blake3"], hash.as_str());
    // The checkpoint has it all: the file is not needed any more.
    fs::remove_file(&path).unwrap();
    run::resume(&out, machine(), &mut Phases::default()).unwrap();
    run::load(&out, &CPU).unwrap();
}

#[test]
fn a_memory_in_the_file_is_not_initialised_again() {
    let toy = Toy::new();
    let mut values = vec![0.0; 19 * 16];
    for slot in 0..19 {
        values[16 * slot + slot % 16] = 1.0;
    }
    let memory = HostTensor { shape: vec![19, 16], values };
    let tensors = NamedTensors::from([stem(), (MEMORY_KEY.to_owned(), memory)]);
    let path = saved(&toy, "memory.safetensors", &tensors);
    let recipe = recipe(&toy, &path);
    // The memory is written in a step; with all of it kept, it stays.
    let kept = Recipe {
        method: training::method::Method { memory_momentum: 1.0, ..recipe.method },
        ..recipe
    };
    let (phases, after) = trained(&kept, &toy.path("run")).unwrap();
    assert_eq!(phases, ["training"]);
    assert_eq!(after[MEMORY_KEY], tensors[MEMORY_KEY]);
}

#[test]
fn weights_of_another_network_are_refused_before_the_folder_is_made() {
    let toy = Toy::new();
    let (name, mut wrong) = stem();
    wrong.shape = vec![3, 4, 7, 7];
    let path = saved(&toy, "wrong.safetensors", &NamedTensors::from([(name, wrong)]));
    let out = toy.path("run");
    let error = trained(&recipe(&toy, &path), &out).unwrap_err();
    assert!(matches!(error, RunError::Weights(WeightsError::Shape { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("[3, 4, 7, 7], expected [4, 3, 7, 7]"), "{text}");
    let error = trained(&recipe(&toy, &toy.path("none.safetensors")), &out).unwrap_err();
    assert!(matches!(error, RunError::Weights(WeightsError::Read { .. })), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_run_without_a_checkpoint_begins_anew_with_the_same_file_alone() {
    let toy = Toy::new();
    let path = saved(&toy, "stem.safetensors", &NamedTensors::from([stem()]));
    let out = toy.path("run");
    let (_, first) = trained(&recipe(&toy, &path), &out).unwrap();
    let checkpoint = out.join("checkpoint.safetensors");
    fs::remove_file(&checkpoint).unwrap();
    run::resume(&out, machine(), &mut Phases::default()).unwrap();
    let (again, _) = weights::read(&checkpoint).unwrap();
    assert!(first == again);

    fs::remove_file(&checkpoint).unwrap();
    let (name, mut other) = stem();
    other.values[0] += 1.0;
    saved(&toy, "stem.safetensors", &NamedTensors::from([(name, other)]));
    let error = run::resume(&out, machine(), &mut Phases::default()).unwrap_err();
    assert!(matches!(error, RunError::WeightsChanged { .. }), "{error}");
    assert!(error.to_string().contains("stem.safetensors"), "{error}");
}

#[test]
fn a_recipe_finds_its_weights_beside_itself_and_an_override_can_add_them() {
    let toy = Toy::new();
    assert_eq!(toy.recipe(&[]).model.weights, None);
    let recipe = toy.recipe(&["model.weights=../imagenet.safetensors"]);
    // The toy's recipe lies in a folder of this name.
    let expected = toy.path("recipes").join("../imagenet.safetensors");
    assert_eq!(recipe.model.weights.as_deref(), Some(&*expected));
    let text = recipe.to_toml().unwrap();
    let again = Recipe::parse(&text, Path::new("again.toml"), Path::new("elsewhere"), &[]);
    assert_eq!(again.unwrap().model.weights, recipe.model.weights);
}
