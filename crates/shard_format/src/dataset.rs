//! Opens a dataset and reads windows of its samples.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::Version;
use crate::decoder::{Decoder, check_tile};
use crate::fault::Fault;
use crate::folder::{Access, Folder};
use crate::grid::TileId;
use crate::image::{LabelMap, RgbImage, SampleInfo, Window};
use crate::index::{DatasetIndex, INDEX_FILE, ShardEntry};
use crate::label_tile::allowed_presence;
use crate::preset::{Codec, Preset};
use crate::read_error::ReadError;
use crate::rgb_tile::Layout;
use crate::shard::{Shard, ShardSample};
use crate::storage::Storage;

/// Threads that open shards.
const SHARDS_OPENED_AT_ONCE: usize = 16;

/// An open dataset; any number of threads can read from it at once.
#[derive(Debug)]
pub struct Dataset {
    /// The index, for messages.
    path: PathBuf,
    index: DatasetIndex,
    shards: Vec<Shard>,
    /// Shard and place in it of each sample.
    places: Vec<(usize, usize)>,
}

/// A sample and the shard it lies in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) sample: &'a ShardSample,
}

impl Dataset {
    /// Opens the dataset in the folder `dir` through memory maps, as [`open_in`](Self::open_in)
    /// does.
    ///
    /// # Errors
    /// Anything is missing, unreadable, altered, or written in a later format.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Self::open_in(Arc::new(Folder { dir: dir.to_owned(), access: Access::Map }))
    }

    /// Opens the dataset in `storage` and checks its index, its shards' sizes and their
    /// directories against one another; tiles are checked when they are read.
    ///
    /// # Errors
    /// Anything is missing, unreadable, altered, or written in a later format.
    pub fn open_in(storage: Arc<dyn Storage>) -> Result<Self, ReadError> {
        let path = storage.location(INDEX_FILE);
        let (index, version) = DatasetIndex::load(&*storage)?;
        let shards = open_shards(&*storage, &index.shards, version)?;
        let mut places = Vec::new();
        for (number, shard) in shards.iter().enumerate() {
            check_against_index(shard, &path, &index)?;
            places.extend((0..shard.samples.len()).map(|sample| (number, sample)));
        }
        check_ids(&shards)?;
        Ok(Self { path, index, shards, places })
    }

    /// Number of samples, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a dataset is never empty")]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Number of shards, at least one.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
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
        &self.at(index).sample.head.info
    }

    /// The class-presence bitset of each label tile of sample `index`, row-major: bit c for train
    /// id c, bit 31 for the ignore id.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn class_presence(&self, index: usize) -> &[u32] {
        &self.at(index).sample.head.presence
    }

    /// How sample `index` is stored.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn codec(&self, index: usize) -> Codec {
        self.at(index).sample.head.codec
    }

    /// The JPEG file that sample `index` was packed from, byte for byte, if it was passed through.
    ///
    /// # Errors
    /// There is no such sample, or its bytes are unreadable or altered.
    pub fn source_jpeg(
        &self,
        index: usize,
        decoder: &mut Decoder,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let sample = self.find(index)?;
        if sample.sample.head.codec != Codec::Jpeg {
            return Ok(None);
        }
        let mut file = Vec::new();
        sample.for_each_tile(
            sample.sample.head.grids().0.cells(),
            decoder,
            |cell, stored, _| {
                check_tile(stored, sample.tile(cell))?;
                file.extend_from_slice(stored);
                Ok(())
            },
        )?;
        Ok(Some(file))
    }

    /// Reads the pixels of sample `index` in `window`, which must lie inside the image.
    ///
    /// # Errors
    /// There is no such sample or window, or a tile under the window is unreadable or altered.
    pub fn read_image(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
    ) -> Result<RgbImage, ReadError> {
        let sample = self.find(index)?;
        sample.check_window(window)?;
        let mut pixels = Vec::new();
        let cells = sample.sample.head.grids().0.under(window);
        if sample.sample.head.codec == Codec::Jpeg {
            sample.for_each_tile(cells, decoder, |cell, stored, _| {
                pixels = sample.cut_jpeg(cell, stored, window)?;
                Ok(())
            })?;
        } else {
            pixels = vec![0; window.area() * 3];
            sample.for_each_tile(cells, decoder, |cell, stored, decoder| {
                sample.paint_rgb(cell, stored, decoder, (window, Layout::Interleaved), &mut pixels)
            })?;
        }
        Ok(RgbImage { width: window.width, height: window.height, pixels })
    }

    /// Reads the labels of sample `index` in `window`, which must lie inside the label map.
    ///
    /// # Errors
    /// There is no such sample or window, or a tile under the window is unreadable or altered.
    pub fn read_labels(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
    ) -> Result<LabelMap, ReadError> {
        let mut train_ids = Vec::new();
        self.read_labels_into(index, window, decoder, &mut train_ids)?;
        Ok(LabelMap { width: window.width, height: window.height, train_ids })
    }

    /// As [`read_labels`](Self::read_labels), in memory that is used again.
    ///
    /// Shapes: `train_ids` becomes [window.height, window.width].
    ///
    /// # Errors
    /// As [`read_labels`](Self::read_labels); what `train_ids` then holds means nothing.
    pub fn read_labels_into(
        &self,
        index: usize,
        window: Window,
        decoder: &mut Decoder,
        train_ids: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let sample = self.find(index)?;
        sample.check_window(window)?;
        train_ids.resize(window.area(), 0);
        let cells = sample.sample.head.grids().1.under(window);
        sample.for_each_tile(cells, decoder, |cell, stored, decoder| {
            sample.paint_labels(cell, stored, decoder, window, train_ids)
        })
    }

    /// Shard number `index` and its entry in the index, if there is one.
    pub(crate) fn shard(&self, index: usize) -> Result<(&Shard, &ShardEntry), ReadError> {
        let found = self.shards.get(index).zip(self.index.shards.get(index));
        found.ok_or_else(|| {
            let (path, shards) = (self.path.clone(), self.shards.len());
            ReadError::NoShard { path, index, shards }
        })
    }

    /// Sample number `index`, if there is one.
    pub(crate) fn find(&self, index: usize) -> Result<Sample<'_>, ReadError> {
        if index < self.len() {
            return Ok(self.at(index));
        }
        let (path, samples) = (self.path.clone(), self.len());
        Err(ReadError::NoSample { path, index, samples })
    }

    fn at(&self, index: usize) -> Sample<'_> {
        let (shard, place) = self.places[index];
        let shard = &self.shards[shard];
        Sample { shard, sample: &shard.samples[place] }
    }
}

