//! Datasets of version 1, see `tests/data/README.md`.

use std::path::PathBuf;

use shard_format::{Dataset, Preset, ReadError};

use crate::drawing::{noise_image, patchy_labels, photo_like_image};
use crate::memory::Memory;
use crate::victim::read_all;

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/version_1", name].iter().collect()
}

#[test]
fn version_1_reads_to_the_pixels_that_were_packed() {
    let dataset = Dataset::open(&folder("default")).unwrap();
    let expected = vec![
        (photo_like_image(150, 40, 1), patchy_labels(150, 40, 1)),
        (photo_like_image(5, 3, 2), patchy_labels(5, 3, 2)),
    ];
    assert_eq!(dataset.index().format_version, 1);
    assert_eq!(read_all(&dataset).unwrap(), expected);
    assert_eq!(dataset.verify(&mut |_| ()).unwrap(), []);

    let dataset = Dataset::open(&folder("raw")).unwrap();
    let expected = vec![(noise_image(33, 2, 3), patchy_labels(33, 2, 3))];
    assert_eq!(dataset.index().preset, Preset::Raw);
    assert_eq!(read_all(&dataset).unwrap(), expected);
    assert_eq!(dataset.verify(&mut |_| ()).unwrap(), []);
}

#[test]
fn version_1_has_no_provenance() {
    let dataset = Dataset::open(&folder("default")).unwrap();
    let info = dataset.sample(0);
    assert_eq!((info.id.as_str(), info.source.as_str()), ("0", "images/0.png"));
    assert_eq!(info.label_source, "");
    assert_eq!((info.image_blake3, info.label_blake3), ([0; 32], [0; 32]));
}

#[test]
fn records_of_version_1_are_not_copied() {
    let dataset = Dataset::open(&folder("raw")).unwrap();
    let error = dataset.encoded(0).unwrap_err();
    assert!(matches!(error, ReadError::OlderVersion { found: 1, expected: 2, .. }), "{error}");
}

#[test]
fn an_index_and_shards_of_different_versions_are_refused() {
    let mut memory = Memory::load(&folder("raw"), true);
    memory.edit_index("\"format_version\": 1", "\"format_version\": 2");
    let error = memory.open_dataset().unwrap_err().to_string();
    assert!(
        error.contains("format version at byte 8 is 1, expected 2 as in index.json"),
        "{error}"
    );
}

#[test]
fn version_1_has_no_jpeg_preset() {
    let mut memory = Memory::load(&folder("default"), true);
    memory.edit_index("\"preset\": \"default\"", "\"preset\": \"jpeg\"");
    let error = memory.open_dataset().unwrap_err().to_string();
    assert!(error.contains("preset is jpeg, expected one that version 1 has"), "{error}");
}
