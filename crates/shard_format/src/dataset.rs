//! Reads windows of the samples of a dataset.

use std::path::{Path, PathBuf};

use crate::decoder::Decoder;
use crate::error::{Fault, ReadError};
use crate::grid::{Cell, TileId};
use crate::image::{LabelMap, RgbImage, SampleInfo, Window};
use crate::index::{DatasetIndex, ShardEntry};
use crate::label_tile::{self, allowed_presence, only_value};
use crate::preset::Preset;
use crate::rgb_tile;
use crate::shard::{Shard, ShardSample};

/// An open dataset; any number of threads can read from it at once.
#[derive(Debug)]
pub struct Dataset {
    dir: PathBuf,
    index: DatasetIndex,
    shards: Vec<Shard>,
    /// Shard and place in it of each sample.
    places: Vec<(usize, usize)>,
}

impl Dataset {
    /// Opens the dataset in the folder `dir` and checks its index, its shards' sizes and their
    /// directories against one another; tiles are checked when they are read.
    ///
    /// # Errors
    /// Anything is missing, unreadable, altered, or written in a later format.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let index = DatasetIndex::load(dir)?;
        let mut shards = Vec::new();
        let mut places = Vec::new();
        for entry in &index.shards {
            let shard = Shard::open(dir, entry)?;
            check_against_index(&shard, entry, &index)?;
            places.extend((0..shard.samples.len()).map(|sample| (shards.len(), sample)));
            shards.push(shard);
        }
        Ok(Self { dir: dir.to_owned(), index, shards, places })
    }

    /// Number of samples, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a dataset is never empty")]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The content of `index.json`.
    pub fn index(&self) -> &DatasetIndex {
        &self.index
    }

    /// What the shard says about sample `index`.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> &SampleInfo {
        &self.at(index).1.head.info
    }

    /// The class-presence bitset of each label tile of sample `index`, row-major: bit c for train
    /// id c, bit 31 for the ignore id.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn class_presence(&self, index: usize) -> &[u32] {
        &self.at(index).1.head.presence
    }

    /// Reads the pixels of sample `index` in `window`, which must lie inside the image.
    ///
    /// # Errors
    /// There is no such sample or window, or a tile under the window was altered.
    pub fn read_image(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
    ) -> Result<RgbImage, ReadError> {
        let (shard, sample) = self.find(index, window)?;
        let mut pixels = vec![0; window.area() * 3];
        for cell in sample.head.grids().0.under(window) {
            paint_rgb(shard, sample, &cell, window, decoder, &mut pixels)
                .map_err(|fault| tile_error(shard, sample, cell.id, fault))?;
        }
        Ok(RgbImage { width: window.width, height: window.height, pixels })
    }

    /// Reads the labels of sample `index` in `window`, which must lie inside the label map.
    ///
    /// # Errors
    /// There is no such sample or window, or a tile under the window was altered.
    pub fn read_labels(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
    ) -> Result<LabelMap, ReadError> {
        let (shard, sample) = self.find(index, window)?;
        let mut train_ids = vec![0; window.area()];
        for cell in sample.head.grids().1.under(window) {
            paint_labels(shard, sample, &cell, window, decoder, &mut train_ids)
                .map_err(|fault| tile_error(shard, sample, cell.id, fault))?;
        }
        Ok(LabelMap { width: window.width, height: window.height, train_ids })
    }

    /// The open shards and their entries in the index.
    pub(crate) fn shards(&self) -> impl Iterator<Item = (&Shard, &ShardEntry)> {
        self.shards.iter().zip(&self.index.shards)
    }

    fn at(&self, index: usize) -> (&Shard, &ShardSample) {
        let (shard, place) = self.places[index];
        (&self.shards[shard], &self.shards[shard].samples[place])
    }

    fn find(&self, index: usize, window: Window) -> Result<(&Shard, &ShardSample), ReadError> {
        if index >= self.len() {
            let (path, samples) = (self.dir.clone(), self.len());
            return Err(ReadError::NoSample { path, index, samples });
        }
        let (shard, sample) = self.at(index);
        let SampleInfo { width, height, .. } = sample.head.info;
        if !window.lies_inside(width, height) {
            let (path, sample) = (shard.path.clone(), sample.head.info.id.clone());
            return Err(ReadError::Window { path, sample, window, width, height });
        }
        Ok((shard, sample))
    }
}

/// Paints the part of an RGB tile that lies in `window`.
pub(crate) fn paint_rgb(
    shard: &Shard,
    sample: &ShardSample,
    cell: &Cell,
    window: Window,
    decoder: &mut Decoder,
    pixels: &mut [u8],
) -> Result<(), Fault> {
    let tile = sample.head.rgb[cell.index];
    let bytes = decoder.expand(shard.tile(sample, tile), tile, cell.raw_length())?;
    if tile.length as usize == cell.raw_length() {
        rgb_tile::paint_plain(bytes, cell, window, pixels);
    } else {
        rgb_tile::paint_residuals(bytes, cell, window, pixels);
    }
    Ok(())
}

/// Paints the part of a label tile that lies in `window`.
pub(crate) fn paint_labels(
    shard: &Shard,
    sample: &ShardSample,
    cell: &Cell,
    window: Window,
    decoder: &mut Decoder,
    train_ids: &mut [u8],
) -> Result<(), Fault> {
    let tile = sample.head.labels[cell.index];
    match only_value(sample.head.presence[cell.index]).filter(|_| tile.length == 0) {
        Some(value) => label_tile::paint_uniform(value, cell, window, train_ids),
        None => {
            let bytes = decoder.expand(shard.tile(sample, tile), tile, cell.raw_length())?;
            label_tile::check_range(bytes, sample.head.presence[cell.index])
                .map_err(|value| Fault::LabelValue { value })?;
            label_tile::paint(bytes, cell, window, train_ids);
        }
    }
    Ok(())
}

fn tile_error(shard: &Shard, sample: &ShardSample, tile: TileId, fault: Fault) -> ReadError {
    ReadError::Tile { path: shard.path.clone(), sample: sample.head.info.id.clone(), tile, fault }
}

/// Checks what the samples of a shard say against what the index says of all samples.
fn check_against_index(
    shard: &Shard,
    entry: &ShardEntry,
    index: &DatasetIndex,
) -> Result<(), ReadError> {
    let fault = |field: String, found: String, expected: String| ReadError::IndexField {
        path: shard.path.with_file_name(crate::index::INDEX_FILE),
        field,
        found,
        expected,
    };
    let classes = index.dataset.class_names.len();
    for sample in &shard.samples {
        let head = &sample.head;
        let of_sample = || format!("for sample {:?} of {}", head.info.id, entry.file);
        if head.codec != index.preset.codec() {
            let expected = match index.preset {
                Preset::Raw => Preset::Default,
                Preset::Default | Preset::Fast => Preset::Raw,
            };
            let expected = format!("{expected} {}", of_sample());
            return Err(fault("preset".into(), index.preset.to_string(), expected));
        }
        let used = head.presence.iter().fold(0, |union, bits| union | bits);
        let unknown = used & !allowed_presence(classes);
        if unknown != 0 {
            let train_id = unknown.trailing_zeros();
            let expected = format!("a class {train_id} {}", of_sample());
            return Err(fault("dataset.class_names".into(), format!("{classes} names"), expected));
        }
    }
    Ok(())
}
