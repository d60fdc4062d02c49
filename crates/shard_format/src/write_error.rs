//! What can go wrong while writing shards.

use std::io;
use std::path::PathBuf;

use crate::fault::Fault;
use crate::preset::Preset;
use crate::read_error::ReadError;

/// Why a sample or a dataset could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The folder holds a shard of this dataset, but no index.
    #[error(
        "{}: a shard without an index, expected a folder without shards of `{name}`; hint: it is of an unfinished or damaged dataset, delete the folder or choose another --out",
        path.display()
    )]
    Leftover {
        /// The shard.
        path: PathBuf,
        /// The dataset's name.
        name: String,
    },
    /// A size of the sample is outside the format's limits.
    #[error("{path}: {field} {found}, expected {expected}")]
    Limit {
        /// Source path of the sample.
        path: String,
        /// What was measured.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The values allowed.
        expected: String,
    },
    /// A buffer does not have the length that its width and height imply.
    #[error("{path}: {plane} holds {found} bytes, expected {expected} for its width and height")]
    BufferLength {
        /// Source path of the sample.
        path: String,
        /// Which buffer.
        plane: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The length implied.
        expected: usize,
    },
    /// Image and label map differ in size.
    #[error(
        "{path}: label map is {}x{} pixels, expected the image's {}x{}; hint: image and label may belong to different frames",
        labels.0, labels.1, image.0, image.1
    )]
    SizeMismatch {
        /// Source path of the sample.
        path: String,
        /// Width and height of the image.
        image: (u32, u32),
        /// Width and height of the label map.
        labels: (u32, u32),
    },
    /// A label is not a train id.
    #[error(
        "{path}: label {value} at column {x}, row {y}, expected a train id below {classes} or 255; hint: the label mapping must turn every other id into 255"
    )]
    LabelValue {
        /// Source path of the sample.
        path: String,
        /// The value found.
        value: u8,
        /// Column of a pixel that has it.
        x: u32,
        /// Row of a pixel that has it.
        y: u32,
        /// Number of classes allowed.
        classes: usize,
    },
    /// A sample uses a train id that the dataset has no class for.
    #[error("{path}: train id {train_id} is used, expected one of the dataset's {classes} classes")]
    UnknownClass {
        /// Source path of the sample.
        path: String,
        /// The train id found.
        train_id: u32,
        /// Number of classes of the dataset.
        classes: usize,
    },
    /// Two samples have the same id.
    #[error("{path}: sample id {id:?} is used twice, expected unique ids")]
    DuplicateId {
        /// Source path of the second sample.
        path: String,
        /// The id.
        id: String,
    },
    /// Samples of one dataset were encoded with different presets.
    #[error("{path}: encoded with preset {found}, expected {expected} as the samples before it")]
    MixedPresets {
        /// Source path of the sample.
        path: String,
        /// Its preset.
        found: Preset,
        /// Preset of the samples before it.
        expected: Preset,
    },
    /// zstd refused a parameter or failed.
    #[error("{path}: zstd failed while compressing: {reason}")]
    Zstd {
        /// Source path of the sample.
        path: String,
        /// zstd's name for the error.
        reason: &'static str,
    },
    /// An image that is to be passed through is no JPEG file that can be decoded.
    #[error("{path}: {fault}")]
    Jpeg {
        /// Source path of the sample.
        path: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A field of the dataset description is not allowed.
    #[error("{}: {field} is {found}, expected {expected}", path.display())]
    Info {
        /// Folder of the dataset.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values allowed.
        expected: String,
    },
    /// The folder already holds a finished dataset.
    #[error("{}: a dataset is already here, expected a folder without an index; hint: choose another output folder or delete this one", path.display())]
    Exists {
        /// The index found.
        path: PathBuf,
    },
    /// A finished shard of an interrupted run is not the one that run has noted.
    #[error("{}: {field} is {found}, expected {expected}; hint: the folder has changed since the run was interrupted, pack into a new folder", path.display())]
    Changed {
        /// The shard.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value noted.
        expected: String,
    },
    /// A finished shard of an interrupted run cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The dataset was finished without a sample.
    #[error("{}: no sample was written, expected at least one", path.display())]
    NoSamples {
        /// Folder of the dataset.
        path: PathBuf,
    },
    /// An earlier write failed and left a shard incomplete.
    #[error("{}: an earlier write failed, expected no further writes; hint: pack into a new folder", path.display())]
    Broken {
        /// Folder of the dataset.
        path: PathBuf,
    },
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
}
