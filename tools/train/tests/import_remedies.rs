//! What `train import` says of a file that is nearly the recipe's network: the one change that helps.

use std::fs;
use std::path::Path;
use std::process::Command;

use models::weights::{self, NamedTensors};

/// Of the paper, its widths divided by 16; all blocks of ResNet-50, as the file has them.
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/demo_pin_the_memory.toml");
const SIZES: [&str; 4] = ["--set", "model.width_divisor=16", "--set", "model.blocks=[3, 4, 6, 3]"];
/// A checkpoint in the authors' form: its update network has a batch norm, and its memory is there.
const AUTHORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crates/torch_weights/tests/data/pin_the_memory.pth"
);
const THEIRS: [&str; 2] = ["--set", "method.update_network=conv-norm-relu"];
const NO_MEMORY: [&str; 2] = ["--allow-missing", "memory.m_items"];

/// Exit code and table.
fn import(weights: &Path, arguments: &[&[&str]], out: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_train"))
        .args(["import", "--recipe", RECIPE])
        .args(SIZES)
        .args(arguments.concat())
        .arg("--out")
        .args([out, weights])
        .output()
        .expect("train runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_file_with_another_update_network_names_the_recipes_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, conv, out] = ["whole", "conv", "out"].map(|name| folder.path().join(name));
    let (code, text) = import(Path::new(AUTHORS), &[], &out);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("module.memory.writenet.writefeat.1.weight"), "{text}");
    let expected = "the recipe is to have method.update_network = \"conv-norm-relu\"";
    assert!(text.contains(expected), "{text}");

    assert_eq!(import(Path::new(AUTHORS), &[&THEIRS], &whole).0, Some(0));
    // Without the norm, it is the paper's.
    let mut tensors = read(&whole);
    tensors.retain(|name, _| !name.starts_with("memory.writenet.writefeat.1."));
    write(&conv, &tensors);
    let (code, text) = import(&conv, &[&THEIRS], &out);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("method.update_network = \"conv\""), "{text}");
    assert!(!text.contains("--backbone-only"), "its heads are good: {text}");
    let (code, text) = import(&conv, &[], &out);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn where_the_memory_alone_is_missing_it_may_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, rest, out] = ["whole", "rest", "out"].map(|name| folder.path().join(name));
    assert_eq!(import(Path::new(AUTHORS), &[&THEIRS], &whole).0, Some(0));
    let mut tensors = read(&whole);
    tensors.remove("memory.m_items").expect("a memory");
    write(&rest, &tensors);
    let (code, text) = import(&rest, &[&THEIRS], &out);
    assert_eq!(code, Some(1), "{text}");
    let expected = "not written: 1 surprise; hint: the memory alone is missing: with \
                    --allow-missing memory.m_items, a run fills it from its data\n";
    assert!(text.ends_with(expected), "{text}");
    let (code, text) = import(&rest, &[&THEIRS, &NO_MEMORY], &out);
    assert_eq!(code, Some(0), "{text}");
}

fn read(path: &Path) -> NamedTensors {
    weights::read(path).expect("a weights file").0
}

fn write(path: &Path, tensors: &NamedTensors) {
    let bytes = weights::serialize(tensors, &[].into()).expect("bytes");
    fs::write(path, bytes).expect("a file");
}
