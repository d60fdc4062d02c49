//! What a user meets when something is wrong.
#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

mod support;

use std::path::{Path, PathBuf};

use loader::{Augment, Loader, LoaderError, LoaderOptions, StreamSource};
use shard_format::Dataset;
use support::{CLASSES, pack, two_domains};

fn refusal(options: LoaderOptions) -> LoaderError {
    Loader::start(options).unwrap_err()
}

fn shard_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "shard")).collect()
}

/// Alters the last bytes of the first sample of a folder, which lie in its label tiles; gives back
/// the shard.
fn alter_first_sample(folder: &Path, bytes_altered: usize) -> PathBuf {
    const HEADER: usize = 64;
    let stored = Dataset::open(folder).unwrap().sample(0).stored_bytes;
    let shard = shard_files(folder).remove(0);
    let mut bytes = std::fs::read(&shard).unwrap();
    let end = HEADER + usize::try_from(stored).unwrap();
    for byte in &mut bytes[end - bytes_altered..end] {
        *byte ^= 0x55;
    }
    std::fs::write(&shard, bytes).unwrap();
    shard
}

#[test]
fn an_altered_tile_ends_the_stream_with_file_sample_and_tile() {
    let root = tempfile::tempdir().unwrap();
    // Enough batches to meet every sample.
    let options = LoaderOptions { end_batch: 100, workers: 3, ..two_domains(&root) };
    let shard = alter_first_sample(&options.streams[1].shards[0], 16);

    let mut loader = Loader::start(options).unwrap();
    let error = loader.find_map(Result::err).unwrap();
    let message = error.to_string();
    let LoaderError::Sample { domain, sample, id, source, .. } = &error else { panic!("{error}") };
    assert_eq!(domain, "second");
    assert_eq!(id, &format!("second-a-{sample}"));
    assert!(matches!(**source, shard_format::ReadError::Tile { .. }), "{source:?}");
    for fact in [shard.to_str().unwrap(), id, "tile", "CRC-32C"] {
        assert!(message.contains(fact), "{fact} in {message}");
    }
    assert!(loader.next().is_none(), "the stream has ended");
}

/// A named pipe that nobody writes to holds up whoever opens it, as a lost mount does.
#[cfg(unix)]
#[test]
fn storage_that_never_answers_while_shards_are_opened_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("lost");
    std::fs::create_dir(&folder).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.join("index.json")).status();
    assert!(made.unwrap().success());
    let message = refusal(LoaderOptions {
        streams: vec![StreamSource::new("lost", vec![folder.clone()], 1)],
        patience: Some(std::time::Duration::from_millis(300)),
        ..LoaderOptions::default()
    })
    .to_string();
    for fact in [folder.to_str().unwrap(), "not opened within 0.3 s", "hint"] {
        assert!(message.contains(fact), "{fact} in {message}");
    }
}

#[test]
fn the_same_error_comes_at_the_same_batch_whatever_the_number_of_workers() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions { end_batch: 100, ..two_domains(&root) };
    alter_first_sample(&options.streams[0].shards[0], 1);
    let outcome = |workers| {
        let options = LoaderOptions { workers, ..options.clone() };
        let mut loader = Loader::start(options).unwrap();
        let error = loader.find_map(Result::err).unwrap();
        (loader.stats().delivered_batches, error.to_string())
    };
    assert_eq!(outcome(1), outcome(7));
}

#[test]
fn a_missing_folder_and_a_folder_without_shards_are_named() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    for (folder, fact) in [("nowhere", "folder not found"), ("empty", "index")] {
        let path = root.path().join(folder);
        if folder == "empty" {
            std::fs::create_dir(&path).unwrap();
        }
        let mut options = options.clone();
        options.streams[1].shards[1].clone_from(&path);
        let message = refusal(options).to_string();
        for fact in [fact, path.to_str().unwrap(), "second", "hint"] {
            assert!(message.contains(fact), "{fact} in {message}");
        }
    }
}

#[test]
fn a_dataset_without_samples_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut options = two_domains(&root);
    let folder = &options.streams[0].shards[0];
    let mut index = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let shards = index.find("\"shards\"").unwrap();
    index.replace_range(shards.., "\"shards\": []\n}\n");
    let index = index.replace("\"samples\": 7", "\"samples\": 0");
    std::fs::write(folder.join("index.json"), index).unwrap();
    options.streams.truncate(1);
    assert!(matches!(refusal(options), LoaderError::Open { .. }));
}

#[test]
fn datasets_of_different_classes_are_refused_with_both_folders() {
    let root = tempfile::tempdir().unwrap();
    let mut options = two_domains(&root);
    let other = pack(root.path(), "other", 1, &["dark", "bright"]);
    options.streams[1].shards[1].clone_from(&other);
    let message = refusal(options.clone()).to_string();
    let reference = &options.streams[0].shards[0];
    for fact in [other.to_str().unwrap(), reference.to_str().unwrap(), "bright", "light", "class 1"]
    {
        assert!(message.contains(fact), "{fact} in {message}");
    }
    let longer = pack(root.path(), "longer", 1, &[CLASSES[0], CLASSES[1], "third"]);
    options.streams[1].shards[1] = longer;
    assert!(refusal(options).to_string().contains("none"));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    let named = |options: LoaderOptions, fact: &str| {
        let message = refusal(options).to_string();
        assert!(message.contains(fact), "{fact} in {message}");
    };
    named(LoaderOptions { crop_width: 0, ..options.clone() }, "crop_width");
    named(LoaderOptions { crop_height: 0, ..options.clone() }, "crop_height");
    let mut without_samples = options.clone();
    without_samples.streams[1].samples_per_batch = 0;
    named(without_samples, "samples_per_batch");
    named(LoaderOptions { workers: 0, ..options.clone() }, "workers");
    named(LoaderOptions { prefetch_batches: 0, ..options.clone() }, "prefetch_batches");
    named(
        LoaderOptions { crop_width: u32::MAX, crop_height: u32::MAX, ..options.clone() },
        "too many",
    );
    named(LoaderOptions { streams: Vec::new(), ..options.clone() }, "no domain");
    let augment = Augment { scale_min: 3.0, ..Augment::reference() };
    named(LoaderOptions { augment, ..options.clone() }, "scale_max");
    let mut twice = options.clone();
    twice.streams.push(twice.streams[0].clone());
    named(twice, "first: stream 0 named twice");
    let streams = vec![StreamSource::new("bare", Vec::new(), 1)];
    named(LoaderOptions { streams, ..options }, "bare: no shard folder");
}
