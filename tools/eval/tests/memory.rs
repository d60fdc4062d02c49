//! `eval memory` as a user calls it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, pipe};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use models::weights::{self, HostTensor, MEMORY_KEY, NamedTensors};
use tempfile::TempDir;
use training::checkpoint;

/// The demo's recipe: its network at an eighth of the widths has slots of 32 channels.
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/demo_pin_the_memory.toml");

fn eval_memory(path: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eval"));
    command.arg("memory").arg(path).args(arguments).output().expect("eval runs")
}

#[track_caller]
fn text(output: &Output, code: i32) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    if code == 0 { stdout } else { stderr }
}

fn slots(count: usize, channels: usize, first: f32) -> HostTensor {
    let values = (0..count * channels).map(|at| (first + at as f32).sin()).collect();
    HostTensor { shape: vec![count, channels], values }
}

fn write(path: &Path, tensors: &NamedTensors) {
    fs::write(path, weights::serialize(tensors, &BTreeMap::new()).expect("bytes")).expect("a file");
}

/// The checkpoint of step 5.
fn write_checkpoint(run: &Path, tensors: &NamedTensors) {
    let bytes =
        checkpoint::encode(tensors, checkpoint::Stamp { step: 5, recipe: None }).expect("bytes");
    fs::write(run.join("checkpoint.safetensors"), bytes).expect("a file");
}

/// A run folder with what `eval memory` reads of it: two slots after five steps.
fn run_folder(root: &Path) -> PathBuf {
    let run = root.join("run");
    fs::create_dir(&run).expect("a folder");
    let recipe = fs::read_to_string(RECIPE).expect("a recipe");
    fs::write(run.join("recipe.toml"), recipe).expect("a file");
    let facts = r#"{"version":"0","device":"CPU","classes":["road","sky"],"sources":[]}"#;
    fs::write(run.join("run.json"), facts).expect("a file");
    let line = |step: u64, first: f64| {
        format!(
            "{{\"step\":{step},\"cosine_with_first\":[{first},null],\"cosine_with_last\":[0.75,\
             null],\"slot_writes\":[{step},0]}}\n"
        )
    };
    // A line after the checkpoint, and half a line, as a crash leaves them.
    let log = line(2, 0.5) + &line(5, 0.25) + &line(8, 0.125) + "{\"step\":9,";
    fs::write(run.join("memory.jsonl"), log).expect("a file");
    let writes = HostTensor { shape: vec![2, 2], values: vec![0.0, 0.0, 5.0, 0.0] };
    let mut now = slots(2, 32, 1.0);
    now.values[32..].fill(0.0);
    let tensors = NamedTensors::from([
        (MEMORY_KEY.to_owned(), now),
        ("history.first_memory".to_owned(), slots(2, 32, 1.0)),
        ("history.logged_memory".to_owned(), slots(2, 32, 3.0)),
        ("history.slot_writes".to_owned(), writes),
    ]);
    write_checkpoint(&run, &tensors);
    run
}

fn size(png: &Path) -> (u32, u32) {
    let bytes = fs::read(png).expect("a file");
    let reader = png::Decoder::new(Cursor::new(bytes)).read_info().expect("a PNG file");
    (reader.info().width, reader.info().height)
}

#[test]
fn a_run_shows_norms_cosines_writes_and_drift_up_to_its_checkpoint() {
    let folder = TempDir::new().expect("a folder");
    let run = run_folder(folder.path());
    let out = folder.path().join("out");
    let shown = text(&eval_memory(&run, &["--out", &out.display().to_string()]), 0);
    for expected in [
        "after step 5: 2 slots of 32 channels",
        "writes  with first   with last",
        "5       1.000       0.750",
        "0           -           -",
        "cos      0      1\n  0   1.00      -\n  1      -      -\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in: {shown}");
    }
    let json = fs::read_to_string(out.join("memory.json")).expect("a file");
    assert_eq!(json, text(&eval_memory(&run, &["--json"]), 0));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["classes"], serde_json::json!(["road", "sky"]));
    assert_eq!(json["history"]["slot_writes"], serde_json::json!([5, 0]));
    let steps: Vec<_> = (0..2).map(|at| &json["history"]["drift"][at]["step"]).collect();
    assert_eq!(steps, [2, 5]);
    assert!(json["history"]["drift"][2].is_null());
    let (width, height) = size(&out.join("similarity.png"));
    assert!(width > 2 * 38 && height > 2 * 38, "{width} x {height}");
    assert!(size(&out.join("drift.png")).1 > 2 * 38);

    let again = eval_memory(&run, &["--out", &out.display().to_string()]);
    assert!(text(&again, 2).contains("not empty"));
}

