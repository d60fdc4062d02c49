//! Small packed datasets for the loader's tests.

use std::path::{Path, PathBuf};

use loader::{LoaderOptions, StreamSource};
use shard_format::{
    DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
    encode_sample,
};
use tempfile::TempDir;

pub(crate) const CLASSES: [&str; 2] = ["dark", "light"];

/// Packs `frames` pictures named ID-0, ID-1, ... into a new folder; returns the folder.
pub(crate) fn pack(root: &Path, name: &str, frames: u32, classes: &[&str]) -> PathBuf {
    // Sizes differ, and some are smaller than the crops of the tests.
    let frame = |frame| tiled_frame(150 + 40 * (frame % 3), 90 + 50 * (frame % 2), frame);
    pack_frames(root, name, classes, (0..frames).map(frame))
}

/// As `pack`, for any pictures.
pub(crate) fn pack_frames(
    root: &Path,
    name: &str,
    classes: &[&str],
    frames: impl Iterator<Item = (RgbImage, LabelMap)>,
) -> PathBuf {
    let folder = root.join(name);
    let info = DatasetInfo {
        name: name.to_owned(),
        split: "train".to_owned(),
        domain: name.to_owned(),
        class_names: classes.iter().map(|class| (*class).to_owned()).collect(),
        ignore_id: 255,
        mapping: "test".to_owned(),
        license: "none".to_owned(),
    };
    let options = WriterOptions { max_shard_bytes: 1 << 20, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(&folder, info, options).unwrap();
    for (frame, (image, labels)) in frames.enumerate() {
        let meta = SampleMeta {
            id: format!("{name}-{frame}"),
            source: format!("{name}/{frame}.png"),
            domain: name.to_owned(),
            ..SampleMeta::default()
        };
        writer.push(encode_sample(&meta, &image, &labels, Preset::Fast).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    folder
}

/// Dark and light rectangles 23x17 pixels large, label 0 where dark and 1 where light.
fn tiled_frame(width: u32, height: u32, phase: u32) -> (RgbImage, LabelMap) {
    let train_ids: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (((x + 5 * phase) / 23 + y / 17) % 2) as u8))
        .collect();
    let pixels = train_ids.iter().flat_map(|&id| [40 + 160 * id, 60 + 120 * id, 50 + 150 * id]);
    (RgbImage { width, height, pixels: pixels.collect() }, LabelMap { width, height, train_ids })
}

/// Options for two domains of 7 and 5 + 4 samples.
pub(crate) fn two_domains(root: &TempDir) -> LoaderOptions {
    let root = root.path();
    let first = vec![pack(root, "first", 7, &CLASSES)];
    let second = vec![pack(root, "second-a", 5, &CLASSES), pack(root, "second-b", 4, &CLASSES)];
    LoaderOptions {
        streams: vec![StreamSource::new("first", first, 3), StreamSource::new("second", second, 3)],
        crop_width: 96,
        crop_height: 80,
        seed: 11,
        workers: 2,
        prefetch_batches: 2,
        end_batch: 6,
        ..LoaderOptions::default()
    }
}
