//! What becomes of samples whose stored bytes are damaged.

use std::fmt;
use std::path::PathBuf;

use shard_format::TileId;

/// What a damaged tile leads to: one whose checksum or decoder refuses it.
///
/// Storage that cannot be read ends the stream under every policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultPolicy {
    /// The stream ends with an error that names file, sample and tile.
    #[default]
    Strict,
    /// Another sample takes the place: the next of the stream's order whose crop can be read, with
    /// the same draws.
    Substitute,
    /// The tile becomes the mean colour of ImageNet, and its area ignored in the labels; a damaged
    /// label tile is ignored. A sample of whose crop nothing is left is substituted.
    MaskTile,
}

/// Damage that was met in a batch, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The shard.
    pub path: PathBuf,
    /// The domain's name.
    pub domain: String,
    /// The stream's number.
    pub stream: u32,
    /// The stream's place in `LoaderOptions::streams`.
    pub stream_index: usize,
    /// The sample's place in the stream's part of the batch.
    pub slot: usize,
    /// The damaged sample's number within the domain.
    pub sample: usize,
    /// The damaged sample's id.
    pub id: String,
    /// The tile, if it is one that is damaged.
    pub tile: Option<TileId>,
    /// What is wrong.
    pub fault: shard_format::Fault,
    /// What was done.
    pub remedy: Remedy,
}

/// What was done about damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Another sample took the place.
    Substituted {
        /// Its number within the domain.
        sample: usize,
        /// Its id.
        id: String,
    },
    /// The tile was painted over.
    Masked,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: sample {:?}", self.path.display(), self.id)?;
        if let Some(tile) = &self.tile {
            write!(formatter, ", {tile}")?;
        }
        write!(formatter, ": {} (domain {}), ", self.fault, self.domain)?;
        match &self.remedy {
            Remedy::Substituted { id, .. } => write!(formatter, "sample {id:?} took its place"),
            Remedy::Masked => write!(formatter, "the tile was masked"),
        }
    }
}
