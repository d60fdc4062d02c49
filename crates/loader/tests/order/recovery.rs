//! Damaged samples under each policy, and storage that fails under all of them.

use std::collections::BTreeSet;
use std::path::Path;

use loader::{
    Augment, Batch, ClassUniform, FaultPolicy, Loader, LoaderError, LoaderOptions, Remedy,
    SampleKey, SampleRenderer, SampleTag, Sampling, StreamSource,
};
use shard_format::{Dataset, LabelMap, Plane, RgbImage, TileId};
use shard_store::{AccessMode, StoreOptions};
use tempfile::TempDir;

use crate::batches;
use crate::damage::alter_tile;
use crate::support::{CLASSES, pack_frames, two_domains};

/// One domain of 7 samples, whole images 150 to 230 pixels wide and 90 or 140 high.
fn one_domain(root: &TempDir, faults: FaultPolicy) -> LoaderOptions {
    let mut options = LoaderOptions {
        faults,
        augment: Augment::none(),
        crop_width: 240,
        crop_height: 150,
        end_batch: 14,
        ..two_domains(root)
    };
    options.streams.truncate(1);
    options
}

fn folder(options: &LoaderOptions) -> &Path {
    &options.streams[0].shards[0]
}

fn alter_first_image_tile(options: &LoaderOptions, sample: usize) {
    alter_tile(folder(options), sample, Plane::Rgb, 0, 0);
}

/// Tag, image and labels.
type Sample<'a> = (&'a SampleTag, &'a [u8], &'a [u8]);

/// Every sample in the order of the stream.
fn samples(batches: &[Batch]) -> Vec<Sample<'_>> {
    let parts = batches.iter().map(|batch| &batch.streams[0]);
    let each = parts.flat_map(|part| {
        let pixels = part.height * part.width;
        let images = part.images.chunks_exact(3 * pixels);
        part.samples.iter().zip(images).zip(part.labels.chunks_exact(pixels))
    });
    each.map(|((tag, image), labels)| (tag, image, labels)).collect()
}

#[test]
fn the_next_sample_of_the_order_takes_the_place_of_a_damaged_one() {
    let root = tempfile::tempdir().unwrap();
    let options = one_domain(&root, FaultPolicy::Substitute);
    let intact = batches(options.clone());
    alter_first_image_tile(&options, 2);
    alter_first_image_tile(&options, 5);
    let mended = batches(options.clone());
    assert!(mended == batches(LoaderOptions { workers: 7, ..options }), "7 workers");

    let order: Vec<usize> = samples(&intact).iter().map(|(tag, ..)| tag.sample).collect();
    let mut substituted = 0;
    for (number, ((tag, image, labels), before)) in
        samples(&mended).into_iter().zip(samples(&intact)).enumerate()
    {
        assert_eq!((tag.epoch, tag.index), (before.0.epoch, before.0.index));
        let epoch = &order[number / 7 * 7..number / 7 * 7 + 7];
        let expected =
            (0..7).map(|step| epoch[(number + step) % 7]).find(|one| ![2, 5].contains(one));
        assert_eq!(Some(tag.sample), expected);
        assert_eq!(tag.id, format!("first-{}", tag.sample));
        if tag.sample == before.0.sample {
            assert!((image, labels) == (before.1, before.2));
        } else {
            substituted += 1;
        }
    }
    // 42 samples are 6 epochs, each with two damaged ones.
    assert_eq!(substituted, 12);
}

#[test]
fn every_substitution_is_recorded_with_file_sample_tile_and_reason() {
    let root = tempfile::tempdir().unwrap();
    let options = one_domain(&root, FaultPolicy::Substitute);
    alter_first_image_tile(&options, 2);
    let mut loader = Loader::start(options.clone()).unwrap();
    let mut recorded = 0;
    for batch in loader.by_ref().map(Result::unwrap) {
        for fault in &batch.faults {
            let tag = &batch.streams[0].samples[fault.slot];
            let remedy = Remedy::Substituted { sample: tag.sample, id: tag.id.clone() };
            assert_eq!(fault.remedy, remedy);
            assert_eq!((fault.sample, fault.id.as_str()), (2, "first-2"));
            assert_eq!(fault.tile, Some(TileId { plane: Plane::Rgb, column: 0, row: 0 }));
            let text = fault.to_string();
            let shard = folder(&options).join("first-00000.shard");
            for fact in [shard.to_str().unwrap(), "first-2", "RGB tile", "CRC-32C", &tag.id] {
                assert!(text.contains(fact), "{fact} in {text}");
            }
            recorded += 1;
        }
    }
    assert_eq!(recorded, 6);
    let stats = loader.stats();
    assert_eq!((stats.faults, stats.substituted_samples, stats.masked_tiles), (6, 6, 0));
}

