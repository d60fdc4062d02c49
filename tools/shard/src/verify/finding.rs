//! What a check can find wrong.

use std::path::PathBuf;

use datasets::SampleError;
use shard_format::Problem;

/// Something wrong with a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The stored bytes.
    #[error("{0}")]
    Stored(Problem),
    /// A sample and the file it was packed from are not the same.
    #[error("{}: sample {sample:?}: {fault}", path.display())]
    Source {
        /// The source file.
        path: PathBuf,
        /// The sample's id.
        sample: String,
        /// What is wrong.
        fault: SourceFault,
    },
    /// A source file cannot be decoded, or its labels cannot be mapped.
    #[error("{error} (sample {sample:?})")]
    Undecodable {
        /// The sample's id.
        sample: String,
        /// What is wrong, with the file.
        error: SampleError,
    },
    /// The audit says something else than the shards.
    #[error("{}: {field} is {found}, expected {expected} as in the shards", path.display())]
    Counts {
        /// The audit.
        path: PathBuf,
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// What the shards hold.
        expected: String,
    },
    /// The audit cannot be read.
    #[error("{}: {reason}, expected the counts that `shard pack` wrote", path.display())]
    Audit {
        /// The audit.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// How a source file and its sample differ.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceFault {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// The path that the shard names would leave the folder.
    #[error("found a path out of the folder, expected one below it")]
    Outside,
    /// The file is not the one that was packed.
    #[error("the file's BLAKE3 hash is {found}, expected {expected} as when it was packed")]
    Hash {
        /// The hash of the file.
        found: String,
        /// The hash in the shard.
        expected: String,
    },
    /// The picture has another size.
    #[error("{}x{} pixels, expected {}x{} as in the shard", found.0, found.1, expected.0, expected.1)]
    Size {
        /// Columns and rows of the file.
        found: (u32, u32),
        /// Columns and rows in the shard.
        expected: (u32, u32),
    },
    /// Values differ.
    #[error(
        "{differing} of {pixels} pixels differ, the first at x={x}, y={y}: found {found:?}, \
         expected {expected:?} as in the shard"
    )]
    Pixels {
        /// How many.
        differing: u64,
        /// Of how many.
        pixels: u64,
        /// Column of the first.
        x: u32,
        /// Its row.
        y: u32,
        /// Its value in the file: red, green and blue, or one train id.
        found: Vec<u8>,
        /// Its value in the shard.
        expected: Vec<u8>,
    },
}
