//! What is left of a damaged sample can be read.

use std::sync::atomic::Ordering;

use shard_format::{Decoder, IGNORE_ID, LabelMap, Plane, Preset, ReadError, RgbImage, Window};
use tempfile::tempdir;

use crate::drawing::{noise_image, pack, patchy_labels};
use crate::layout::samples;
use crate::memory::Memory;
use crate::victim::Victim;

const COLOUR: [u8; 3] = [124, 116, 104];
const SIZE: (u32, u32) = (300, 270);

/// One sample with 3x3 image tiles and 2x2 label tiles.
fn packed(preset: Preset, mapped: bool) -> (Memory, RgbImage, LabelMap) {
    let folder = tempdir().expect("a temporary folder");
    let sample = (noise_image(SIZE.0, SIZE.1, 1), patchy_labels(SIZE.0, SIZE.1, 1));
    pack(folder.path(), std::slice::from_ref(&sample), preset, u64::MAX);
    (Memory::load(folder.path(), mapped), sample.0, sample.1)
}

fn alter(memory: &mut Memory, tiles: &[usize]) {
    let mut shard = memory.files["toy-00000.shard"].to_vec();
    let places = samples(&shard)[0].tiles.clone();
    for tile in tiles {
        shard[places[*tile].start] ^= 1;
    }
    memory.put("toy-00000.shard", shard);
}

fn pixels(window: Window) -> impl Iterator<Item = (u32, u32)> {
    (window.y..window.y + window.height)
        .flat_map(move |y| (window.x..window.x + window.width).map(move |x| (x, y)))
}

fn contains(window: &Window, (x, y): (u32, u32)) -> bool {
    Window { x, y, width: 1, height: 1 }.overlap(window).is_some()
}

#[test]
fn a_damaged_tile_is_painted_over_and_the_others_stay_as_they_are() {
    let window = Window { x: 100, y: 120, width: 180, height: 149 };
    for (preset, mapped) in
        [Preset::Default, Preset::Raw].map(|one| [(one, true), (one, false)]).concat()
    {
        let (mut memory, image, labels) = packed(preset, mapped);
        // Image tiles (1, 0) and (2, 2), and label tile (1, 1), the last of the record.
        alter(&mut memory, &[1, 8, 12]);
        let dataset = memory.open_dataset().unwrap();
        let mut decoder = Decoder::new();

        let (read, damaged) = dataset.read_image_masked(0, window, &mut decoder, COLOUR).unwrap();
        let places: Vec<_> = damaged.iter().map(|one| (one.tile.column, one.tile.row)).collect();
        assert_eq!(places, [(1, 0), (2, 2)]);
        assert_eq!(damaged[0].tile.plane, Plane::Rgb);
        assert_eq!(damaged[0].area, Window { x: 128, y: 120, width: 128, height: 8 });
        for ((x, y), found) in pixels(window).zip(read.pixels.chunks_exact(3)) {
            let at = (y * SIZE.0 + x) as usize * 3;
            let masked = damaged.iter().any(|one| contains(&one.area, (x, y)));
            let expected = if masked { &COLOUR } else { &image.pixels[at..at + 3] };
            assert_eq!(found, expected, "{preset}, column {x}, row {y}");
        }

        let (read, damaged) = dataset.read_labels_masked(0, window, &mut decoder).unwrap();
        assert_eq!(damaged.len(), 1);
        assert_eq!(damaged[0].area, Window { x: 256, y: 256, width: 24, height: 13 });
        for ((x, y), found) in pixels(window).zip(read.train_ids) {
            let masked = contains(&damaged[0].area, (x, y));
            let at = (y * SIZE.0 + x) as usize;
            assert_eq!(found, if masked { IGNORE_ID } else { labels.train_ids[at] });
        }
    }
}

#[test]
fn an_intact_sample_reads_the_same_with_and_without_masks() {
    let (memory, image, labels) = packed(Preset::Default, true);
    let dataset = memory.open_dataset().unwrap();
    let (whole, mut decoder) = (Window::whole(SIZE.0, SIZE.1), Decoder::new());
    let read = dataset.read_image_masked(0, whole, &mut decoder, COLOUR).unwrap();
    assert!(read == (image, vec![]));
    assert!(dataset.read_labels_masked(0, whole, &mut decoder).unwrap() == (labels, vec![]));
}

#[test]
fn an_image_kept_as_a_jpeg_file_is_one_tile() {
    let victim = Victim::new(Preset::Jpeg);
    let mut memory = victim.memory.clone();
    alter(&mut memory, &[0]);
    let dataset = memory.open_dataset().unwrap();
    let window = Window { x: 3, y: 4, width: 9, height: 5 };
    let (read, damaged) =
        dataset.read_image_masked(0, window, &mut Decoder::new(), COLOUR).unwrap();
    assert!(read.pixels.chunks_exact(3).all(|pixel| pixel == COLOUR));
    assert_eq!(damaged.len(), 1);
    assert_eq!(damaged[0].area, window);
}

#[test]
fn bytes_that_do_not_come_are_no_damage() {
    let (mut memory, ..) = packed(Preset::Raw, false);
    let dataset = memory.open_dataset().unwrap();
    let whole = Window::whole(SIZE.0, SIZE.1);
    let cut_off = |error: ReadError| {
        assert!(error.damage().is_none() && matches!(error, ReadError::SampleIo { .. }), "{error}");
    };
    memory.fails.store(true, Ordering::Relaxed);
    let mut decoder = Decoder::new();
    cut_off(dataset.read_image_masked(0, whole, &mut decoder, COLOUR).unwrap_err());
    cut_off(dataset.read_labels_masked(0, whole, &mut decoder).unwrap_err());
    memory.fails.store(false, Ordering::Relaxed);
    alter(&mut memory, &[0]);
    let error = memory.open_dataset().unwrap().read_image(0, whole, &mut decoder).unwrap_err();
    assert!(error.damage().is_some(), "{error}");
}