#[test]
fn a_domain_whose_samples_are_all_damaged_ends_with_the_last_one_tried() {
    for faults in [FaultPolicy::Substitute, FaultPolicy::MaskTile] {
        let root = tempfile::tempdir().unwrap();
        let options = one_domain(&root, faults);
        (0..7).for_each(|sample| alter_tile(folder(&options), sample, Plane::Label, 0, 0));
        let error = Loader::start(options).unwrap().find_map(Result::err).unwrap();
        let LoaderError::NoSubstitute { tried: 6, source, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains("first-"), "{source}");
    }
}

#[test]
fn a_substitute_of_a_sample_chosen_for_a_class_is_an_ordinary_sample() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions {
        class_uniform: Some(ClassUniform { fraction: 1.0 }),
        crop_width: 40,
        crop_height: 40,
        ..one_domain(&root, FaultPolicy::Substitute)
    };
    (0..3).for_each(|sample| alter_tile(folder(&options), sample, Plane::Label, 0, 0));
    let dataset = Dataset::open(folder(&options)).unwrap();
    let mut renderer = SampleRenderer::new(40, 40, Augment::none());
    let (mut planes, mut labels) = (vec![0; 3 * 40 * 40], vec![0; 40 * 40]);
    let mut substituted = 0;
    let batches = batches(options.clone());
    for (tag, image, _) in samples(&batches) {
        let key = SampleKey::new(options.seed, "first", tag.epoch, tag.index);
        let pixels = (&mut planes[..], &mut labels[..]);
        renderer.render((&dataset, tag.sample), key, pixels.0, pixels.1, &mut |_| ()).unwrap();
        if tag.class.is_none() {
            assert!(planes == image, "{tag:?} has no focus");
            substituted += 1;
        }
    }
    let places: BTreeSet<_> = batches
        .iter()
        .flat_map(|batch| batch.faults.iter().map(|fault| (batch.index, fault.slot)))
        .collect();
    assert_eq!(substituted, places.len());
    assert!((5..40).contains(&substituted), "{substituted} of 42");
}

#[test]
fn where_samples_are_drawn_the_next_of_the_domain_takes_the_place() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions {
        sampling: Sampling::image_uniform(5),
        ..one_domain(&root, FaultPolicy::Substitute)
    };
    let intact = batches(options.clone());
    alter_first_image_tile(&options, 6);
    let mended = batches(options);
    let pairs = || samples(&intact).into_iter().zip(samples(&mended));
    assert!(pairs().any(|(before, _)| before.0.sample == 6));
    for (before, after) in pairs() {
        assert_eq!(after.0.sample, before.0.sample % 6);
    }
}

#[test]
fn a_damaged_image_tile_becomes_the_mean_colour_and_is_ignored_in_the_labels() {
    for flip_probability in [0.0, 1.0] {
        let root = tempfile::tempdir().unwrap();
        let augment = Augment { flip_probability, ..Augment::none() };
        let options = LoaderOptions { augment, ..one_domain(&root, FaultPolicy::MaskTile) };
        let intact = batches(options.clone());
        alter_first_image_tile(&options, 2);
        let masked = batches(options.clone());
        assert!(masked == batches(LoaderOptions { workers: 7, ..options.clone() }), "7 workers");
        let mut met = 0;
        for (before, after) in samples(&intact).into_iter().zip(samples(&masked)) {
            assert_eq!(before.0, after.0);
            if after.0.sample == 2 {
                check_first_tile_is_masked(before, after, flip_probability == 1.0);
                met += 1;
            } else {
                assert!(before == after);
            }
        }
        assert_eq!(met, 6);
    }
}

fn check_first_tile_is_masked(before: Sample<'_>, after: Sample<'_>, flipped: bool) {
    // The crop is larger than the image, so the labels show where the image stands in it.
    let shown: Vec<usize> = (0..240 * 150).filter(|at| before.2[*at] != 255).collect();
    let (first, last) = (shown[0], shown[shown.len() - 1]);
    for at in shown {
        let x = if flipped { last % 240 - at % 240 } else { at % 240 - first % 240 };
        let y = at / 240 - first / 240;
        if x < 128 && y < 128 {
            assert_eq!(after.2[at], 255);
            let found = [0, 1, 2].map(|plane| after.1[plane * 240 * 150 + at]);
            assert_eq!(found, [124, 116, 104], "column {x}, row {y}");
        } else {
            assert_eq!(before.2[at], after.2[at], "column {x}, row {y}");
            assert_eq!(before.1[at], after.1[at]);
        }
    }
}

#[test]
fn every_masked_tile_is_recorded_and_counted() {
    let root = tempfile::tempdir().unwrap();
    let options = one_domain(&root, FaultPolicy::MaskTile);
    alter_first_image_tile(&options, 2);
    let mut loader = Loader::start(options).unwrap();
    let faults: Vec<_> = loader.by_ref().flat_map(|batch| batch.unwrap().faults).collect();
    assert_eq!(faults.len(), 6);
    assert!(faults.iter().all(|fault| fault.remedy == Remedy::Masked && fault.sample == 2));
    let stats = loader.stats();
    assert_eq!((stats.faults, stats.substituted_samples, stats.masked_tiles), (6, 0, 6));
}

