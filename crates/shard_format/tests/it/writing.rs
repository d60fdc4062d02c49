//! What a writer leaves in its folder.

use std::path::Path;

use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, Preset, ReadError, WriteError, WriterOptions,
    encode_sample,
};
use tempfile::tempdir;

use crate::drawing::{info, meta, noise_image, pack, patchy_labels};

fn encoded(id: &str, preset: Preset) -> shard_format::EncodedSample {
    encode_sample(&meta(id), &noise_image(40, 40, 1), &patchy_labels(40, 40, 1), preset)
        .expect("the sample is valid")
}

fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the folder exists");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn shards_roll_over_at_their_size_limit() {
    let folder = tempdir().unwrap();
    let samples = vec![(noise_image(40, 40, 1), patchy_labels(40, 40, 1)); 5];
    let one = encoded("0", Preset::Raw).info().stored_bytes;
    let limit = 3 * one; // room for two records with their directory, not for three
    let index = pack(folder.path(), &samples, Preset::Raw, limit);
    let counts: Vec<u32> = index.shards.iter().map(|shard| shard.samples).collect();
    assert_eq!(counts, [2, 2, 1]);
    assert!(index.shards.iter().all(|shard| shard.bytes <= limit));
    assert_eq!(
        files(folder.path()),
        ["index.json", "toy-00000.shard", "toy-00001.shard", "toy-00002.shard"]
    );
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.index(), &index);
    assert_eq!(dataset.sample(4).id, "4");
}

#[test]
fn a_sample_larger_than_the_limit_gets_a_shard_of_its_own() {
    let folder = tempdir().unwrap();
    let samples = vec![(noise_image(40, 40, 1), patchy_labels(40, 40, 1)); 2];
    let index = pack(folder.path(), &samples, Preset::Fast, 0);
    assert_eq!(index.shards.iter().map(|shard| shard.samples).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_folder_with_a_dataset_is_not_written_again() {
    let folder = tempdir().unwrap();
    let samples = [(noise_image(4, 4, 1), patchy_labels(4, 4, 1))];
    pack(folder.path(), &samples, Preset::Fast, u64::MAX);
    let error = DatasetWriter::create(folder.path(), info(), WriterOptions::default()).unwrap_err();
    assert!(matches!(&error, WriteError::Exists { path } if path.ends_with("index.json")));
    assert!(error.to_string().contains("hint: choose another output folder"), "{error}");
}

#[test]
fn shards_without_an_index_are_never_overwritten() {
    let folder = tempdir().unwrap();
    let samples = vec![(noise_image(4, 4, 1), patchy_labels(4, 4, 1)); 2];
    pack(folder.path(), &samples, Preset::Fast, 0);
    std::fs::remove_file(folder.path().join("index.json")).unwrap();
    let create =
        |info| DatasetWriter::create(folder.path(), info, WriterOptions::default()).map(drop);
    let error = create(info()).unwrap_err().to_string();
    let error = error.replace(&*folder.path().to_string_lossy(), "FOLDER");
    insta::assert_snapshot!(error, @"FOLDER/toy-00000.shard: a shard without an index, expected a folder without shards of `toy`; hint: it is of an unfinished or damaged dataset, delete the folder or choose another --out");
    assert_eq!(files(folder.path()), ["toy-00000.shard", "toy-00001.shard"]);
    // Shards of another dataset, and what an interrupted writer left unfinished, are no dataset.
    create(DatasetInfo { name: "boy".into(), ..info() }).unwrap();
    for shard in ["toy-00000.shard", "toy-00001.shard"] {
        std::fs::remove_file(folder.path().join(shard)).unwrap();
    }
    std::fs::write(folder.path().join(".toy-00000.shard.partial"), "half").unwrap();
    create(info()).unwrap();
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let folder = tempdir().unwrap();
    let options = WriterOptions { max_shard_bytes: 0, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(folder.path(), info(), options).unwrap();
    for id in ["0", "1", "2"] {
        writer.push(encoded(id, Preset::Fast)).unwrap();
    }
    assert_eq!(files(folder.path()).len(), 3);
    drop(writer);
    assert_eq!(files(folder.path()), [""; 0]);
    assert!(matches!(Dataset::open(folder.path()), Err(ReadError::NoIndex { .. })));
}

#[test]
fn a_dataset_without_samples_is_refused() {
    let folder = tempdir().unwrap();
    let writer = DatasetWriter::create(folder.path(), info(), WriterOptions::default()).unwrap();
    assert!(matches!(writer.finish(), Err(WriteError::NoSamples { .. })));
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn a_refused_sample_leaves_the_dataset_as_it_was() {
    let folder = tempdir().unwrap();
    let few = DatasetInfo { class_names: vec!["road".into()], ..info() };
    let mut writer = DatasetWriter::create(folder.path(), few, WriterOptions::default()).unwrap();
    let mut labels = patchy_labels(40, 40, 1);
    labels.train_ids.fill(0);
    let image = noise_image(40, 40, 1);
    let valid = encode_sample(&meta("0"), &image, &labels, Preset::Fast).unwrap();
    writer.push(valid.clone()).unwrap();

    let error = writer.push(valid).unwrap_err();
    assert!(matches!(error, WriteError::DuplicateId { .. }));
    let raw = encode_sample(&meta("1"), &image, &labels, Preset::Raw).unwrap();
    let error = writer.push(raw).unwrap_err();
    assert!(matches!(error, WriteError::MixedPresets { .. }));
    labels.train_ids[9] = 1;
    let unknown = encode_sample(&meta("1"), &image, &labels, Preset::Fast).unwrap();
    let error = writer.push(unknown).unwrap_err();
    assert!(matches!(error, WriteError::UnknownClass { train_id: 1, classes: 1, .. }));

    assert_eq!(writer.finish().unwrap().samples, 1);
    assert_eq!(Dataset::open(folder.path()).unwrap().len(), 1);
}

#[test]
fn a_description_the_format_cannot_hold_is_refused() {
    let folder = tempdir().unwrap();
    for (part, wrong) in [
        ("dataset name is \"a/b\"", DatasetInfo { name: "a/b".into(), ..info() }),
        ("dataset name is \"..\"", DatasetInfo { name: "..".into(), ..info() }),
        ("class names is 0 names", DatasetInfo { class_names: vec![], ..info() }),
        ("ignore id is 0, expected 255", DatasetInfo { ignore_id: 0, ..info() }),
    ] {
        let error = DatasetWriter::create(folder.path(), wrong, WriterOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}
