//! Where the bytes come from makes no difference, and what goes wrong on the way is told.

use std::sync::Arc;

use shard_format::{
    Access, Dataset, Decoder, Depth, Folder, Preset, ReadError, Storage, Window, encode_sample,
};
use tempfile::{TempDir, tempdir};

use crate::drawing::{AWKWARD_SIZES, meta, noise_image, pack, patchy_labels, photo_like_image};
use crate::memory::{Call, Memory};
use crate::victim::{PRESETS, SHARD, Victim, read_all};

fn open(folder: &TempDir, access: Access) -> Result<Dataset, ReadError> {
    Dataset::open_in(Arc::new(Folder { dir: folder.path().to_owned(), access }))
}

/// Puts a victim's files into a folder.
fn on_disk(preset: Preset) -> (TempDir, Victim) {
    let (folder, victim) = (tempdir().expect("a temporary folder"), Victim::new(preset));
    for (name, bytes) in &victim.memory.files {
        std::fs::write(folder.path().join(name), &**bytes).expect("writable");
    }
    (folder, victim)
}

#[test]
fn both_accesses_read_the_same() {
    for preset in PRESETS {
        let (folder, victim) = on_disk(preset);
        for access in [Access::Map, Access::Read] {
            let dataset = open(&folder, access).unwrap();
            assert_eq!(read_all(&dataset).unwrap(), victim.samples, "{preset}, {access:?}");
            assert_eq!(dataset.verify(&mut |_| ()).unwrap(), []);
        }
    }
    let samples: Vec<_> = AWKWARD_SIZES
        .map(|(width, height)| {
            (photo_like_image(width, height, 1), patchy_labels(width, height, 1))
        })
        .into();
    let folder = tempdir().unwrap();
    pack(folder.path(), &samples, Preset::Fast, 200_000);
    let dataset = open(&folder, Access::Read).unwrap();
    assert_eq!(read_all(&dataset).unwrap(), samples);
}

#[test]
fn records_come_out_as_they_went_in() {
    for preset in PRESETS {
        let (_, victim) = on_disk(preset);
        for mapped in [true, false] {
            let dataset = Memory { mapped, ..victim.memory.clone() }.open_dataset().unwrap();
            let (image, labels) = &victim.samples[1];
            let expected = encode_sample(&meta("1"), image, labels, preset).unwrap();
            assert_eq!(dataset.encoded(1).unwrap(), expected, "{preset}");
            assert_eq!(dataset.encoded(0).unwrap().info(), dataset.sample(0));
        }
    }
}

/// What a shard of one sample of 600x300 pixels is asked for while `read` runs.
fn calls_of(read: impl FnOnce(&Dataset, &mut Decoder)) -> (Vec<Call>, Vec<std::ops::Range<u64>>) {
    let folder = tempdir().expect("a temporary folder");
    let mut labels = patchy_labels(600, 300, 1);
    labels.train_ids[..256].fill(7);
    pack(folder.path(), &[(noise_image(600, 300, 1), labels)], Preset::Fast, u64::MAX);
    let memory = Memory::load(folder.path(), false);
    let dataset = memory.open_dataset().expect("a valid dataset");
    memory.calls.lock().expect("no panic under the lock").clear();
    read(&dataset, &mut Decoder::new());
    let calls = memory.calls.lock().expect("no panic under the lock").clone();
    let parts = &crate::layout::samples(&memory.files[SHARD])[0];
    (calls, parts.tiles.iter().map(|tile| tile.start as u64..tile.end as u64).collect())
}

#[test]
fn neighbouring_tiles_are_announced_together_and_read_at_once() {
    let window = Window { x: 130, y: 100, width: 200, height: 100 };
    let (calls, tiles) = calls_of(|dataset, decoder| {
        dataset.read_image(0, window, decoder).unwrap();
    });
    // Five tiles to a row: the window lies over the second and third of the first two rows.
    let rows = [tiles[1].start..tiles[2].end, tiles[6].start..tiles[7].end];
    let expected =
        [Call::Prefetch(rows.to_vec()), Call::Read(rows[0].clone()), Call::Read(rows[1].clone())];
    assert_eq!(calls, expected);

    let (calls, tiles) = calls_of(|dataset, decoder| {
        dataset.read_labels(0, Window::whole(600, 300), decoder).unwrap();
    });
    // All label tiles follow one another, behind the fifteen RGB tiles.
    let all = tiles[15].start..tiles[20].end;
    assert_eq!(calls, [Call::Prefetch(vec![all.clone()]), Call::Read(all)]);
}

#[test]
fn a_shard_that_is_cut_off_while_it_is_open_is_an_error_with_both_lengths() {
    let (folder, victim) = on_disk(Preset::Default);
    let dataset = open(&folder, Access::Read).unwrap();
    let file = std::fs::File::options().write(true).open(folder.path().join(SHARD)).unwrap();
    for length in [0, 64, 300] {
        file.set_len(length).unwrap();
        let error = read_all(&dataset).unwrap_err();
        assert!(matches!(error, ReadError::SampleIo { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.contains(&format!("the file has {length} bytes, expected at least")),
            "{error}"
        );
        let mut decoder = Decoder::new();
        assert!(dataset.check_sample(0, Depth::Checksums, &mut decoder).is_err());
        assert!(dataset.encoded(0).is_err());
        let error = dataset.check_shard(0).unwrap_err().to_string();
        assert!(error.contains("cannot read the shard: the file has"), "{error}");
    }
    assert!(victim.shard().len() > 300);
}

#[test]
fn an_open_shard_outlives_its_name() {
    let (folder, victim) = on_disk(Preset::Jpeg);
    let datasets = [Access::Map, Access::Read].map(|access| open(&folder, access).unwrap());
    std::fs::remove_file(folder.path().join(SHARD)).unwrap();
    for dataset in &datasets {
        assert_eq!(read_all(dataset).unwrap(), victim.samples);
    }
    for access in [Access::Map, Access::Read] {
        let error = open(&folder, access).unwrap_err();
        assert!(matches!(&error, ReadError::ShardMissing { path } if path.ends_with(SHARD)));
    }
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("a"), [7; 10]).unwrap();
    let folder = Folder { dir: folder.path().to_owned(), access: Access::Read };
    assert_eq!(folder.read("a", 10).unwrap(), [7; 10]);
    let error = folder.read("a", 9).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
}

#[test]
fn shards_and_samples_that_do_not_exist_are_errors() {
    let dataset = Victim::new(Preset::Fast).memory.open_dataset().unwrap();
    assert_eq!((dataset.shard_count(), dataset.len()), (1, 2));
    assert!(matches!(dataset.check_shard(1), Err(ReadError::NoShard { shards: 1, .. })));
    let mut decoder = Decoder::new();
    let error = dataset.check_sample(2, Depth::Checksums, &mut decoder).unwrap_err();
    assert!(matches!(error, ReadError::NoSample { samples: 2, .. }));
    assert!(matches!(dataset.encoded(2), Err(ReadError::NoSample { .. })));
}
