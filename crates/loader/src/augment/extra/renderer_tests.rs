//! The styles in the renderer: what is off changes nothing, and labels follow the rules.

use std::path::{Path, PathBuf};

use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
    encode_sample,
};

use super::*;
use crate::augment::Augment;
use crate::renderer::SampleRenderer;

const CROP: u32 = 48;
const PIXELS: usize = (CROP * CROP) as usize;

/// One frame, 160x120: class 0 but for two rectangles of classes 1 and 2 in the lower right corner.
fn pack(root: &Path) -> PathBuf {
    let folder = root.join("frames");
    let info = DatasetInfo {
        name: "frames".to_owned(),
        split: "train".to_owned(),
        domain: "frames".to_owned(),
        class_names: ["road", "car", "pole"].map(str::to_owned).to_vec(),
        ignore_id: 255,
        mapping: "none".to_owned(),
        license: "none".to_owned(),
    };
    let options = WriterOptions { max_shard_bytes: 1 << 20, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(&folder, info, options).unwrap();
    let (width, height) = (160, 120);
    let label = |x: u32, y: u32| match (x >= 90, y >= 60) {
        (true, true) => 1 + (x >= 125) as u8,
        _ => 0,
    };
    let places = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = places().flat_map(|(x, y)| [x as u8, y as u8, (x * y / 90) as u8]).collect();
    let image = RgbImage { width, height, pixels };
    let train_ids = places().map(|(x, y)| label(x, y)).collect();
    let labels = LabelMap { width, height, train_ids };
    let meta = SampleMeta { id: "a".into(), domain: "frames".into(), ..SampleMeta::default() };
    writer.push(encode_sample(&meta, &image, &labels, Preset::Fast).unwrap()).unwrap();
    writer.finish().unwrap();
    folder
}

/// The planes and the labels of one sample.
fn render(dataset: &Dataset, augment: Augment, index: u64) -> (Vec<u8>, Vec<u8>) {
    let (mut planes, mut labels) = (vec![7; 3 * PIXELS], vec![7; PIXELS]);
    let key = SampleKey::new(5, "frames", 0, index);
    SampleRenderer::new(CROP, CROP, augment)
        .render((dataset, 0), key, &mut planes, &mut labels, &mut |_| {})
        .unwrap();
    (planes, labels)
}

fn opened() -> (tempfile::TempDir, Dataset) {
    let root = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(&pack(root.path())).unwrap();
    (root, dataset)
}

#[test]
fn what_has_probability_zero_changes_no_bit_whatever_its_ranges() {
    let (_root, dataset) = opened();
    let mut extra = Extra::none();
    (extra.night.ambient_light_share_max, extra.shadow.light_share_min) = (0.9, 0.0);
    (extra.rain.streaks_max, extra.snow.cover_share_max) = (9000, 1.0);
    (extra.rand_augment.magnitude, extra.cutout.area_share_max) = (10.0, 1.0);
    extra.class_balanced_crop.class_share_max = 0.0;
    for index in 0..20 {
        let plain = render(&dataset, Augment::reference(), index);
        assert_eq!(render(&dataset, Augment { extra, ..Augment::reference() }, index), plain);
    }
}

#[test]
fn weather_light_and_colour_leave_labels_and_the_crop_alone() {
    let (_root, dataset) = opened();
    let mut extra = Extra::none();
    extra.night.probability = 1.0;
    extra.shadow.probability = 1.0;
    extra.sun_flare.probability = 1.0;
    extra.fog.probability = 1.0;
    extra.rain.probability = 1.0;
    extra.snow.probability = 1.0;
    extra.channel_statistics.probability = 1.0;
    extra.rand_augment.probability = 1.0;
    for index in 0..20 {
        let (plain, plain_labels) = render(&dataset, Augment::reference(), index);
        let (planes, labels) = render(&dataset, Augment { extra, ..Augment::reference() }, index);
        assert_eq!(labels, plain_labels);
        assert_ne!(planes, plain);
    }
}

#[test]
fn cutout_comes_after_the_blur_and_marks_its_labels_only_where_asked() {
    let (_root, dataset) = opened();
    let mut extra = Extra::none();
    extra.cutout =
        Cutout { probability: 1.0, rectangles_max: 1, fill: CutoutFill::Black, ..extra.cutout };
    for index in 0..20 {
        let whole = Augment { scale_min: 1.0, scale_max: 1.0, ..Augment::reference() };
        let (_, plain_labels) = render(&dataset, whole, index);
        let (planes, labels) = render(&dataset, Augment { extra, ..whole }, index);
        let cut: Vec<usize> = (0..PIXELS).filter(|&pixel| labels[pixel] == 255).collect();
        assert!(!cut.is_empty());
        // A blur would let the surroundings into the rectangle's rim.
        assert!(cut.iter().all(|&pixel| (0..3).all(|plane| planes[plane * PIXELS + pixel] == 0)));
        let kept = Extra { cutout: Cutout { labels: CutoutLabels::Keep, ..extra.cutout }, ..extra };
        let (same_planes, kept_labels) = render(&dataset, Augment { extra: kept, ..whole }, index);
        assert_eq!((same_planes, kept_labels), (planes, plain_labels));
    }
}

#[test]
fn a_balanced_crop_shows_less_of_the_class_that_is_nearly_everywhere() {
    let (_root, dataset) = opened();
    let mut extra = Extra::none();
    extra.class_balanced_crop.probability = 1.0;
    let share = |augment: Augment, index: u64| {
        let (_, labels) = render(&dataset, augment, index);
        let count = |label: u8| labels.iter().filter(|&&found| found == label).count() as f64;
        count(0) / (count(0) + count(1) + count(2))
    };
    let (mut plain, mut balanced, mut accepted) = (0.0, 0.0, 0);
    for index in 0..100 {
        let rule = Augment { extra, ..Augment::none() };
        plain += share(Augment::none(), index) / 100.0;
        let found = share(rule, index);
        balanced += found / 100.0;
        accepted += u32::from(found < 0.75);
    }
    // A draw shows the corner's classes on a quarter of its pixels about once in four or five, and
    // fails to in eleven draws once in ten or more.
    assert!(plain > 0.75, "{plain}");
    assert!(balanced < 0.6, "{balanced}");
    assert!(accepted > 80, "{accepted}");
}

#[test]
fn trying_again_keeps_scale_and_flip() {
    let (_root, dataset) = opened();
    let mut extra = Extra::none();
    // No crop passes, so that the tenth attempt is what shows.
    (extra.class_balanced_crop.probability, extra.class_balanced_crop.class_share_max) = (1.0, 0.0);
    for index in 0..10 {
        let augment = Augment {
            scale_min: 0.3,
            scale_max: 1.0,
            flip_probability: 0.5,
            extra,
            ..Augment::none()
        };
        let (plain, _) = render(&dataset, Augment { extra: Extra::none(), ..augment }, index);
        let (again, _) = render(&dataset, augment, index);
        // Red is the source's column: its slope is 1 / scale, and negative where flipped. The
        // middle row shows the picture, not its padding.
        let slope = |planes: &[u8]| {
            let row = &planes[PIXELS / 2..][..CROP as usize];
            let shown: Vec<f64> =
                row.iter().filter(|&&red| red > 3).map(|&red| red.into()).collect();
            (shown[shown.len() - 4] - shown[3]) / (shown.len() - 7) as f64
        };
        let (plain, again) = (slope(&plain), slope(&again));
        // Levels are rounded: an error of one level over 20 columns or more.
        assert!((plain - again).abs() < 0.08, "{index}: {plain} {again}");
    }
}
