//! What can go wrong while writing and reading shards.

use std::io;
use std::path::PathBuf;

use crate::grid::TileId;
use crate::image::Window;
use crate::preset::Preset;

/// Why a sample or a dataset could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
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
    /// The dataset has no sample of this index.
    #[error("{}: sample index {index}, expected less than {samples}", path.display())]
    NoSample {
        /// Folder of the dataset.
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

/// What is wrong with a part of a shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The stored bytes are not the ones that were written.
    #[error("CRC-32C {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Checksum of the bytes in the file.
        found: u32,
        /// Checksum in the tile table.
        expected: u32,
    },
    /// The stored bytes are no zstd frame of the tile's length.
    #[error("zstd failed: {reason}, expected a frame of {expected} bytes")]
    Zstd {
        /// zstd's name for the error.
        reason: &'static str,
        /// Length of the tile in bytes.
        expected: usize,
    },
    /// The frame holds less than the tile.
    #[error("{found} bytes after decompression, expected {expected}")]
    Length {
        /// Length of the frame's content in bytes.
        found: usize,
        /// Length of the tile in bytes.
        expected: usize,
    },
    /// A label is not one of the train ids that the tile announces.
    #[error("label {value}, expected 255 or a train id in the tile's class-presence bits")]
    LabelValue {
        /// The value found.
        value: u8,
    },
    /// The class-presence bitset does not describe the labels.
    #[error("class-presence bits {found:08x}, expected {expected:08x} for the labels")]
    Presence {
        /// Bits in the tile table.
        found: u32,
        /// Bits of the decoded labels.
        expected: u32,
    },
    /// The shard is not the one that the index describes.
    #[error("BLAKE3 hash {found}, expected {expected} as in index.json")]
    ShardHash {
        /// Hash of the file.
        found: String,
        /// Hash in the index.
        expected: String,
    },
    /// The head in front of a sample's tiles differs from the footer's copy.
    #[error("sample head differs from its copy in the footer, expected the same bytes")]
    HeadCopy,
}
