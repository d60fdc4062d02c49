//! Pictures and datasets to test with.

use std::path::Path;

use shard_format::{
    DatasetIndex, DatasetInfo, DatasetWriter, IGNORE_ID, LabelMap, Preset, RgbImage, SampleMeta,
    Window, WriterOptions, encode_sample,
};

/// Sizes at and around tile borders, in pixels.
pub(crate) const AWKWARD_SIZES: [(u32, u32); 8] =
    [(1, 1), (31, 33), (128, 1), (1, 129), (127, 129), (256, 256), (300, 511), (513, 257)];

/// A smooth picture of 24x16 pixels as JPEG files, see `tests/data/README.md`.
pub(crate) const JPEGS: [(&str, &[u8]); 4] = [
    ("baseline 4:2:0", include_bytes!("../data/jpeg/baseline_420.jpg")),
    ("baseline 4:4:4", include_bytes!("../data/jpeg/baseline_444.jpg")),
    ("progressive 4:2:0", include_bytes!("../data/jpeg/progressive_420.jpg")),
    ("grey", include_bytes!("../data/jpeg/grey.jpg")),
];

/// A bit-mixed function of the seed and the index (splitmix64).
pub(crate) fn noise(seed: u64, index: usize) -> u8 {
    let mut bits = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) as u8
}

/// An image without any structure.
pub(crate) fn noise_image(width: u32, height: u32, seed: u64) -> RgbImage {
    let pixels = (0..(width * height * 3) as usize).map(|index| noise(seed, index)).collect();
    RgbImage { width, height, pixels }
}

/// An image with shading, an edge and little noise, as a photograph has.
pub(crate) fn photo_like_image(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut pixels = Vec::new();
    for (x, y) in positions(width, height) {
        let edge = if x + 2 * y > width { 60 } else { 0 };
        for channel in 0..3u32 {
            let shade = (x / 3 + y / (2 + channel) + edge) as u8;
            pixels.push(shade.wrapping_add(noise(seed, pixels.len()) % 4));
        }
    }
    RgbImage { width, height, pixels }
}

/// Labels in patches, with all 19 classes and ignored pixels in larger maps.
pub(crate) fn patchy_labels(width: u32, height: u32, seed: u64) -> LabelMap {
    let train_ids = positions(width, height)
        .map(|(x, y)| match noise(seed, (x / 40 + y / 30 * 1000) as usize) % 20 {
            19 => IGNORE_ID,
            train_id => train_id,
        })
        .collect();
    LabelMap { width, height, train_ids }
}

fn positions(width: u32, height: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
}

/// The part of `image` in `window`, cut pixel by pixel.
pub(crate) fn crop_image(image: &RgbImage, window: Window) -> RgbImage {
    let mut pixels = Vec::new();
    for (x, y) in positions(window.width, window.height) {
        let start = (((window.y + y) * image.width + window.x + x) * 3) as usize;
        pixels.extend(&image.pixels[start..start + 3]);
    }
    RgbImage { width: window.width, height: window.height, pixels }
}

/// The part of `labels` in `window`, cut pixel by pixel.
pub(crate) fn crop_labels(labels: &LabelMap, window: Window) -> LabelMap {
    let train_ids = positions(window.width, window.height)
        .map(|(x, y)| labels.train_ids[((window.y + y) * labels.width + window.x + x) as usize])
        .collect();
    LabelMap { width: window.width, height: window.height, train_ids }
}

pub(crate) fn info() -> DatasetInfo {
    DatasetInfo {
        name: "toy".into(),
        split: "train".into(),
        domain: "drawn".into(),
        class_names: (0..19).map(|train_id| format!("class {train_id}")).collect(),
        ignore_id: IGNORE_ID,
        mapping: "identity".into(),
        license: "CC0-1.0".into(),
    }
}

pub(crate) fn meta(id: &str) -> SampleMeta {
    SampleMeta {
        id: id.into(),
        source: format!("images/{id}.png"),
        domain: "drawn".into(),
        label_source: format!("labels/{id}.png"),
        image_blake3: *blake3::hash(id.as_bytes()).as_bytes(),
        label_blake3: *blake3::hash(b"labels").as_bytes(),
    }
}

/// Packs `samples` under the ids 0, 1, ... into `dir`.
pub(crate) fn pack(
    dir: &Path,
    samples: &[(RgbImage, LabelMap)],
    preset: Preset,
    max_shard_bytes: u64,
) -> DatasetIndex {
    let options = WriterOptions { max_shard_bytes, ..WriterOptions::default() };
    let mut writer =
        DatasetWriter::create(dir, info(), options).expect("the folder has no dataset");
    for (id, (image, labels)) in samples.iter().enumerate() {
        let sample = encode_sample(&meta(&id.to_string()), image, labels, preset)
            .expect("the sample is valid");
        writer.push(sample).expect("the folder can be written");
    }
    writer.finish().expect("the folder can be written")
}
