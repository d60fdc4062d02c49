//! The program's exit codes and messages.

use std::fs::File;
use std::process::{Command, Stdio};

#[test]
fn a_folder_that_is_no_run_ends_with_code_2_and_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_eval"))
        .arg(folder.path())
        .args(["--shards", "nowhere", "--device", "cpu", "--out"])
        .arg(folder.path().join("out"))
        .output()
        .expect("eval runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("not a run folder: recipe.toml is missing"), "{message}");
    assert!(output.stdout.is_empty());
}

/// Standard errors that take nothing: a pipe whose reader left, and a full disk.
fn unwritable() -> Vec<Stdio> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = cfg!(target_os = "linux").then(|| {
        Stdio::from(File::options().write(true).open("/dev/full").expect("a full device"))
    });
    [writer.into()].into_iter().chain(full).collect()
}

#[test]
fn a_refusal_that_nobody_can_read_ends_with_code_2() {
    for lost in unwritable() {
        let output = Command::new(env!("CARGO_BIN_EXE_eval"))
            .args(["no-run", "--shards", "nowhere", "--device", "cpu", "--out", "no-out"])
            .stderr(lost)
            .output()
            .expect("eval runs");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn an_unknown_option_ends_with_code_2_and_help_with_0() {
    for (argument, code) in [("--colour", 2), ("--help", 0)] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_eval")).arg(argument).output().expect("eval runs");
        assert_eq!(output.status.code(), Some(code), "{argument}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_found_before_the_run_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for (out, expected) in [
        (file.join("out"), "file cannot be written"),
        (file, "found a file, expected a folder that is new or empty"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_eval"))
            .args(["no-run", "--shards", "nowhere", "--device", "cpu", "--out"])
            .arg(&out)
            .output()
            .expect("eval runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}
