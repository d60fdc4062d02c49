//! What can go wrong while reading shards.

use std::io;
use std::path::PathBuf;

use crate::fault::Fault;
use crate::grid::TileId;
use crate::image::Window;

/// Why a dataset could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The folder is no dataset.
    #[error("{}: not found, expected the index of a packed dataset; hint: name the folder that `shard pack` wrote, and pack again if packing was interrupted", path.display())]
    NoIndex {
        /// Where the index should be.
        path: PathBuf,
    },
    /// The index is not the JSON document it should be.
    #[error("{}: {source}, expected the index of a packed dataset; hint: the index was altered or cut off, pack the dataset again", path.display())]
    IndexSyntax {
        /// The index.
        path: PathBuf,
        /// What the JSON reader found.
        source: serde_json::Error,
    },
    /// A field of the index contradicts the format or another field.
    #[error("{}: {field} is {found}, expected {expected}; hint: the index was altered, pack the dataset again", path.display())]
    IndexField {
        /// The index.
        path: PathBuf,
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// The value expected.
        expected: String,
    },
    /// The file was written in a later format.
    #[error("{}: format version {found}, expected at most {supported}; hint: read it with a newer release of these programs", path.display())]
    NewerVersion {
        /// Index or shard.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Newest version that this reader knows.
        supported: u32,
    },
    /// A shard that the index lists does not exist.
    #[error("{}: not found, expected a shard listed in index.json; hint: copy the whole folder, index.json and every shard", path.display())]
    ShardMissing {
        /// The shard.
        path: PathBuf,
    },
    /// A shard's size is not the one in the index.
    #[error("{}: {found} bytes, expected {expected}; hint: the shard was cut off or altered, copy it again or pack the dataset again", path.display())]
    ShardSize {
        /// The shard.
        path: PathBuf,
        /// Size of the file in bytes.
        found: u64,
        /// Size in the index in bytes.
        expected: u64,
    },
    /// The file does not start as a shard does.
    #[error("{}: begins with {found}, expected {expected}; hint: this file is no shard", path.display())]
    WrongMagic {
        /// The shard.
        path: PathBuf,
        /// First bytes of the file.
        found: String,
        /// First bytes of a shard.
        expected: String,
    },
    /// A field of a shard contradicts the format, a checksum or the index.
    #[error("{}: {field} at byte {offset} is {found}, expected {expected}; hint: the shard was altered, copy it again or pack the dataset again", path.display())]
    ShardField {
        /// The shard.
        path: PathBuf,
        /// Where the field is, in bytes from the start of the file.
        offset: u64,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value expected.
        expected: String,
    },
    /// The bytes of a sample cannot be read.
    #[error("{}: sample {sample:?}: cannot read bytes {start} to {end}: {source}", path.display())]
    SampleIo {
        /// The shard.
        path: PathBuf,
        /// Id of the sample.
        sample: String,
        /// First of the bytes, counted from the start of the file.
        start: u64,
        /// End of the bytes.
        end: u64,
        /// The system's error.
        source: io::Error,
    },
    /// Two samples have the same id.
    #[error("{}: sample id {sample:?} is used twice in the dataset, expected unique ids; hint: the shards come from different runs, pack the dataset again", path.display())]
    DuplicateId {
        /// Shard of the second sample.
        path: PathBuf,
        /// The id.
        sample: String,
    },
    /// A sample cannot be used as a whole.
    #[error("{}: sample {sample:?}: {fault}; hint: the shard was altered, copy it again or pack the dataset again", path.display())]
    Sample {
        /// The shard.
        path: PathBuf,
        /// Id of the sample.
        sample: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A sample's record is not in the version that is written today.
    #[error("{}: format version {found}, expected {expected} for a record that is copied; hint: pack the dataset again", path.display())]
    OlderVersion {
        /// The shard.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Version that is written.
        expected: u32,
    },
    /// A tile cannot be used.
    #[error("{}: sample {sample:?}, {tile}: {fault}; hint: the shard was altered, copy it again or pack the dataset again", path.display())]
    Tile {
        /// The shard.
        path: PathBuf,
        /// Id of the sample.
        sample: String,
        /// The tile.
        tile: TileId,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The dataset has no shard of this index.
    #[error("{}: shard index {index}, expected less than {shards}", path.display())]
    NoShard {
        /// Index of the dataset.
        path: PathBuf,
        /// The index asked for.
        index: usize,
        /// Number of shards.
        shards: usize,
    },
    /// The dataset has no sample of this index.
    #[error("{}: sample index {index}, expected less than {samples}", path.display())]
    NoSample {
        /// Index of the dataset.
        path: PathBuf,
        /// The index asked for.
        index: usize,
        /// Number of samples.
        samples: usize,
    },
    /// The window asked for does not lie inside the sample.
    #[error(
        "{}: sample {sample:?}: window of {}x{} pixels at column {}, row {}, expected one inside {width}x{height}",
        path.display(), window.width, window.height, window.x, window.y
    )]
    Window {
        /// The shard.
        path: PathBuf,
        /// Id of the sample.
        sample: String,
        /// The window asked for.
        window: Window,
        /// Columns of the sample.
        width: u32,
        /// Rows of the sample.
        height: u32,
    },
}

impl ReadError {
    /// The tile, if it is one, and what is wrong, if the bytes of a sample came but are not those
    /// that were written: a checksum or a decoder says so. Everything else is a failure of the
    /// storage or a mistake of the caller.
    pub fn damage(&self) -> Option<(Option<TileId>, &Fault)> {
        match self {
            Self::Tile { tile, fault, .. } => Some((Some(*tile), fault)),
            Self::Sample { fault, .. } => Some((None, fault)),
            _ => None,
        }
    }
}
