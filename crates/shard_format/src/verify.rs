//! Checks every byte of a dataset.

use std::fmt;
use std::path::PathBuf;

use crate::dataset::{Dataset, Sample};
use crate::decoder::{Decoder, check_tile};
use crate::fault::Fault;
use crate::grid::{Cell, Plane, TileId};
use crate::label_tile::presence;
use crate::preset::Codec;
use crate::read_error::ReadError;
use crate::rgb_tile::Layout;
use crate::shard::Shard;

/// Bytes of a shard that are hashed at once.
const HASH_STEP: u64 = 4 << 20;

/// How much of a sample is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The stored bytes of every tile against their checksums, and both copies of the head
    /// against each other; nothing is decoded.
    Checksums,
    /// Also that every tile decodes and that the class presence describes the labels.
    Content,
}

/// Something wrong with a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The shard.
    pub path: PathBuf,
    /// Id of the sample, if the problem lies in one.
    pub sample: Option<String>,
    /// The tile, if the problem lies in one.
    pub tile: Option<TileId>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.path.display())?;
        if let Some(sample) = &self.sample {
            write!(formatter, "sample {sample:?}: ")?;
        }
        if let Some(tile) = &self.tile {
            write!(formatter, "{tile}: ")?;
        }
        write!(formatter, "{}", self.fault)
    }
}

impl Dataset {
    /// Checks the hash of every shard and the content of every sample, and returns all problems;
    /// `on_sample` is told the index of each sample done.
    ///
    /// # Errors
    /// A shard cannot be read; [`open`](Self::open) has found what can be known before.
    pub fn verify(&self, on_sample: &mut dyn FnMut(usize)) -> Result<Vec<Problem>, ReadError> {
        let mut problems = Vec::new();
        let mut decoder = Decoder::new();
        let mut samples = 0..self.len();
        for shard in 0..self.shard_count() {
            problems.extend(self.check_shard(shard)?);
            for sample in samples.by_ref().take(self.shard(shard)?.0.samples.len()) {
                problems.extend(self.check_sample(sample, Depth::Content, &mut decoder)?);
                on_sample(sample);
            }
        }
        Ok(problems)
    }

    /// Compares the BLAKE3 hash of shard number `shard` with the index.
    ///
    /// # Errors
    /// There is no such shard, or it cannot be read.
    pub fn check_shard(&self, shard: usize) -> Result<Option<Problem>, ReadError> {
        let (shard, entry) = self.shard(shard)?;
        let found = shard_hash(shard)?;
        Ok((found != entry.blake3).then(|| Problem {
            path: shard.path.clone(),
            sample: None,
            tile: None,
            fault: Fault::ShardHash { found, expected: entry.blake3.clone() },
        }))
    }

    /// Checks sample `index` and returns all its problems.
    ///
    /// # Errors
    /// There is no such sample, or its shard cannot be read.
    pub fn check_sample(
        &self,
        index: usize,
        depth: Depth,
        decoder: &mut Decoder,
    ) -> Result<Vec<Problem>, ReadError> {
        let sample = self.find(index)?;
        let mut faults = Vec::new();
        if !sample.heads_agree()? {
            faults.push((None, Fault::HeadCopy));
        }
        let (rgb, labels) = sample.sample.head.grids();
        let mut check = |cell: &Cell, stored: &[u8], decoder: &mut Decoder| {
            let found = match depth {
                // A uniform tile has no bytes and checksum zero.
                Depth::Checksums => check_tile(stored, sample.tile(cell)),
                Depth::Content => sample.check_content(cell, stored, decoder),
            };
            faults.extend(found.err().map(|fault| (Some(cell.id), fault)));
            Ok(())
        };
        sample.for_each_tile(rgb.cells(), decoder, &mut check)?;
        sample.for_each_tile(labels.cells(), decoder, &mut check)?;
        let (path, id) = sample.name();
        let problem = |(tile, fault)| {
            let (path, sample) = (path.clone(), Some(id.clone()));
            Problem { path, sample, tile, fault }
        };
        Ok(faults.into_iter().map(problem).collect())
    }
}

/// The BLAKE3 hash of the whole file, as the index words it.
pub(crate) fn shard_hash(shard: &Shard) -> Result<String, ReadError> {
    let length = shard.file.length();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = Vec::new();
    let mut start = 0;
    while start < length {
        let end = length.min(start.saturating_add(HASH_STEP));
        hasher.update(shard.part(start..end, &mut buffer)?);
        start = end;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

impl Sample<'_> {
    /// Whether the head in front of the sample's tiles is the one in the footer.
    fn heads_agree(&self) -> Result<bool, ReadError> {
        let head = &self.sample.head;
        let start = self.sample.record().start;
        let range = start..start + head.length() as u64;
        let mut buffer = Vec::new();
        let bytes = self.shard.bytes(range.clone(), &mut buffer);
        let bytes = bytes.map_err(|source| self.io_error(range, source))?;
        Ok(head.starts(bytes, self.shard.version))
    }

    fn check_content(
        &self,
        cell: &Cell,
        stored: &[u8],
        decoder: &mut Decoder,
    ) -> Result<(), Fault> {
        let area = cell.area.area();
        if cell.id.plane == Plane::Rgb {
            return match self.sample.head.codec {
                Codec::Jpeg => self.cut_jpeg(cell, stored, cell.area).map(drop),
                _ => {
                    let target = (cell.area, Layout::Planar);
                    self.paint_rgb(cell, stored, decoder, target, &mut vec![0; area * 3])
                }
            };
        }
        let mut train_ids = vec![0; area];
        self.paint_labels(cell, stored, decoder, cell.area, &mut train_ids)?;
        let expected = presence(&train_ids).map_err(|(_, value)| Fault::LabelValue { value })?;
        let found = self.sample.head.presence[cell.index];
        if found == expected { Ok(()) } else { Err(Fault::Presence { found, expected }) }
    }
}
