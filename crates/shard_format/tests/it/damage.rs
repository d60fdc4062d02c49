//! Damaged files are noticed and named; none makes a reader panic.

use std::path::{Path, PathBuf};

use shard_format::{
    Dataset, Decoder, Fault, LabelMap, Plane, Preset, ReadError, RgbImage, TileId, Window,
};
use tempfile::{TempDir, tempdir};

use crate::drawing::{noise_image, pack, patchy_labels, photo_like_image};

/// A dataset whose files can be altered and put back.
struct Victim {
    folder: TempDir,
    samples: Vec<(RgbImage, LabelMap)>,
}

impl Victim {
    /// Two samples small enough to alter every byte of their shard.
    fn new(preset: Preset) -> Self {
        let folder = tempdir().expect("a temporary folder");
        let labels = LabelMap { width: 3, height: 2, train_ids: vec![0, 1, 2, 18, 255, 255] };
        let uniform = LabelMap { width: 5, height: 1, train_ids: vec![255; 5] };
        let samples =
            vec![(photo_like_image(3, 2, 1), labels), (photo_like_image(5, 1, 2), uniform)];
        pack(folder.path(), &samples, preset, u64::MAX);
        Self { folder, samples }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn shard(&self) -> PathBuf {
        self.path().join("toy-00000.shard")
    }

    fn index(&self) -> PathBuf {
        self.path().join("index.json")
    }

    /// The error from opening the dataset or reading all of it, if any.
    fn read_all(&self) -> Result<Vec<(RgbImage, LabelMap)>, ReadError> {
        let dataset = Dataset::open(self.path())?;
        let mut decoder = Decoder::new();
        (0..dataset.len())
            .map(|index| {
                let info = dataset.sample(index);
                let whole = Window::whole(info.width, info.height);
                let image = dataset.read_image(index, whole, &mut decoder)?;
                Ok((image, dataset.read_labels(index, whole, &mut decoder)?))
            })
            .collect()
    }

    /// The message from opening the dataset after replacing `from` in the index by `to`.
    fn error_with_index(&self, from: &str, to: &str) -> String {
        let path = self.index();
        let text = std::fs::read_to_string(&path).expect("an index");
        assert!(text.contains(from), "{from} is not in the index");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("writable");
        let error = Dataset::open(self.path()).expect_err("an altered index").to_string();
        std::fs::write(&path, text).expect("writable");
        error
    }

    /// Puts `bytes` in place of the shard as a new file, as a copy would.
    fn replace_shard(&self, bytes: &[u8]) {
        std::fs::remove_file(self.shard()).expect("a shard");
        std::fs::write(self.shard(), bytes).expect("writable");
    }

    /// Makes the index agree with the shard's size.
    fn mend_index_size(&self, from: usize, to: usize) {
        let text = std::fs::read_to_string(self.index()).expect("an index");
        let text = text.replace(&format!("\"bytes\": {from}"), &format!("\"bytes\": {to}"));
        std::fs::write(self.index(), text).expect("writable");
    }
}

#[test]
fn every_altered_byte_is_an_error_or_changes_nothing_read_and_verify_finds_it() {
    for preset in [Preset::Default, Preset::Raw] {
        let victim = Victim::new(preset);
        let intact = std::fs::read(victim.shard()).unwrap();
        assert_eq!(victim.read_all().unwrap(), victim.samples);
        for at in 0..intact.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut altered = intact.clone();
                altered[at] ^= mask;
                victim.replace_shard(&altered);
                if let Ok(samples) = victim.read_all() {
                    // Padding, or a record head, which readers take from the footer.
                    assert_eq!(samples, victim.samples, "byte {at}");
                }
                if let Ok(dataset) = Dataset::open(victim.path()) {
                    let problems = dataset.verify(&mut |_| ()).unwrap();
                    assert!(matches!(problems[0].fault, Fault::ShardHash { .. }), "byte {at}");
                }
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error_even_if_the_index_agrees() {
    let victim = Victim::new(Preset::Default);
    let intact = std::fs::read(victim.shard()).unwrap();
    for length in 0..intact.len() {
        victim.replace_shard(&intact[..length]);
        let error = victim.read_all().unwrap_err();
        assert!(matches!(error, ReadError::ShardSize { .. }), "length {length}: {error}");
        victim.mend_index_size(intact.len(), length);
        let error = victim.read_all().unwrap_err().to_string();
        assert!(error.contains("toy-00000.shard: "), "length {length}: {error}");
        victim.mend_index_size(length, intact.len());
    }
}

/// Makes every checksum of the victim's shard right again, whatever its fields say.
fn reseal(bytes: &mut [u8], heads: &[std::ops::Range<usize>]) {
    let put = |bytes: &mut [u8], at: usize, sum: u32| {
        bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    };
    let mut record = 64;
    for head in heads {
        let word = |at: usize| {
            u32::from_le_bytes(std::array::from_fn(|index| bytes[head.start + at + index])) as usize
        };
        // One RGB tile, one label tile: their ends are the next offset and the record's length.
        let tiles = [(64, word(64), word(72)), (72, word(72), word(8))];
        let next_record = (record + word(8)).next_multiple_of(64);
        for (entry, start, end) in tiles {
            if start < end && record + end < bytes.len() {
                let sum = crc32c::crc32c(&bytes[record + start..record + end]);
                put(bytes, head.start + entry + 4, sum);
            }
        }
        let sum = crc32c::crc32c(&bytes[head.start..head.start + 60]);
        let sum = crc32c::crc32c_append(sum, &bytes[head.start + 64..head.end]);
        put(bytes, head.start + 60, sum);
        record = next_record;
    }
    let trailer = bytes.len() - 64;
    let sum = crc32c::crc32c(&bytes[heads[0].start..trailer]);
    put(bytes, trailer + 12, sum);
    let sum = crc32c::crc32c(&bytes[trailer..trailer + 60]);
    put(bytes, trailer + 60, sum);
}

#[test]
fn no_lie_under_correct_checksums_makes_a_reader_panic() {
    for preset in [Preset::Default, Preset::Raw] {
        let victim = Victim::new(preset);
        let intact = std::fs::read(victim.shard()).unwrap();
        let length = |id: &str| 64 + 8 + 12 + format!("{id}images/{id}.pngdrawn").len();
        let second = intact.len() - 64 - length("1");
        let heads = [second - length("0")..second, second..intact.len() - 64];
        let mut resealed = intact.clone();
        reseal(&mut resealed, &heads);
        assert_eq!(resealed, intact);
        let mut refused = 0;
        for at in 64..intact.len() {
            for mask in [0x01, 0x10, 0x80, 0xff] {
                let mut altered = intact.clone();
                altered[at] ^= mask;
                reseal(&mut altered, &heads);
                victim.replace_shard(&altered);
                refused += usize::from(victim.read_all().is_err());
                if let Ok(dataset) = Dataset::open(victim.path()) {
                    dataset.verify(&mut |_| ()).unwrap();
                }
            }
        }
        assert!(refused > 0);
    }
}

#[test]
fn a_damaged_tile_is_named_and_leaves_the_others_readable() {
    let folder = tempdir().unwrap();
    let sample = (noise_image(300, 130, 1), patchy_labels(300, 130, 1));
    let index = pack(folder.path(), &[sample], Preset::Raw, u64::MAX);
    let path = folder.path().join(&index.shards[0].file);
    let mut bytes = std::fs::read(&path).unwrap();
    // Header, head, texts and tables come first; the second RGB tile follows 128x128x3 bytes.
    let second_tile = 64 + 64 + 6 * 8 + 2 * 12 + "0images/0.pngdrawn".len() + 128 * 128 * 3;
    bytes[second_tile] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    let dataset = Dataset::open(folder.path()).unwrap();
    let mut decoder = Decoder::new();
    let beside = Window { x: 0, y: 0, width: 128, height: 130 };
    assert!(dataset.read_image(0, beside, &mut decoder).is_ok());
    let across = Window { x: 100, y: 0, width: 100, height: 10 };
    let error = dataset.read_image(0, across, &mut decoder).unwrap_err();
    let expected = TileId { plane: Plane::Rgb, column: 1, row: 0 };
    assert!(matches!(&error, ReadError::Tile { tile, .. } if *tile == expected), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("toy-00000.shard: sample \"0\", RGB tile (column 1, row 0): CRC-32C "),
        "{text}"
    );

    let problems = dataset.verify(&mut |_| ()).unwrap();
    assert_eq!(problems.len(), 2, "the shard's hash and one tile");
    assert_eq!(problems[1].tile, Some(expected));
    assert_eq!(problems[1].sample.as_deref(), Some("0"));
}

#[test]
fn a_folder_without_an_index_is_no_dataset() {
    let folder = tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let error = Dataset::open(&path).unwrap_err().to_string();
        assert!(error.contains("index.json: not found"), "{error}");
        assert!(error.contains("hint: name the folder that `shard pack` wrote"), "{error}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let victim = Victim::new(Preset::Fast);
    std::fs::remove_file(victim.shard()).unwrap();
    let error = Dataset::open(victim.path()).unwrap_err();
    assert!(matches!(&error, ReadError::ShardMissing { path } if *path == victim.shard()));
}

#[test]
fn another_kind_of_file_in_a_shards_place_is_told_apart() {
    let victim = Victim::new(Preset::Fast);
    let mut bytes = std::fs::read(victim.shard()).unwrap();
    bytes[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
    victim.replace_shard(&bytes);
    let error = Dataset::open(victim.path()).unwrap_err();
    assert!(matches!(&error, ReadError::WrongMagic { path, .. } if *path == victim.shard()));
}

#[test]
fn later_versions_are_refused_by_name() {
    let victim = Victim::new(Preset::Fast);
    let error = victim.error_with_index("\"format_version\": 1", "\"format_version\": 2");
    assert!(error.contains("index.json: format version 2, expected at most 1"), "{error}");

    let mut bytes = std::fs::read(victim.shard()).unwrap();
    bytes[8] = 2;
    victim.replace_shard(&bytes);
    let error = Dataset::open(victim.path()).unwrap_err();
    assert!(
        matches!(&error, ReadError::NewerVersion { path, found: 2, supported: 1 } if *path == victim.shard())
    );
}

#[test]
fn an_index_that_contradicts_itself_or_its_shards_is_refused() {
    let victim = Victim::new(Preset::Default);
    for (from, to, expected) in [
        ("pinmem-shards", "other-shards", "format is other-shards, expected pinmem-shards"),
        ("\"format_version\": 1", "\"format_version\": 0", "format_version is 0, expected 1"),
        ("\"ignore_id\": 255", "\"ignore_id\": 0", "dataset.ignore_id is 0, expected 255"),
        ("\"samples\": 2", "\"samples\": 3", "samples is 3, expected 2"),
        ("toy-00000.shard", "../00000.shard", "shards[0].file is ../00000.shard"),
        ("\"default\"", "\"raw\"", "preset is raw, expected default"),
        ("\"default\"", "\"best\"", "unknown variant `best`"),
        ("\"split\"", "\"splat\"", "unknown field `splat`"),
        (",\n      \"class 18\"", "", "class_names is 18 names, expected a class 18"),
        ("\"blake3\": \"", "\"blake3\": \"0", "shards[0].blake3 is 0"),
        ("{", "", "invalid type: string"),
    ] {
        let error = victim.error_with_index(from, to);
        assert!(error.contains(expected) && error.contains("index.json: "), "{error}");
    }
}

#[test]
fn a_sample_count_the_shard_does_not_have_is_refused() {
    let victim = Victim::new(Preset::Default);
    let text = std::fs::read_to_string(victim.index()).unwrap();
    std::fs::write(victim.index(), text.replace("\"samples\": 2", "\"samples\": 3")).unwrap();
    let error = Dataset::open(victim.path()).unwrap_err().to_string();
    assert!(error.contains("toy-00000.shard: sample count"), "{error}");
    assert!(error.contains("is 2, expected 3 as in index.json"), "{error}");
}

#[test]
fn a_hash_that_is_not_the_shards_is_found_by_verify() {
    let victim = Victim::new(Preset::Default);
    let text = std::fs::read_to_string(victim.index()).unwrap();
    let at = text.find("\"blake3\": \"").unwrap() + "\"blake3\": \"".len();
    let other = format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]);
    std::fs::write(victim.index(), other).unwrap();
    let problems = Dataset::open(victim.path()).unwrap().verify(&mut |_| ()).unwrap();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("toy-00000.shard: BLAKE3 hash"), "{}", problems[0]);
}
