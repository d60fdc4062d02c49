//! A run folder whose recipe was edited since its checkpoint: refused, and left as it was.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use training::checkpoint::CheckpointError;
use training::run::{self, Machine, RunError};

use crate::runs::{STORE, train};
use crate::toy::{Silent, Toy};

fn resume(out: &Path) -> Result<(), RunError> {
    let device = Device::flex();
    let machine = Machine { device: &device, device_name: "CPU", store: &STORE };
    run::resume(out, machine, &mut Silent::default())
}

#[test]
fn a_checkpoint_with_a_part_that_the_edited_recipe_lacks_is_refused_and_stays() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    let checkpoint = fs::read(out.join("checkpoint.safetensors")).unwrap();
    for key in ["model.memory=false", "method.update_network=none"] {
        let edited = toy.recipe(&["steps=2", key]).to_toml().unwrap();
        fs::write(out.join("recipe.toml"), edited).unwrap();
        for error in [resume(&out).unwrap_err(), run::load(&out, &Device::flex()).unwrap_err()] {
            let named = matches!(
                &error,
                RunError::Checkpoint(CheckpointError::NoPlace { name, .. }) if name.contains("memory")
            );
            assert!(named, "{key}: {error}");
        }
        assert!(fs::read(out.join("checkpoint.safetensors")).unwrap() == checkpoint, "{key}");
    }
}

#[test]
fn a_checkpoint_beyond_the_recipes_steps_is_refused_with_both_numbers() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=2"]), &out);
    fs::write(out.join("recipe.toml"), toy.recipe(&["steps=1"]).to_toml().unwrap()).unwrap();
    let report = run::memory_report(&out).unwrap_err();
    for error in [resume(&out).unwrap_err(), run::load(&out, &Device::flex()).unwrap_err(), report]
    {
        let text = error.to_string();
        assert!(text.contains("found a checkpoint of step 2, expected at most"), "{text}");
        assert!(text.contains("steps, which are 1;"), "{text}");
    }
}

#[test]
fn a_run_goes_on_with_other_free_keys_and_with_no_other_key_changed() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    let edit = |keys: &[&str]| {
        let edited = toy.recipe(&[&["steps=2"], keys].concat()).to_toml().unwrap();
        fs::write(out.join("recipe.toml"), edited).unwrap();
    };
    for key in [
        "seed=305",
        "model.auxiliary_dropout=0.2",
        "schedule.learning_rate=0.002",
        "optimizer.momentum=0.8",
        "method.losses.cohesion=0.03",
        "augmentation.hue=0.05",
        "data.samples_per_domain=3",
    ] {
        edit(&[key]);
        let text = resume(&out).unwrap_err().to_string();
        assert!(text.contains("recipe.toml: changed since the checkpoint"), "{key}: {text}");
        assert!(text.contains("only name, steps, log_every_steps"), "{key}: {text}");
        // Evaluation says nothing of the training.
        run::load(&out, &Device::flex()).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    edit(&[
        "name=other",
        "log_every_steps=2",
        "checkpoint_every_steps=7",
        "gradient_checkpointing=true",
        "data.on_damage=substitute",
        "data.workers=1",
        "augmentation.colours_on=gpu",
        "evaluation.protocol=sliding",
    ]);
    resume(&out).unwrap();
    assert_eq!(run::load(&out, &Device::flex()).unwrap().step, 2);
}