#[test]
fn a_sample_of_whose_crop_nothing_is_left_is_substituted_instead_of_masked() {
    let root = tempfile::tempdir().unwrap();
    let options = one_domain(&root, FaultPolicy::MaskTile);
    // All labels of sample 1, and the whole image of sample 0, which is 150x90 pixels large.
    alter_tile(folder(&options), 1, Plane::Label, 0, 0);
    for column in [0, 1] {
        alter_tile(folder(&options), 0, Plane::Rgb, column, 0);
    }
    let mut loader = Loader::start(options).unwrap();
    let batches: Vec<Batch> = loader.by_ref().map(Result::unwrap).collect();
    assert!(samples(&batches).iter().all(|(tag, ..)| tag.sample > 1));
    let stats = loader.stats();
    assert_eq!((stats.substituted_samples, stats.masked_tiles), (12, 0));
    // Of the six times, sample 0 has two tiles, sample 1 one.
    assert!(stats.faults >= 18, "{stats:?}");
}

#[test]
fn a_sample_without_a_label_left_is_substituted_instead_of_masked() {
    let root = tempfile::tempdir().unwrap();
    let frame = |_| {
        let image = RgbImage { width: 200, height: 100, pixels: vec![90; 3 * 200 * 100] };
        // Only what the first image tile covers is labelled.
        let train_ids = (0..200 * 100).map(|at| if at % 200 < 128 { 0 } else { 255 }).collect();
        (image, LabelMap { width: 200, height: 100, train_ids })
    };
    let folder = pack_frames(root.path(), "half", &CLASSES, (0..3).map(frame));
    let options = LoaderOptions {
        streams: vec![StreamSource::new("half", vec![folder], 3)],
        end_batch: 1,
        ..one_domain(&root, FaultPolicy::MaskTile)
    };
    alter_first_image_tile(&options, 1);
    let batch = batches(options).remove(0);
    let [fault] = &batch.faults[..] else { panic!("{:?}", batch.faults) };
    assert_eq!(fault.sample, 1);
    assert!(matches!(fault.remedy, Remedy::Substituted { .. }), "{fault}");
}

#[test]
fn strict_is_the_default_and_damage_outside_of_the_crop_is_not_met() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions {
        faults: FaultPolicy::default(),
        ..one_domain(&root, FaultPolicy::Substitute)
    };
    alter_first_image_tile(&options, 3);
    let error = Loader::start(options.clone()).unwrap().find_map(Result::err).unwrap();
    assert!(matches!(error, LoaderError::Sample { sample: 3, .. }), "{error}");
    // The last column of sample 3 lies in its second tile, which is all that small crops there see.
    let small = LoaderOptions {
        faults: FaultPolicy::Substitute,
        crop_width: 4,
        crop_height: 4,
        end_batch: 700,
        ..options
    };
    let batches = batches(small);
    let shown = samples(&batches).iter().filter(|(tag, ..)| tag.sample == 3).count();
    let met = batches.iter().map(|batch| batch.faults.len()).sum::<usize>();
    assert!(shown > 0 && met > 0, "{shown} shown, {met} met");
}

#[test]
fn a_shard_cut_off_while_it_is_open_ends_the_stream_under_every_policy() {
    for faults in [FaultPolicy::Strict, FaultPolicy::Substitute, FaultPolicy::MaskTile] {
        let root = tempfile::tempdir().unwrap();
        let options = LoaderOptions {
            store: StoreOptions { access: AccessMode::Read, ..StoreOptions::default() },
            end_batch: u64::MAX,
            ..one_domain(&root, faults)
        };
        let shard = folder(&options).join("first-00000.shard");
        let mut loader = Loader::start(options).unwrap();
        std::fs::OpenOptions::new().write(true).open(&shard).unwrap().set_len(100).unwrap();
        let error = loader.find_map(Result::err).unwrap();
        assert!(matches!(error, LoaderError::Sample { .. }), "{error}");
        for fact in [shard.to_str().unwrap(), "cannot read bytes", "sample"] {
            assert!(error.to_string().contains(fact), "{fact} in {error}");
        }
    }
}

#[test]
fn a_shard_deleted_while_it_is_open_is_read_to_the_end() {
    for access in [AccessMode::Read, AccessMode::Map] {
        let root = tempfile::tempdir().unwrap();
        let options = LoaderOptions {
            store: StoreOptions { access, ..StoreOptions::default() },
            ..one_domain(&root, FaultPolicy::Strict)
        };
        let shard = folder(&options).join("first-00000.shard");
        let loader = Loader::start(options).unwrap();
        std::fs::remove_file(shard).unwrap();
        assert_eq!(loader.map(Result::unwrap).count(), 14);
    }
}
