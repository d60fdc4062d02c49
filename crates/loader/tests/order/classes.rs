//! Samples chosen for rare classes.

use loader::{Augment, Batch, ClassUniform, LoaderOptions, SampleTag, StreamSource};
use shard_format::{LabelMap, RgbImage};
use tempfile::TempDir;

use crate::batches;
use crate::support::pack_frames;

const SAMPLES: usize = 10;
const SIDE: u32 = 600;

/// Ten 600x600 frames of class 0; in frame 4, label tile (1, 1) holds class 1 throughout. Classes 2
/// and up do not occur.
fn options(root: &TempDir, fraction: f64) -> LoaderOptions {
    let frames = (0..SAMPLES).map(|frame| {
        let in_tile = |at: u32| (256..512).contains(&at);
        let train_ids = (0..SIDE * SIDE)
            .map(|at| u8::from(frame == 4 && in_tile(at % SIDE) && in_tile(at / SIDE)))
            .collect();
        let image =
            RgbImage { width: SIDE, height: SIDE, pixels: vec![9; 3 * (SIDE * SIDE) as usize] };
        (image, LabelMap { width: SIDE, height: SIDE, train_ids })
    });
    let folder = pack_frames(root.path(), "rare", &["road", "train", "rider"], frames);
    LoaderOptions {
        streams: vec![StreamSource::new("rare", vec![folder], 10)],
        class_uniform: Some(ClassUniform { fraction }),
        crop_width: 100,
        crop_height: 60,
        augment: Augment { scale_min: 0.5, scale_max: 2.0, ..Augment::none() },
        seed: 3,
        workers: 2,
        end_batch: 100,
        ..LoaderOptions::default()
    }
}

fn tags(batches: &[Batch]) -> impl Iterator<Item = &SampleTag> {
    batches.iter().flat_map(|batch| &batch.streams[0].samples)
}

#[test]
fn a_rare_class_comes_as_often_as_the_fraction_and_the_number_of_classes_say() {
    let root = tempfile::tempdir().unwrap();
    let batches = batches(options(&root, 0.5));
    let for_class = |class| tags(&batches).filter(|tag| tag.class == Some(class)).count();
    // 1000 samples, half of them for one of two classes: 250 each, standard deviation 14.
    for class in [0, 1] {
        assert!((180..=320).contains(&for_class(class)), "{class}: {}", for_class(class));
    }
    assert_eq!(for_class(2), 0);
    // Frame 4: a tenth of the 500 ordinary ones, all 250 of class 1, and of those of class 0 the
    // 8 of its tiles among 89 (9 tiles a frame, one of them rare); deviation 15.
    let expected = 500.0 / 10.0 + 250.0 + 250.0 * 8.0 / 89.0;
    let found = tags(&batches).filter(|tag| tag.sample == 4).count();
    assert!((found as f64 - expected).abs() < 75.0, "{found}, expected {expected}");
}

#[test]
fn a_crop_that_was_chosen_for_a_class_shows_it_and_crops_differ() {
    let root = tempfile::tempdir().unwrap();
    let mut shares = Vec::new();
    for batch in batches(options(&root, 1.0)) {
        let part = &batch.streams[0];
        for (tag, labels) in part.samples.iter().zip(part.labels.chunks_exact(100 * 60)) {
            let class = tag.class.unwrap();
            let shown = labels.iter().filter(|label| **label == class).count();
            assert!(shown > 0, "class {class} of {tag:?}");
            if class == 1 {
                assert_eq!(tag.id, "rare-4");
                shares.push(shown);
            }
        }
    }
    shares.sort_unstable();
    shares.dedup();
    assert!(shares.len() > 20, "the class stands anywhere in the crop: {shares:?}");
}

#[test]
fn without_a_fraction_the_samples_are_those_of_the_plain_order() {
    let root = tempfile::tempdir().unwrap();
    let with = options(&root, 0.0);
    let without = LoaderOptions { class_uniform: None, ..with.clone() };
    assert!(batches(with) == batches(without));
}
