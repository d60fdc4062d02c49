//! Without loss, whole and in windows.

use proptest::prelude::*;
use shard_format::{
    Dataset, Decoder, IGNORE_ID, LabelMap, Preset, RgbImage, Window, encode_sample,
};
use tempfile::tempdir;

use crate::drawing::{
    AWKWARD_SIZES, crop_image, crop_labels, meta, noise_image, pack, patchy_labels,
    photo_like_image,
};
use crate::victim::PRESETS;

fn awkward_samples() -> Vec<(RgbImage, LabelMap)> {
    let mut samples = Vec::new();
    for (width, height) in AWKWARD_SIZES {
        let seed = u64::from(width);
        samples.push((noise_image(width, height, seed), patchy_labels(width, height, seed)));
        samples.push((photo_like_image(width, height, seed), patchy_labels(width, height, 7)));
    }
    samples
}

#[test]
fn every_preset_returns_every_sample_bit_for_bit() {
    let samples = awkward_samples();
    let mut decoder = Decoder::new();
    for preset in PRESETS {
        let folder = tempdir().unwrap();
        pack(folder.path(), &samples, preset, 200_000);
        let dataset = Dataset::open(folder.path()).unwrap();
        assert_eq!(dataset.len(), samples.len());
        for (index, (image, labels)) in samples.iter().enumerate() {
            let info = dataset.sample(index);
            assert_eq!(info.id, index.to_string());
            assert_eq!(info.source, format!("images/{index}.png"));
            assert_eq!(info.domain, "drawn");
            assert_eq!(info.label_source, format!("labels/{index}.png"));
            assert_eq!(info.image_blake3, *blake3::hash(info.id.as_bytes()).as_bytes());
            assert_eq!(info.label_blake3, *blake3::hash(b"labels").as_bytes());
            let whole = Window::whole(info.width, info.height);
            assert_eq!(dataset.read_image(index, whole, &mut decoder).unwrap(), *image);
            assert_eq!(dataset.read_labels(index, whole, &mut decoder).unwrap(), *labels);
        }
        let mut seen = Vec::new();
        assert_eq!(dataset.verify(&mut |index| seen.push(index)).unwrap(), []);
        assert_eq!(seen, (0..samples.len()).collect::<Vec<_>>());
    }
}

#[test]
fn photographs_shrink_and_noise_takes_no_more_than_raw_tiles() {
    let labels = LabelMap { width: 256, height: 256, train_ids: vec![0; 256 * 256] };
    let stored = |image: &RgbImage, preset| {
        encode_sample(&meta("0"), image, &labels, preset).unwrap().info().stored_bytes
    };
    let (photo, noise) = (photo_like_image(256, 256, 1), noise_image(256, 256, 1));
    let raw = stored(&photo, Preset::Raw);
    assert!(stored(&photo, Preset::Default) < raw / 2);
    assert!(stored(&photo, Preset::Fast) < raw / 2);
    assert_eq!(stored(&noise, Preset::Default), raw);
    assert_eq!(stored(&noise, Preset::Fast), raw);
}

#[test]
fn class_presence_names_the_classes_of_each_label_tile() {
    let (width, height) = (300, 260);
    let mut train_ids = vec![3; 300 * 260];
    train_ids[299] = 18; // first row, second column of tiles
    train_ids[259 * 300] = IGNORE_ID; // second row, first column of tiles
    let folder = tempdir().unwrap();
    let sample = (photo_like_image(width, height, 1), LabelMap { width, height, train_ids });
    pack(folder.path(), &[sample], Preset::Default, u64::MAX);
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.class_presence(0), [1 << 3, 1 << 3 | 1 << 18, 1 << 3 | 1 << 31, 1 << 3]);
}

#[test]
fn equal_input_gives_equal_files() {
    let samples = awkward_samples();
    let folders = [tempdir().unwrap(), tempdir().unwrap()];
    let indices =
        folders.each_ref().map(|dir| pack(dir.path(), &samples, Preset::Default, 100_000));
    assert_eq!(indices[0], indices[1]);
    assert!(indices[0].shards.len() > 1);
}

#[test]
fn many_threads_read_one_dataset() {
    let samples = awkward_samples();
    let folder = tempdir().unwrap();
    pack(folder.path(), &samples, Preset::Default, u64::MAX);
    let dataset = Dataset::open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut decoder = Decoder::new();
                for (index, (image, _)) in samples.iter().enumerate() {
                    let whole = Window::whole(image.width, image.height);
                    assert_eq!(dataset.read_image(index, whole, &mut decoder).unwrap(), *image);
                }
            });
        }
    });
}

#[test]
fn windows_outside_the_image_are_refused() {
    let folder = tempdir().unwrap();
    let sample = (noise_image(31, 33, 1), patchy_labels(31, 33, 1));
    pack(folder.path(), &[sample], Preset::Fast, u64::MAX);
    let dataset = Dataset::open(folder.path()).unwrap();
    let mut decoder = Decoder::new();
    for window in [
        Window { x: 0, y: 0, width: 32, height: 1 },
        Window { x: 0, y: 33, width: 1, height: 1 },
        Window { x: 5, y: 5, width: 0, height: 1 },
        Window { x: u32::MAX, y: 0, width: 2, height: 1 },
    ] {
        let error = dataset.read_image(0, window, &mut decoder).unwrap_err().to_string();
        assert!(error.contains("expected one inside 31x33"), "{error}");
        assert!(dataset.read_labels(0, window, &mut decoder).is_err());
    }
    let error = dataset.read_image(1, Window::whole(31, 33), &mut decoder).unwrap_err();
    assert!(error.to_string().contains("sample index 1, expected less than 1"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_window_is_the_crop_of_the_whole(
        (width, height) in (1u32..400, 1u32..300),
        preset in proptest::sample::select(&PRESETS),
        cuts in proptest::collection::vec([0.0..1.0f64, 0.0..1.0, 0.0..1.0, 0.0..1.0], 12),
        seed: u64,
    ) {
        let image = photo_like_image(width, height, seed);
        let labels = patchy_labels(width, height, seed);
        let folder = tempdir().expect("a temporary folder");
        pack(folder.path(), &[(image.clone(), labels.clone())], preset, u64::MAX);
        let dataset = Dataset::open(folder.path()).expect("a valid dataset");
        let mut decoder = Decoder::new();
        for [left, top, right, bottom] in cuts {
            let x = (left * f64::from(width)) as u32;
            let y = (top * f64::from(height)) as u32;
            let window = Window {
                x,
                y,
                width: 1 + (right * f64::from(width - x)) as u32,
                height: 1 + (bottom * f64::from(height - y)) as u32,
            };
            let read = dataset.read_image(0, window, &mut decoder).expect("inside");
            prop_assert_eq!(read, crop_image(&image, window));
            let read = dataset.read_labels(0, window, &mut decoder).expect("inside");
            prop_assert_eq!(read, crop_labels(&labels, window));
        }
    }
}
