//! The samples that a measurement works on, and a place for datasets made of them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use datasets::{Decoded, Manifest, Pair};
use rayon::prelude::*;
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, Decoder, EncodedSample, IGNORE_ID, LabelMap, Preset,
    ReadError, RgbImage, SampleMeta, Window, WriteError, WriterOptions, encode_jpeg_sample,
    encode_sample,
};

use super::BenchError;

/// A few samples in memory.
pub(super) struct Material {
    pub(super) info: DatasetInfo,
    pub(super) samples: Vec<Sample>,
}

/// One sample in memory.
pub(super) struct Sample {
    meta: SampleMeta,
    image: RgbImage,
    labels: LabelMap,
    /// The image's file, if it is a JPEG.
    jpeg: Option<Vec<u8>>,
}

impl Material {
    /// The samples at `places` of a packed dataset.
    pub(super) fn of_dataset(dataset: &Dataset, places: &[usize]) -> Result<Self, ReadError> {
        let read = |decoder: &mut Decoder, &index: &usize| {
            let info = dataset.sample(index);
            let window = Window::whole(info.width, info.height);
            Ok(Sample {
                meta: SampleMeta {
                    id: info.id.clone(),
                    source: info.source.clone(),
                    domain: info.domain.clone(),
                    label_source: info.label_source.clone(),
                    image_blake3: info.image_blake3,
                    label_blake3: info.label_blake3,
                },
                image: dataset.read_image(index, window, decoder)?,
                labels: dataset.read_labels(index, window, decoder)?,
                jpeg: None,
            })
        };
        let samples = places.par_iter().map_init(Decoder::new, read).collect::<Result<_, _>>()?;
        Ok(Self { info: dataset.index().dataset.clone(), samples })
    }

    /// Those of the pairs of a dataset's folder that can be packed, and which these are.
    pub(super) fn of_files(manifest: &Manifest, split: &str, pairs: &[Pair]) -> (Self, Vec<Pair>) {
        let read = |pair: &Pair| match manifest.read_pair(pair) {
            Ok(decoded) => Some((Sample::of_file(manifest, pair, decoded), pair.clone())),
            Err(error) => {
                tracing::warn!("left out: {error}");
                None
            }
        };
        let read: Vec<Option<(Sample, Pair)>> = pairs.par_iter().map(read).collect();
        let (samples, pairs) = read.into_iter().flatten().unzip();
        let info = DatasetInfo {
            name: manifest.name.clone(),
            split: split.into(),
            domain: manifest.name.clone(),
            class_names: manifest.classes.clone(),
            ignore_id: IGNORE_ID,
            mapping: manifest.mapping_name().into(),
            license: manifest.license.clone(),
        };
        (Self { info, samples }, pairs)
    }

    /// The presets that make sense here: JPEG pass-through needs JPEG files.
    pub(super) fn presets(&self) -> Vec<Preset> {
        let mut presets = vec![Preset::Default, Preset::Fast, Preset::Raw];
        if self.samples.iter().any(|sample| sample.jpeg.is_some()) {
            presets.push(Preset::Jpeg);
        }
        presets
    }

    /// Bytes of all pixels and labels.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.samples.iter().map(Sample::plain_bytes).sum()
    }

    /// Writes a dataset of all samples.
    pub(super) fn write(&self, preset: Preset, dir: &Path) -> Result<(), WriteError> {
        let options = WriterOptions::default();
        let mut writer = DatasetWriter::create(dir, self.info.clone(), options)?;
        for sample in &self.samples {
            writer.push(sample.encode(preset)?)?;
        }
        writer.finish().map(drop)
    }
}

impl Sample {
    fn of_file(manifest: &Manifest, pair: &Pair, decoded: Decoded) -> Self {
        let (width, height) = (decoded.width, decoded.height);
        Self {
            meta: SampleMeta {
                id: pair.id.clone(),
                source: pair.image_relative.clone(),
                domain: manifest.name.clone(),
                label_source: pair.label_relative.clone(),
                image_blake3: *blake3::hash(&decoded.image_file).as_bytes(),
                label_blake3: *blake3::hash(&decoded.label_file).as_bytes(),
            },
            image: RgbImage { width, height, pixels: decoded.rgb },
            labels: LabelMap { width, height, train_ids: decoded.train_ids },
            jpeg: decoded.image_is_jpeg.then_some(decoded.image_file),
        }
    }

    pub(super) fn plain_bytes(&self) -> u64 {
        (self.image.pixels.len() + self.labels.train_ids.len()) as u64
    }

    pub(super) fn encode(&self, preset: Preset) -> Result<EncodedSample, WriteError> {
        match (preset, &self.jpeg) {
            (Preset::Jpeg, Some(jpeg)) => encode_jpeg_sample(&self.meta, jpeg, &self.labels),
            _ => encode_sample(&self.meta, &self.image, &self.labels, preset),
        }
    }
}

/// A folder among the system's temporary files that is removed in the end.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(super) fn new() -> Result<Self, BenchError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("pinmem-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Not `create_dir_all`: a folder of someone else is not taken over.
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(BenchError::Folder { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let removed: io::Result<()> = std::fs::remove_dir_all(&self.0);
        if let Err(error) = removed {
            tracing::warn!("{}: cannot be removed: {error}", self.0.display());
        }
    }
}
