//! A writer that goes on where an interrupted one stopped.

use std::collections::BTreeMap;
use std::path::Path;

use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, EncodedSample, Preset, ShardEntry, WriteError,
    WriterOptions, encode_sample,
};
use tempfile::tempdir;

use crate::drawing::{info, meta, noise_image, patchy_labels};

/// One sample to a shard, and finished shards stay.
const OPTIONS: WriterOptions = WriterOptions { max_shard_bytes: 0, keep_finished_shards: true };

fn encoded(id: &str) -> EncodedSample {
    encode_sample(&meta(id), &noise_image(9, 5, 1), &patchy_labels(9, 5, 1), Preset::Fast)
        .expect("the sample is valid")
}

fn create(dir: &Path) -> DatasetWriter {
    DatasetWriter::create(dir, info(), OPTIONS).expect("the folder has no dataset")
}

fn resume(dir: &Path, finished: &[ShardEntry]) -> Result<DatasetWriter, WriteError> {
    DatasetWriter::resume(dir, info(), OPTIONS, Preset::Fast, finished.to_vec())
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("the folder exists");
    let entries = entries.map(|entry| entry.expect("readable"));
    entries
        .map(|entry| {
            let bytes = std::fs::read(entry.path()).expect("readable");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect()
}

/// Pushes samples until the process seems to be killed: nothing of the writer is dropped.
fn interrupted(dir: &Path, ids: &[&str]) -> Vec<ShardEntry> {
    let mut writer = create(dir);
    let finished = ids.iter().filter_map(|id| writer.push(encoded(id)).expect("writable"));
    let finished = finished.collect();
    std::mem::forget(writer);
    finished
}

#[test]
fn a_push_tells_which_shard_it_has_closed() {
    let folder = tempdir().unwrap();
    let mut writer = create(folder.path());
    assert_eq!(writer.push(encoded("0")).unwrap(), None);
    let first = writer.push(encoded("1")).unwrap().unwrap();
    assert_eq!((first.file.as_str(), first.samples), ("toy-00000.shard", 1));
    let index = writer.finish().unwrap();
    assert_eq!(index.shards[0], first);
    assert_eq!(index.shards.len(), 2);
}

#[test]
fn an_interrupted_run_that_goes_on_writes_what_one_run_writes() {
    let (whole, parts) = (tempdir().unwrap(), tempdir().unwrap());
    let mut writer = create(whole.path());
    ["0", "1", "2", "3"].iter().for_each(|id| drop(writer.push(encoded(id)).unwrap()));
    writer.finish().unwrap();

    let finished = interrupted(parts.path(), &["0", "1", "2"]);
    assert_eq!(finished.len(), 2);
    std::fs::write(parts.path().join("audit.json"), "{}").unwrap();
    // As if the run had been killed between publishing a shard and noting it.
    let mut writer = resume(parts.path(), &finished[..1]).unwrap();
    assert_eq!(
        files(parts.path()).into_keys().collect::<Vec<_>>(),
        ["audit.json", "toy-00000.shard"]
    );
    let error = writer.push(encoded("0")).unwrap_err();
    assert!(matches!(error, WriteError::DuplicateId { .. }), "{error}");
    ["1", "2", "3"].iter().for_each(|id| drop(writer.push(encoded(id)).unwrap()));
    writer.finish().unwrap();

    std::fs::remove_file(parts.path().join("audit.json")).unwrap();
    assert_eq!(files(parts.path()), files(whole.path()));
}

#[test]
fn a_run_that_had_finished_every_shard_only_needs_its_index() {
    let folder = tempdir().unwrap();
    let finished = interrupted(folder.path(), &["0", "1"]);
    let index = resume(folder.path(), &finished).unwrap().finish().unwrap();
    assert_eq!(index.shards, finished);
    assert_eq!(Dataset::open(folder.path()).unwrap().len(), 1);
}

#[test]
fn a_shard_that_is_not_as_it_was_ends_the_resumption_and_nothing_is_removed() {
    let folder = tempdir().unwrap();
    let finished = interrupted(folder.path(), &["0", "1", "2"]);
    let before = files(folder.path());
    let path = folder.path().join(&finished[1].file);
    let intact = std::fs::read(&path).unwrap();
    let mut altered = intact.clone();
    altered[100] ^= 1; // in a record head, which only the hash covers
    for (content, expected) in [
        (Some(&altered), "BLAKE3 hash is"),
        (Some(&intact[..90].to_vec()), "90 bytes, expected"),
        (None, "not found"),
    ] {
        std::fs::remove_file(&path).unwrap();
        content.iter().for_each(|bytes| std::fs::write(&path, bytes).unwrap());
        let error = resume(folder.path(), &finished).unwrap_err().to_string();
        assert!(error.contains("toy-00001.shard: ") && error.contains(expected), "{error}");
        std::fs::write(&path, &intact).unwrap();
        assert_eq!(files(folder.path()), before);
    }
}

#[test]
fn shards_of_another_dataset_or_preset_are_not_taken_over() {
    let folder = tempdir().unwrap();
    let finished = interrupted(folder.path(), &["0", "1"]);
    let resume = |info, preset| {
        let finished = finished.clone();
        DatasetWriter::resume(folder.path(), info, OPTIONS, preset, finished)
            .unwrap_err()
            .to_string()
    };
    let other = DatasetInfo { name: "boy".into(), ..info() };
    let error = resume(other, Preset::Fast);
    assert!(error.contains("name is toy-00000.shard, expected boy-00000.shard"), "{error}");
    let error = resume(info(), Preset::Raw);
    assert!(error.contains("preset is raw, expected default, fast or jpeg"), "{error}");
    let few = DatasetInfo { class_names: vec!["road".into()], ..info() };
    let error = resume(few, Preset::Fast);
    assert!(error.contains("class_names is 1 names, expected a class"), "{error}");
    let twice = vec![finished[0].clone(), finished[0].clone()];
    let error = DatasetWriter::resume(folder.path(), info(), OPTIONS, Preset::Fast, twice);
    assert!(matches!(error, Err(WriteError::Changed { field: "name", .. })));
}

#[test]
fn finished_shards_stay_when_the_options_say_so() {
    let folder = tempdir().unwrap();
    let mut writer = create(folder.path());
    ["0", "1"].iter().for_each(|id| drop(writer.push(encoded(id)).unwrap()));
    drop(writer);
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["toy-00000.shard"]);
}

#[test]
fn an_abandoned_writer_leaves_nothing_even_of_the_shards_it_took_over() {
    let folder = tempdir().unwrap();
    let finished = interrupted(folder.path(), &["0", "1"]);
    let mut writer = resume(folder.path(), &finished).unwrap();
    ["1", "2"].iter().for_each(|id| drop(writer.push(encoded(id)).unwrap()));
    writer.abandon().unwrap();
    assert!(files(folder.path()).is_empty());
}

#[test]
fn records_merged_from_parts_make_the_shards_of_one_run() {
    let folders = [(); 4].map(|()| tempdir().unwrap());
    let [first, second, merged, whole] = folders.each_ref().map(|folder| folder.path());
    let room = WriterOptions { max_shard_bytes: 3000, ..OPTIONS };
    let write = |dir: &Path, ids: std::ops::Range<u32>| {
        let mut writer = DatasetWriter::create(dir, info(), room).unwrap();
        ids.for_each(|id| drop(writer.push(encoded(&id.to_string())).unwrap()));
        writer.finish().unwrap();
    };
    write(first, 0..13);
    write(second, 13..20);
    write(whole, 0..20);
    let mut writer = DatasetWriter::create(merged, info(), room).unwrap();
    for part in [first, second] {
        let dataset = Dataset::open(part).unwrap();
        (0..dataset.len()).for_each(|index| {
            drop(writer.push(dataset.encoded(index).unwrap()).unwrap());
        });
    }
    assert!(writer.finish().unwrap().shards.len() > 1);
    assert_eq!(files(merged), files(whole));
}
