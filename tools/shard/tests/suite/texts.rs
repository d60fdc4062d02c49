//! The very words that a person reads, as snapshots: help, results and errors of every command
//! that reads a packed dataset.

use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use shard::cli::Cli;
use terminal::Outcome;

use crate::toy_city::{Run, ToyCity};

/// How a run ended, and what it wrote.
fn told(run: &Run) -> String {
    match &run.result {
        Ok(Outcome::Done) => format!("exit code 0\n{}", without_hashes(&run.output)),
        Ok(Outcome::CheckFailed) => format!("exit code 1\n{}", without_hashes(&run.output)),
        Err(error) => format!("exit code 2\n{}{}\n", run.output, without_hashes(error)),
    }
}

/// Runs commands and tells about each.
fn terminal_text(city: &ToyCity, commands: &[&[&str]]) -> String {
    let told = |words: &&[&str]| {
        let line = words.join(" ").replace('@', "");
        format!("$ shard {line}\n{}", told(&city.shard(words)))
    };
    commands.iter().map(told).collect::<Vec<_>>().join("\n")
}

/// A hash changes with any byte of the format, and says nothing to a reader.
fn without_hashes(text: &str) -> String {
    let mut left = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() {
            digits.push(c);
            continue;
        }
        left.push_str(if digits.len() == 64 { "[BLAKE3]" } else { &digits });
        digits.clear();
        left.push(c);
    }
    left.pop();
    left
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut shard = Command::new(env!("CARGO_BIN_EXE_shard"));
    let run = shard.args(["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!((run.status.code(), String::from_utf8_lossy(&run.stderr)), (Some(0), "".into()));
}

#[test]
fn help() {
    let mut program = Cli::command();
    program.build();
    let mut text = program.render_long_help().to_string();
    let commands = program.get_subcommands_mut().filter(|command| command.get_name() != "help");
    for command in commands {
        let rule = "-".repeat(80);
        text.push_str(&format!("\n{rule}\n{}", command.render_long_help()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn inspect() {
    let city = ToyCity::packed(3);
    insta::assert_snapshot!(terminal_text(
        &city,
        &[
            &["inspect", "@packed"],
            &["inspect", "@packed", "--samples", "1"],
            &["inspect", "@packed", "--samples", "2", "--json"],
        ]
    ));
}

#[test]
fn stats() {
    let city = ToyCity::packed(3);
    insta::assert_snapshot!(terminal_text(
        &city,
        &[&["stats", "@packed"], &["stats", "@packed", "--json"]]
    ));
}

#[test]
fn verify() {
    let city = ToyCity::packed(3);
    let source = ["--against-source", "@data", "--manifest", "@toy.toml"];
    let mut text = terminal_text(
        &city,
        &[
            &["verify", "@packed"],
            &["verify", "@packed", "--deep"],
            &[&["verify", "@packed"], &source[..]].concat(),
        ],
    );
    text.push_str(
        "\n# a source image and a source label are replaced, another image is no image\n",
    );
    city.write_pixels("t/01", 37, 64, &crate::toy_city::image(37, 64));
    let mut label = crate::toy_city::label(75, 125);
    label.reverse();
    city.write_label("t/02", 75, 125, &label);
    std::fs::write(city.path("data/images/train/t/00.png"), "no picture").unwrap();
    text.push_str(&terminal_text(&city, &[&[&["verify", "@packed"], &source[..]].concat()]));
    text.push_str("\n# a byte of a tile is changed\n");
    let shard = city.path("packed/toy-00000.shard");
    let mut bytes = std::fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&shard, &bytes).unwrap();
    text.push_str(&terminal_text(
        &city,
        &[&["verify", "@packed"], &["verify", "@packed", "--deep"]],
    ));
    text.push_str("\n# the shard is cut off\n");
    std::fs::write(&shard, &bytes[..middle]).unwrap();
    text.push_str(&terminal_text(&city, &[&["verify", "@packed"]]));
    insta::assert_snapshot!(text);
}

#[test]
fn errors_of_commands_that_read() {
    let city = ToyCity::packed(3);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/shard_format/tests/data");
    let old = data.join("version_1/default").display().to_string();
    std::fs::write(city.path("full"), "a file").unwrap();
    let text = terminal_text(
        &city,
        &[
            &["verify", "@data"],
            &["verify", "@packed", "--against-source", "@absent"],
            &["verify", "@packed", "--against-source", "@data", "--manifest", "nowhere"],
            &["verify", &old, "--against-source", "@data"],
            &["inspect", "@absent"],
            &["stats", "@packed", "--chart", "@absent/chart.png"],
            &["preview", "@packed", "--out", "@sheet.jpg"],
            &["preview", "@packed", "--out", "@absent/sheet.png"],
            &["preview", "@packed", "--out", "@sheet.png", "--id", "t/77"],
            &["extract", "@packed", "--out", "@data"],
            &["extract", "@packed", "--out", "@full"],
            &["extract", "@packed", "--out", "@back", "--id", "t/77"],
            &["bench", "@absent"],
            &["bench", "--manifest", "@toy.toml", "--root", "@absent", "--split", "train"],
            &["man", "--out", "@full"],
        ],
    );
    insta::assert_snapshot!(text.replace(&old, "version_1"));
}

#[test]
fn command_lines_that_make_no_sense() {
    let city = ToyCity::new(0);
    let lines: [&[&str]; 9] = [
        &["preview", "packed", "--out", "s.png", "--id", "a", "--count", "3"],
        &["preview", "packed", "--out", "s.png", "--opacity", "2"],
        &["bench"],
        &["bench", "--manifest", "gtav"],
        &["verify", "packed", "--manifest", "gtav"],
        &["inspect", "packed", "--samples", "many"],
        &["inspect", "packed", "--access", "mmap"],
        &["inspect", "packed", "--cache-gib", "lots"],
        &["completions", "tcsh"],
    ];
    let told =
        lines.iter().map(|words| format!("$ shard {}\n{}", words.join(" "), city.refused(words)));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}