impl Sample<'_> {
    pub(crate) fn check_window(&self, window: Window) -> Result<(), ReadError> {
        let SampleInfo { width, height, .. } = self.sample.head.info;
        if window.lies_inside(width, height) {
            return Ok(());
        }
        let (path, sample) = self.name();
        Err(ReadError::Window { path, sample, window, width, height })
    }

    pub(crate) fn tile_error(&self, tile: TileId, fault: Fault) -> ReadError {
        let (path, sample) = self.name();
        ReadError::Tile { path, sample, tile, fault }
    }

    pub(crate) fn io_error(&self, range: Range<u64>, source: std::io::Error) -> ReadError {
        let (path, sample) = self.name();
        ReadError::SampleIo { path, sample, start: range.start, end: range.end, source }
    }

    /// The shard's path and the sample's id.
    pub(crate) fn name(&self) -> (PathBuf, String) {
        (self.shard.path.clone(), self.sample.head.info.id.clone())
    }
}

/// Opens all shards, several at a time, because a store may be far away; the first error in the
/// order of the shards is the one returned.
fn open_shards(
    storage: &dyn Storage,
    entries: &[ShardEntry],
    version: Version,
) -> Result<Vec<Shard>, ReadError> {
    let each = entries.len().div_ceil(SHARDS_OPENED_AT_ONCE).max(1);
    let open = |entry| Shard::open(storage, entry, version);
    std::thread::scope(|scope| {
        let parts: Vec<_> = entries
            .chunks(each)
            .map(|part| scope.spawn(move || part.iter().map(open).collect::<Vec<_>>()))
            .collect();
        let opened = parts.into_iter().flat_map(|part| match part.join() {
            Ok(shards) => shards,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        opened.collect()
    })
}

/// What a sample and the description of its dataset disagree on.
pub(crate) struct Disagreement {
    pub(crate) field: &'static str,
    pub(crate) found: String,
    pub(crate) expected: String,
}

/// Compares the samples of a shard with what is said of all samples of the dataset.
pub(crate) fn disagreement(shard: &Shard, preset: Preset, classes: usize) -> Option<Disagreement> {
    shard.samples.iter().find_map(|sample| {
        let head = &sample.head;
        let of_sample = || format!("for sample {:?} of {}", head.info.id, shard.path.display());
        if !preset.allows(head.codec) {
            let expected = format!("{} {}", head.codec.presets(), of_sample());
            return Some(Disagreement { field: "preset", found: preset.to_string(), expected });
        }
        let unknown = head.all_presence() & !allowed_presence(classes);
        (unknown != 0).then(|| Disagreement {
            field: "dataset.class_names",
            found: format!("{classes} names"),
            expected: format!("a class {} {}", unknown.trailing_zeros(), of_sample()),
        })
    })
}

fn check_against_index(shard: &Shard, path: &Path, index: &DatasetIndex) -> Result<(), ReadError> {
    match disagreement(shard, index.preset, index.dataset.class_names.len()) {
        None => Ok(()),
        Some(Disagreement { field, found, expected }) => {
            let (path, field) = (path.to_owned(), field.to_owned());
            Err(ReadError::IndexField { path, field, found, expected })
        }
    }
}

fn check_ids(shards: &[Shard]) -> Result<(), ReadError> {
    let mut ids = HashSet::new();
    for shard in shards {
        for sample in &shard.samples {
            let id = &sample.head.info.id;
            if !ids.insert(id) {
                return Err(ReadError::DuplicateId {
                    path: shard.path.clone(),
                    sample: id.clone(),
                });
            }
        }
    }
    Ok(())
}
