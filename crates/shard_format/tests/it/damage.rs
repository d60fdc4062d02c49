//! Damaged files are noticed and named; none makes a reader panic.

use shard_format::{Dataset, Decoder, Depth, Fault, Plane, Preset, ReadError, TileId, Window};
use tempfile::tempdir;

use crate::drawing::{noise_image, pack, patchy_labels};
use crate::hostile::open_and_read;
use crate::layout::{reseal, samples};
use crate::victim::{PRESETS, SHARD, Victim};

/// The sample and tile that byte `at` of the shard belongs to, if it belongs to one.
fn tile_at(shard: &[u8], at: usize) -> Option<(String, TileId)> {
    samples(shard).into_iter().enumerate().find_map(|(sample, parts)| {
        let tile = parts.tiles.iter().position(|tile| tile.contains(&at))?;
        // The pictures are one row of tiles high, and their labels a single tile.
        let (plane, column) = match tile.checked_sub(parts.rgb_tiles) {
            None => (Plane::Rgb, tile),
            Some(column) => (Plane::Label, column),
        };
        Some((sample.to_string(), TileId { plane, column: column as u32, row: 0 }))
    })
}

/// Whether byte `at` is one that readers do not look at: a head that has a copy in the footer,
/// or padding.
fn is_copy_or_padding(shard: &[u8], at: usize) -> bool {
    let samples = samples(shard);
    let footer = samples[0].footer_head.start;
    (64..footer).contains(&at) && tile_at(shard, at).is_none()
}

#[test]
fn every_altered_byte_is_an_error_that_names_its_tile_or_harmless_and_verify_finds_it() {
    for preset in PRESETS {
        let victim = Victim::new(preset);
        let intact = victim.shard();
        assert_eq!(victim.memory.read_all().unwrap(), victim.samples);
        // A raw shard is long and all of one kind.
        let masks: &[u8] = if preset == Preset::Raw { &[0x80] } else { &[0x01, 0x80, 0xff] };
        let changes = (0..intact.len()).flat_map(|at| masks.iter().map(move |mask| (at, *mask)));
        for ((at, mask), mapped) in changes.flat_map(|one| [(one, true), (one, false)]) {
            let mut altered = intact.to_vec();
            altered[at] ^= mask;
            let altered = victim.with_shard(altered, mapped);
            let place = tile_at(intact, at);
            match (altered.read_all(), &place) {
                (Err(ReadError::Tile { path, sample, tile, .. }), Some((id, id_of_tile))) => {
                    assert!(path.ends_with(SHARD));
                    assert_eq!((&sample, &tile), (id, id_of_tile), "byte {at}");
                }
                (Err(error), None) => {
                    let error = error.to_string();
                    assert!(error.starts_with("memory/toy-00000.shard: "), "byte {at}: {error}");
                }
                (Ok(samples), None) if is_copy_or_padding(intact, at) => {
                    assert_eq!(samples, victim.samples, "byte {at}");
                }
                (result, place) => panic!("{preset}, byte {at}, {place:?}: {result:?}"),
            }
            let Ok(dataset) = altered.open_dataset() else { continue };
            let problem = dataset.check_shard(0).unwrap().unwrap();
            assert!(matches!(problem.fault, Fault::ShardHash { .. }), "byte {at}");
            let mut decoder = Decoder::new();
            for depth in [Depth::Checksums, Depth::Content] {
                let check = |index| dataset.check_sample(index, depth, &mut decoder).unwrap();
                let problems: Vec<_> = (0..dataset.len()).flat_map(check).collect();
                let found = problems.first().map(|problem| problem.tile);
                let is_head = samples(intact).iter().any(|parts| parts.record_head.contains(&at));
                let expected = place.as_ref().map(|(_, tile)| Some(*tile));
                assert_eq!(found, expected.or(is_head.then_some(None)), "{preset}, byte {at}");
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error_even_if_the_index_agrees() {
    for (preset, mapped) in PRESETS.into_iter().flat_map(|one| [(one, true), (one, false)]) {
        let victim = Victim::new(preset);
        let intact = victim.shard();
        for length in 0..intact.len() {
            let mut altered = victim.with_shard(intact[..length].to_vec(), mapped);
            let error = altered.read_all().unwrap_err();
            assert!(matches!(error, ReadError::ShardSize { .. }), "length {length}: {error}");
            altered.edit_index(
                &format!("\"bytes\": {}", intact.len()),
                &format!("\"bytes\": {length}"),
            );
            let error = altered.read_all().unwrap_err().to_string();
            assert!(error.starts_with("memory/toy-00000.shard: "), "length {length}: {error}");
        }
    }
}

#[test]
fn no_lie_under_correct_checksums_makes_a_reader_panic() {
    for preset in PRESETS {
        let victim = Victim::new(preset);
        let intact = victim.shard();
        let mut sealed = intact.to_vec();
        reseal(&mut sealed);
        assert_eq!(sealed, intact);
        let mut changed = 0;
        let expected = open_and_read(intact);
        // Pixels of raw tiles are what they are, whichever value they have.
        let tiles = samples(intact).into_iter().flat_map(|parts| parts.tiles);
        let plain: Vec<_> = tiles.filter(|_| preset == Preset::Raw).collect();
        for at in (0..intact.len()).filter(|at| !plain.iter().any(|tile| tile.contains(at))) {
            for mask in [0x01, 0x10, 0x80, 0xff] {
                let mut altered = intact.to_vec();
                altered[at] ^= mask;
                reseal(&mut altered);
                changed += usize::from(open_and_read(&altered) != expected);
            }
        }
        assert!(changed > 0);
    }
}

#[test]
fn a_damaged_tile_is_named_and_leaves_the_others_readable() {
    let folder = tempdir().unwrap();
    let sample = (noise_image(300, 130, 1), patchy_labels(300, 130, 1));
    let index = pack(folder.path(), &[sample], Preset::Raw, u64::MAX);
    let path = folder.path().join(&index.shards[0].file);
    let mut bytes = std::fs::read(&path).unwrap();
    let second_tile = samples(&bytes)[0].tiles[1].start;
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

    let problems = dataset.verify(&mut |_| ()).unwrap();
    assert_eq!(problems.len(), 2, "the shard's hash and one tile");
    assert_eq!(problems[1].tile, Some(expected));
    assert_eq!(problems[1].sample.as_deref(), Some("0"));
}

#[test]
fn the_same_id_twice_in_a_dataset_is_refused() {
    let mut victim = Victim::new(Preset::Fast);
    let mut shard = victim.shard().to_vec();
    let second = &samples(&shard)[1];
    for head in [&second.footer_head, &second.record_head] {
        // The texts stand at the end of the head: id, source, domain, label source.
        let texts = "1images/1.pngdrawnlabels/1.png";
        shard[head.end - texts.len()] = b'0';
    }
    reseal(&mut shard);
    victim.memory.put(SHARD, shard);
    let error = victim.memory.open_dataset().unwrap_err();
    assert!(matches!(&error, ReadError::DuplicateId { sample, .. } if sample == "0"), "{error}");
}

#[test]
fn a_hash_that_is_not_the_shards_is_found_by_verify() {
    let mut victim = Victim::new(Preset::Default);
    let hash = victim.memory.open_dataset().unwrap().index().shards[0].blake3.clone();
    victim.memory.edit_index(&hash, &"0".repeat(64));
    let problems = victim.memory.open_dataset().unwrap().verify(&mut |_| ()).unwrap();
    assert_eq!(problems.len(), 1);
    assert!(matches!(problems[0].fault, Fault::ShardHash { .. }));
}