#[test]
fn a_file_of_weights_shows_norms_and_cosines_under_the_names_of_cityscapes() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("authors.safetensors");
    let memory = NamedTensors::from([(MEMORY_KEY.to_owned(), slots(19, 8, 0.0))]);
    write(&path, &memory);
    let out = folder.path().join("out");
    let shown = text(&eval_memory(&path, &["--out", &out.display().to_string()]), 0);
    assert!(shown.contains("authors.safetensors: 19 slots of 8 channels"), "{shown}");
    assert!(shown.contains("bicycle") && !shown.contains("writes"), "{shown}");
    assert!(out.join("similarity.png").is_file() && !out.join("drift.png").exists());
    // The table has a line for each slot and one for each slot's cosines.
    assert_eq!(shown.lines().filter(|line| line.trim_start().starts_with("18 ")).count(), 2);
}

#[test]
fn what_has_no_memory_ends_with_code_2_and_says_what_is_missing() {
    let folder = TempDir::new().expect("a folder");
    let run = run_folder(folder.path());
    let recipe = fs::read_to_string(RECIPE).expect("a recipe");
    let without = recipe.replace("memory = true", "memory = false");
    fs::write(run.join("recipe.toml"), without).expect("a file");
    let message = text(&eval_memory(&run, &[]), 2);
    assert!(message.contains("recipe.toml: model.memory is false"), "{message}");

    fs::write(run.join("recipe.toml"), recipe).expect("a file");
    fs::write(run.join("memory.jsonl"), "").expect("a file");
    let narrow = NamedTensors::from([(MEMORY_KEY.to_owned(), slots(2, 16, 1.0))]);
    write_checkpoint(&run, &narrow);
    let message = text(&eval_memory(&run, &[]), 2);
    assert!(message.contains("has shape [2, 16], expected [2, 32]"), "{message}");

    let path = folder.path().join("backbone.safetensors");
    let other = NamedTensors::from([("layer0.0.weight".to_owned(), slots(2, 2, 0.0))]);
    write(&path, &other);
    let message = text(&eval_memory(&path, &[]), 2);
    assert!(message.contains("found no memory, expected memory.m_items"), "{message}");
    let flat = HostTensor { shape: vec![4], values: vec![1.0; 4] };
    write(&path, &NamedTensors::from([(MEMORY_KEY.to_owned(), flat)]));
    let message = text(&eval_memory(&path, &[]), 2);
    assert!(message.contains("found memory.m_items of [4]"), "{message}");

    let message = text(&eval_memory(&folder.path().join("nowhere"), &[]), 2);
    assert!(message.contains("not a run folder: nothing of that name is there"), "{message}");
}

/// Whatever becomes of the table, the folder holds the whole memory.
#[track_caller]
fn assert_written(out: &Path) {
    let json = fs::read_to_string(out.join("memory.json")).expect("a file");
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    assert!(out.join("similarity.png").is_file());
}

fn eval_memory_to(path: &Path, out: &Path, stdout: impl Into<Stdio>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eval"));
    command.arg("memory").arg(path).arg("--out").arg(out).arg("--json").stdout(stdout);
    command.output().expect("eval runs")
}

#[test]
fn a_reader_that_left_is_no_error_and_the_files_are_written() {
    let folder = TempDir::new().expect("a folder");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let out = folder.path().join("out");
    let output = eval_memory_to(&run_folder(folder.path()), &out, writer);
    text(&output, 0);
    assert!(output.stderr.is_empty());
    assert_written(&out);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error_that_names_it_once_the_files_are_written() {
    let folder = TempDir::new().expect("a folder");
    let full = fs::File::options().write(true).open("/dev/full").expect("a full device");
    let out = folder.path().join("out");
    let message = text(&eval_memory_to(&run_folder(folder.path()), &out, full), 2);
    assert!(message.contains("standard output: cannot be written"), "{message}");
    assert_written(&out);
}

#[test]
fn a_memory_that_is_no_number_or_was_changed_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("nan.safetensors");
    let mut memory = slots(2, 8, 0.0);
    memory.values[3] = f32::NAN;
    write(&path, &NamedTensors::from([(MEMORY_KEY.to_owned(), memory)]));
    let message = text(&eval_memory(&path, &[]), 2);
    assert!(message.contains("tensor memory.m_items has a value NaN"), "{message}");

    let run = run_folder(folder.path());
    let checkpoint = run.join("checkpoint.safetensors");
    let mut bytes = fs::read(&checkpoint).expect("a file");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&checkpoint, bytes).expect("a file");
    for path in [&run, &checkpoint] {
        let message = text(&eval_memory(path, &[]), 2);
        let expected = "checkpoint.safetensors: found a content with BLAKE3";
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_file_of_pytorch_is_sent_to_train_import() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("authors.pth");
    fs::write(&path, b"PK\x03\x04").expect("a file");
    let message = text(&eval_memory(&path, &[]), 2);
    assert!(message.contains("hint: `train import` makes one of it"), "{message}");
}
