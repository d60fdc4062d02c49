//! A file as the authors' code writes it, its memory beside the weights, through `train import` and
//! then `eval memory`: what is printed is that memory.

use std::path::Path;
use std::process::Command;

use clap::Parser;
use eval::cli::Cli;
use serde_json::Value;
use terminal::Outcome;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/torch_weights/tests/data");
const CLASSES: usize = 19;
/// Of the networks in the files, at a 16th of the widths.
const CHANNELS: usize = 16;
/// JSON has cosines to a billionth; the sums here and there differ by less.
const TOLERANCE: f64 = 1e-8;

/// The memory in the files: `value` of `tests/torch/make_weights.py`, whose name has 14 letters.
fn slot(class: usize) -> Vec<f64> {
    let value = |index: usize| (((7 * index + 14) % 23) as f64 - 11.0) / 8.0;
    (class * CHANNELS..(class + 1) * CHANNELS).map(value).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn import(file: &str, arguments: &[&str], out: &Path) {
    let network = ["--model", "deeplab_v3_plus", "--width-divisor", "16"];
    let output = Command::new(env!("CARGO_BIN_EXE_train"))
        .arg("import")
        .arg(Path::new(DATA).join(file))
        .args(network)
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .expect("train runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

/// What `eval memory` prints of the file.
fn shown(path: &Path, flags: &[&str]) -> String {
    let words = ["eval", "memory", path.to_str().expect("UTF-8")];
    let cli = Cli::try_parse_from(words.iter().chain(flags)).expect("arguments");
    let mut out = Vec::new();
    assert_eq!(eval::commands::run(&cli, &mut out).expect("a memory"), Outcome::Done);
    String::from_utf8(out).expect("text")
}

#[test]
fn the_memory_of_the_authors_files_is_the_one_that_eval_memory_shows() {
    let folder = tempfile::tempdir().expect("a folder");
    let some = ["layer", "aspp", "bot", "final", "dsn", "memory"];
    let rest: Vec<&str> = some.iter().flat_map(|prefix| ["--allow-missing", *prefix]).collect();
    let few_blocks = [&["--blocks", "1,1,1,1"], &rest[..]].concat();
    for (file, arguments) in [
        // A whole network, and another of which the file has five tensors, in both of PyTorch's
        // formats.
        ("pin_the_memory.pth", &[][..]),
        ("authors.pth", &few_blocks),
        ("authors_legacy.pth", &few_blocks),
    ] {
        let out = folder.path().join(format!("{file}.safetensors"));
        import(file, arguments, &out);
        let json: Value = serde_json::from_str(&shown(&out, &["--json"])).expect("JSON");
        assert_eq!(json["channels"], CHANNELS, "{file}");
        assert_eq!(json["norms"].as_array().expect("norms").len(), CLASSES, "{file}");
        let number = |value: &Value| value.as_f64().expect("a number");
        for a in 0..CLASSES {
            let norm = dot(&slot(a), &slot(a)).sqrt();
            assert!((number(&json["norms"][a]) - norm).abs() < TOLERANCE, "{file}: slot {a}");
            for b in 0..CLASSES {
                let cosine = dot(&slot(a), &slot(b)) / norm / dot(&slot(b), &slot(b)).sqrt();
                let found = number(&json["similarity"][a][b]);
                assert!((found - cosine).abs() < TOLERANCE, "{file}: slots {a} and {b}");
            }
        }
        let table = shown(&out, &[]);
        let of_road = format!("  0  road           {:>6.3}", dot(&slot(0), &slot(0)).sqrt());
        assert!(table.contains(&of_road), "{of_road:?} is not in: {table}");
    }
}
