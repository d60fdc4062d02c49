//! Whole samples on all levels of vector instructions.
#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

use loader::{Augment, Filter, Level, Mode, SampleKey, SampleRenderer, Stage};
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
    encode_sample,
};

const CROP: (u32, u32) = (161, 97);

/// Shaded areas with noise, as in a photograph, in a dataset of one sample.
fn dataset(folder: &std::path::Path) -> Dataset {
    let (width, height) = (333, 207);
    let mut pixels = Vec::new();
    let mut train_ids = Vec::new();
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let noise = (x * 7 + y * 13 + x * y) % 11;
        pixels.extend([x / 2 + noise, y + noise, (x + 2 * y) / 3].map(|level| level as u8));
        train_ids.push((x / 23 + y / 17) as u8 % 19);
    }
    let info = DatasetInfo {
        name: "one".to_owned(),
        split: "train".to_owned(),
        domain: "one".to_owned(),
        class_names: (0..19).map(|class| format!("class {class}")).collect(),
        ignore_id: 255,
        mapping: "none".to_owned(),
        license: "none".to_owned(),
    };
    let mut writer = DatasetWriter::create(folder, info, WriterOptions::default()).unwrap();
    let meta = SampleMeta { id: "a".into(), domain: "one".into(), ..SampleMeta::default() };
    let (image, labels) =
        (RgbImage { width, height, pixels }, LabelMap { width, height, train_ids });
    writer.push(encode_sample(&meta, &image, &labels, Preset::Default).unwrap()).unwrap();
    writer.finish().unwrap();
    Dataset::open(folder).unwrap()
}

#[test]
fn samples_have_the_same_bits_on_all_levels_in_both_modes() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(&root.path().join("one"));
    let pixels = (CROP.0 * CROP.1) as usize;
    for mode in [Mode::Fast, Mode::Reference] {
        for image_filter in [Filter::Bilinear, Filter::Bicubic] {
            let augment = Augment { mode, image_filter, ..Augment::strong() };
            let render = |level: Level, index: u64| {
                let (mut planes, mut labels) = (vec![1; 3 * pixels], vec![1; pixels]);
                let mut stages = Vec::new();
                SampleRenderer::new(CROP.0, CROP.1, augment)
                    .with_level(level)
                    .render(
                        (&dataset, 0),
                        SampleKey::new(5, "one", 0, index),
                        &mut planes,
                        &mut labels,
                        &mut |stage| stages.push(stage),
                    )
                    .unwrap();
                assert!(Stage::ALL.iter().all(|stage| stages.contains(stage)));
                (planes, labels)
            };
            for index in 0..12 {
                let expected = render(Level::Baseline, index);
                for level in Level::available() {
                    assert!(render(level, index) == expected, "{mode:?} {level:?} {index}");
                }
            }
        }
    }
}
