//! What can be wrong with a part of a shard.

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
    /// The stored bytes are no JPEG file that can be decoded.
    #[error("JPEG decoder failed: {reason}, expected a JPEG file")]
    Jpeg {
        /// What the decoder says.
        reason: String,
    },
    /// The JPEG file shows a picture of another size than the sample's head says.
    #[error("JPEG picture of {}x{} pixels, expected {}x{}", found.0, found.1, expected.0, expected.1)]
    JpegSize {
        /// Width and height of the picture.
        found: (u32, u32),
        /// Width and height in the sample's head.
        expected: (u32, u32),
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
