//! Checks every byte of a dataset.

use std::fmt;
use std::path::PathBuf;

use crate::dataset::{Dataset, paint_labels, paint_rgb};
use crate::decoder::Decoder;
use crate::error::{Fault, ReadError};
use crate::grid::{Cell, TileId};
use crate::label_tile::presence;
use crate::shard::{Shard, ShardSample};

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
    /// Checks the hash of every shard, and the checksum, content and class presence of every
    /// tile, and returns all problems; `on_sample` is told the index of each sample done.
    ///
    /// # Errors
    /// None in this version: [`open`](Self::open) has found what cannot be read at all.
    pub fn verify(&self, on_sample: &mut dyn FnMut(usize)) -> Result<Vec<Problem>, ReadError> {
        let mut problems = Vec::new();
        let mut decoder = Decoder::new();
        let mut done = 0;
        for (shard, entry) in self.shards() {
            let found = blake3::hash(shard.bytes()).to_hex().to_string();
            if found != entry.blake3 {
                let fault = Fault::ShardHash { found, expected: entry.blake3.clone() };
                problems.push(Problem {
                    path: shard.path.clone(),
                    sample: None,
                    tile: None,
                    fault,
                });
            }
            for sample in &shard.samples {
                let found = sample_faults(shard, sample, &mut decoder);
                problems.extend(found.into_iter().map(|(tile, fault)| Problem {
                    path: shard.path.clone(),
                    sample: Some(sample.head.info.id.clone()),
                    tile,
                    fault,
                }));
                on_sample(done);
                done += 1;
            }
        }
        Ok(problems)
    }
}

fn sample_faults(
    shard: &Shard,
    sample: &ShardSample,
    decoder: &mut Decoder,
) -> Vec<(Option<TileId>, Fault)> {
    let (rgb, labels) = sample.head.grids();
    let mut faults = Vec::new();
    if !shard.heads_agree(sample) {
        faults.push((None, Fault::HeadCopy));
    }
    let rgb = rgb.cells().map(|cell| (cell.id, rgb_fault(shard, sample, &cell, decoder).err()));
    faults.extend(rgb.filter_map(|(tile, fault)| Some((Some(tile), fault?))));
    let labels =
        labels.cells().map(|cell| (cell.id, label_fault(shard, sample, &cell, decoder).err()));
    faults.extend(labels.filter_map(|(tile, fault)| Some((Some(tile), fault?))));
    faults
}

fn rgb_fault(
    shard: &Shard,
    sample: &ShardSample,
    cell: &Cell,
    decoder: &mut Decoder,
) -> Result<(), Fault> {
    let mut pixels = vec![0; cell.area.area() * 3];
    paint_rgb(shard, sample, cell, cell.area, decoder, &mut pixels)
}

fn label_fault(
    shard: &Shard,
    sample: &ShardSample,
    cell: &Cell,
    decoder: &mut Decoder,
) -> Result<(), Fault> {
    let mut train_ids = vec![0; cell.area.area()];
    paint_labels(shard, sample, cell, cell.area, decoder, &mut train_ids)?;
    let expected = presence(&train_ids).map_err(|(_, value)| Fault::LabelValue { value })?;
    let found = sample.head.presence[cell.index];
    if found == expected { Ok(()) } else { Err(Fault::Presence { found, expected }) }
}
