//! Datasets small enough to alter every byte of their shard.

use shard_format::{
    Dataset, DatasetWriter, Decoder, EncodedSample, LabelMap, Preset, ReadError, RgbImage, Window,
    WriterOptions, encode_jpeg_sample, encode_sample,
};
use tempfile::tempdir;

use crate::drawing::{JPEGS, info, meta, patchy_labels, photo_like_image};
use crate::memory::Memory;

pub(crate) const PRESETS: [Preset; 4] = [Preset::Default, Preset::Fast, Preset::Raw, Preset::Jpeg];
pub(crate) const SHARD: &str = "toy-00000.shard";

/// A sample as it must come back.
pub(crate) type Pair = (RgbImage, LabelMap);

/// A dataset of one shard, and what is in it.
pub(crate) struct Victim {
    pub(crate) memory: Memory,
    pub(crate) samples: Vec<Pair>,
}

impl Victim {
    /// Two samples, the first with several kinds of labels, the second with one.
    pub(crate) fn new(preset: Preset) -> Self {
        let folder = tempdir().expect("a temporary folder");
        let mut writer = DatasetWriter::create(folder.path(), info(), WriterOptions::default())
            .expect("the folder has no dataset");
        let (first, second) = (first_sample(preset), (photo_like_image(5, 1, 2), uniform(5, 1)));
        writer.push(first.0).expect("writable");
        let (image, labels) = &second;
        let encoded = encode_sample(&meta("1"), image, labels, preset).expect("a valid sample");
        writer.push(encoded).expect("writable");
        writer.finish().expect("writable");
        Self { memory: Memory::load(folder.path(), true), samples: vec![first.1, second] }
    }

    pub(crate) fn shard(&self) -> &[u8] {
        &self.memory.files[SHARD]
    }

    /// The dataset with `shard` in place of its shard.
    pub(crate) fn with_shard(&self, shard: Vec<u8>, mapped: bool) -> Memory {
        let mut memory = Memory { mapped, ..self.memory.clone() };
        memory.put(SHARD, shard);
        memory
    }
}

impl Memory {
    /// The index, with `from` replaced by `to`.
    pub(crate) fn edit_index(&mut self, from: &str, to: &str) {
        let text = String::from_utf8(self.files["index.json"].to_vec()).expect("UTF-8");
        assert!(text.contains(from), "{from} is not in the index");
        self.put("index.json", text.replacen(from, to, 1).into_bytes());
    }

    /// Everything in the dataset, or the first error.
    pub(crate) fn read_all(&self) -> Result<Vec<Pair>, ReadError> {
        read_all(&self.open_dataset()?)
    }
}

/// Everything in `dataset`, or the first error.
pub(crate) fn read_all(dataset: &Dataset) -> Result<Vec<Pair>, ReadError> {
    let mut decoder = Decoder::new();
    (0..dataset.len())
        .map(|index| {
            let info = dataset.sample(index);
            let whole = Window::whole(info.width, info.height);
            let image = dataset.read_image(index, whole, &mut decoder)?;
            Ok((image, dataset.read_labels(index, whole, &mut decoder)?))
        })
        .collect()
}

/// A JPEG file where the preset keeps it, two RGB tiles where they compress well, else one.
fn first_sample(preset: Preset) -> (EncodedSample, Pair) {
    if preset == Preset::Jpeg {
        let (jpeg, labels) = (JPEGS[0].1, patchy_labels(24, 16, 1));
        let encoded = encode_jpeg_sample(&meta("0"), jpeg, &labels).expect("a valid sample");
        return (encoded, (decoded(jpeg), labels));
    }
    let width = if preset == Preset::Raw { 3 } else { 130 };
    let mut labels = uniform(width, 2);
    labels.train_ids[..3].copy_from_slice(&[0, 18, 2]);
    let image = photo_like_image(width, 2, 1);
    let encoded = encode_sample(&meta("0"), &image, &labels, preset).expect("a valid sample");
    (encoded, (image, labels))
}

/// The pixels of a JPEG file.
pub(crate) fn decoded(jpeg: &[u8]) -> RgbImage {
    let image = jpeg_image::decode_rgb(jpeg, 1 << 20).expect("a JPEG file");
    RgbImage { width: image.width, height: image.height, pixels: image.pixels }
}

fn uniform(width: u32, height: u32) -> LabelMap {
    LabelMap { width, height, train_ids: vec![255; (width * height) as usize] }
}
