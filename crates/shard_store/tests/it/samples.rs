//! A dataset to read, and its pixels.

use std::path::Path;

use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, Decoder, IGNORE_ID, LabelMap, Preset, RgbImage,
    SampleMeta, Window, WriterOptions, encode_sample,
};

pub(crate) const SAMPLES: usize = 3;
pub(crate) const EDGE: u32 = 1024;

/// Bytes of one shard, which holds one sample of noise without compression, about.
pub(crate) const SHARD_BYTES: u64 = 4 << 20;

pub(crate) const WHOLE: Window = Window { x: 0, y: 0, width: EDGE, height: EDGE };

/// Packs the samples into `dir`, each in a shard of its own; other seeds give other pixels.
pub(crate) fn pack(dir: &Path, seed: u64) {
    let info = DatasetInfo {
        name: "toy".into(),
        split: "train".into(),
        domain: "drawn".into(),
        class_names: (0..19).map(|train_id| format!("class {train_id}")).collect(),
        ignore_id: IGNORE_ID,
        mapping: "identity".into(),
        license: "CC0-1.0".into(),
    };
    let options = WriterOptions { max_shard_bytes: SHARD_BYTES, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(dir, info, options).unwrap();
    for sample in 0..SAMPLES {
        let meta = SampleMeta {
            id: sample.to_string(),
            source: format!("{sample}.png"),
            domain: "drawn".into(),
            label_source: format!("{sample}-labels.png"),
            image_blake3: [0; 32],
            label_blake3: [0; 32],
        };
        let (image, labels) = (image(seed, sample), labels(seed, sample));
        writer.push(encode_sample(&meta, &image, &labels, Preset::Raw).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

/// Reads every pixel of `dataset` and compares it with what was packed under `seed`.
pub(crate) fn check_all(dataset: &Dataset, seed: u64) {
    let mut decoder = Decoder::new();
    assert_eq!(dataset.len(), SAMPLES);
    for sample in 0..SAMPLES {
        let read = dataset.read_image(sample, WHOLE, &mut decoder).unwrap();
        assert!(read == image(seed, sample), "image {sample} differs");
        let read = dataset.read_labels(sample, WHOLE, &mut decoder).unwrap();
        assert!(read == labels(seed, sample), "labels {sample} differ");
    }
}

fn image(seed: u64, sample: usize) -> RgbImage {
    let pixels = (0..(EDGE * EDGE * 3) as usize).map(|index| noise(seed, sample, index)).collect();
    RgbImage { width: EDGE, height: EDGE, pixels }
}

fn labels(seed: u64, sample: usize) -> LabelMap {
    let train_ids =
        (0..(EDGE * EDGE) as usize).map(|index| noise(seed, sample, index) % 19).collect();
    LabelMap { width: EDGE, height: EDGE, train_ids }
}

/// A bit-mixed function of its arguments (splitmix64).
fn noise(seed: u64, sample: usize, index: usize) -> u8 {
    let place = (sample as u64) << 32 | index as u64;
    let mut bits = (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) as u8
}
