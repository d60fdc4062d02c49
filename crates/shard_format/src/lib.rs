//! The shard format: a dataset of images and label maps packed for training.
//!
//! A dataset is a folder that holds `index.json` and shards. A shard holds samples; a sample is
//! an RGB image and its label map, stored without loss in small tiles, so that a reader decodes
//! only the tiles under the window it wants; an image that comes as a JPEG file can also be kept
//! as that file. [`encode_sample`], [`encode_jpeg_sample`] and [`DatasetWriter`] write,
//! [`Dataset`] and [`Decoder`] read, [`Dataset::verify`] checks every byte. A [`Storage`] is where
//! the bytes lie; [`Folder`] is the one for file systems.
//!
//! This page is the specification, version 2. MUST, MUST NOT and MAY are used as in RFC 2119.
//!
//! # Conventions
//!
//! - Integers are unsigned and little-endian. Offsets and lengths are in bytes. Text is UTF-8.
//! - CRC-32C is the Castagnoli polynomial, as in iSCSI.
//! - Reserved bytes MUST be zero, and readers MUST refuse a file where they are not.
//! - Pictures, tiles and tile tables are row-major, from the top left.
//! - A train id is a class number from 0 to 30. Value 255 marks ignored pixels. A label map MUST
//!   NOT hold any other value.
//!
//! # Versions
//!
//! The version of a dataset is a single number. It stands in the index and in the header and
//! trailer of every shard, and a reader MUST refuse a dataset where these differ. It MUST refuse a
//! version later than the latest it knows, before it looks at any other field, and MUST read every
//! earlier one. A writer MUST write the latest version that it knows, so a dataset never mixes
//! versions, and records MUST NOT be copied into a dataset of another version. Any change to the
//! meaning of a byte makes a new version.
//!
//! | Version | What it added |
//! |---|---|
//! | 1 | |
//! | 2 | codec 2, preset `"jpeg"`; in the sample head the label source path and two hashes |
//!
//! Where version 1 differs, this page says so.
//!
//! # Limits
//!
//! | What | Limit |
//! |---|---|
//! | width, height | 1 to 32768 pixels each |
//! | width × height | at most 2^28 pixels |
//! | id | 1 to 4096 bytes, unique in the dataset |
//! | source paths, domain | 0 to 4096 bytes each |
//! | JPEG file | 1 to 2^30 bytes |
//! | record | less than 2^32 bytes, which the limits above imply |
//! | `index.json` | at most 2^26 bytes |
//! | classes | 1 to 31 |
//! | samples | 1 to 2^32 - 1 in a shard; at least 1 shard in a dataset |
//!
//! A reader MUST refuse a file beyond these limits and a dataset with two samples of one id. It
//! MUST NOT allocate memory for a length that it has read before it has checked it against them
//! and against the size of the file.
//!
//! # Shard
//!
//! | Offset | Size | Content |
//! |---|---|---|
//! | 0 | 64 | header |
//! | 64 | | sample records, each at the next multiple of 64, zeros between |
//! | multiple of 64 | | footer: a copy of the head of every record, in order, without gaps |
//! | file length - 64 | 64 | trailer |
//!
//! The first record starts at 64, each further one at the end of the one before, rounded up to a
//! multiple of 64, and the footer at the end of the last record, rounded up likewise. A reader
//! thus knows every record's place from the footer alone. It MUST check that footer, trailer and
//! records account for the whole file.
//!
//! A writer MAY choose the largest size of a shard. Where the next sample would exceed it, the
//! writer MUST begin a new shard, so that only a shard of a single sample can be larger.
//!
//! ## Header, 64 bytes
//!
//! | Offset | Size | Type | Value |
//! |---|---|---|---|
//! | 0 | 8 | bytes | `PINMSHRD` |
//! | 8 | 4 | u32 | version |
//! | 12 | 4 | u32 | edge of an RGB tile: 128 |
//! | 16 | 4 | u32 | stored RGB tile sides are multiples of: 32 |
//! | 20 | 4 | u32 | edge of a label tile: 256 |
//! | 24 | 4 | u32 | alignment of records and footer: 64 |
//! | 28 | 4 | u32 | ignore id: 255 |
//! | 32 | 28 | | reserved |
//! | 60 | 4 | u32 | CRC-32C of bytes 0 to 59 |
//!
//! A reader MUST refuse any other value.
//!
//! ## Trailer, 64 bytes
//!
//! | Offset | Size | Type | Meaning |
//! |---|---|---|---|
//! | 0 | 8 | bytes | `PINMTAIL` |
//! | 8 | 4 | u32 | version |
//! | 12 | 4 | u32 | CRC-32C of the footer |
//! | 16 | 8 | u64 | offset of the footer |
//! | 24 | 8 | u64 | length of the footer |
//! | 32 | 4 | u32 | number of samples |
//! | 36 | 24 | | reserved |
//! | 60 | 4 | u32 | CRC-32C of bytes 0 to 59 |
//!
//! # Sample record
//!
//! A record is a head and the tiles it names, without gaps: all RGB tiles, then all label tiles.
//! A `w` × `h` image has R = ⌈w / 128⌉ × ⌈h / 128⌉ RGB tiles, but with codec 2 R = 1, and
//! L = ⌈w / 256⌉ × ⌈h / 256⌉ label tiles.
//!
//! | Offset in the record | Size | Type | Meaning |
//! |---|---|---|---|
//! | 0 | 4 | bytes | `SMPL` |
//! | 4 | 4 | u32 | length of the head: 64 + 8 R + 12 L + 64 + lengths of the four texts |
//! | 8 | 8 | u64 | length of the record, head included |
//! | 16 | 4 | u32 | width |
//! | 20 | 4 | u32 | height |
//! | 24 | 2 | u16 | length of the id |
//! | 26 | 2 | u16 | length of the source path of the image |
//! | 28 | 2 | u16 | length of the domain |
//! | 30 | 1 | u8 | codec: 0, 1 or 2, see below |
//! | 31 | 1 | | reserved |
//! | 32 | 2 | u16 | length of the source path of the label map |
//! | 34 | 26 | | reserved |
//! | 60 | 4 | u32 | CRC-32C of the head without these four bytes |
//! | 64 | 8 R | | RGB tile table: for each tile its offset in the record (u32) and CRC-32C (u32) |
//! | | 12 L | | label tile table: offset (u32), CRC-32C (u32) and class presence (u32) |
//! | | 32 | bytes | BLAKE3 hash of the source image file |
//! | | 32 | bytes | BLAKE3 hash of the source label file |
//! | | | text | id |
//! | | | text | path of the source image, relative to the source dataset's root |
//! | | | text | domain |
//! | | | text | path of the source label file, likewise |
//! | length of the head | | | tiles |
//!
//! In version 1 bytes 32 and 33 are reserved, and a head ends after the domain and has no hashes.
//!
//! A tile ends where the next one starts, the last one at the end of the record. The first tile
//! starts at the end of the head. Offsets MUST NOT decrease. The CRC-32C of a tile covers its
//! bytes as stored, and a reader MUST check it before it uses them in any other way.
//!
//! Bit c of the class presence MUST be set if and only if train id c occurs in the label tile,
//! bit 31 if and only if the ignore id does.
//!
//! ## RGB tiles
//!
//! Each tile covers 128 × 128 pixels, less at the right and bottom edge of the image. There its
//! width and height are rounded up to multiples of 32 by repeating the last column and then the
//! last row of the image; a reader MUST ignore these pixels. With the stored width and height, a
//! tile's *plain* form is interleaved R, G, B: 3 × width × height bytes.
//!
//! - Codec 0: a tile is its plain form.
//! - Codec 1: a tile is its *residual* form in one zstd frame with the content size and without
//!   content checksum or dictionary. A tile whose frame would not be shorter than the plain form
//!   MUST be stored plain. A reader tells them apart by length: equal to that of the plain form
//!   means plain, shorter means zstd, longer MUST be refused.
//!
//! - Codec 2, not in version 1: the one tile is a JPEG file, byte for byte as it was found, of
//!   `w` × `h` pixels. A reader MUST compare this size with the head's before it decodes, and
//!   refuse a file that its decoder refuses. Grey becomes three equal channels; orientation tags
//!   and colour profiles are ignored. The bytes are exact, the pixels are what the decoder makes
//!   of them: JPEG decoders differ by rounding and in how they enlarge subsampled colour.
//!
//! The residual form has the planes G, R - G and B - G (modulo 256), one behind the other. In
//! each, every value is replaced by its difference from left + up - up-left (modulo 256), where
//! neighbours outside the tile count as 0.
//!
//! ## Label tiles
//!
//! Each tile covers 256 × 256 pixels, less at the right and bottom edge, without padding. Its
//! plain form is one byte per pixel, the train id.
//!
//! - A tile whose pixels are all equal MUST be stored with length 0 and CRC-32C 0; the value is
//!   the one named by its class presence, which MUST have a single bit.
//! - Codec 0: any other tile is its plain form.
//! - Codecs 1 and 2: any other tile is its plain form in one zstd frame, as above, or plain where
//!   the frame would not be shorter.
//!
//! # Index
//!
//! `index.json` is a JSON object with exactly these members:
//!
//! | Member | Meaning |
//! |---|---|
//! | `format` | `"pinmem-shards"` |
//! | `format_version` | the version |
//! | `dataset` | `name`, `split`, `domain`, `class_names`, `ignore_id` (255), `mapping` (its name), `license` |
//! | `preset` | `"default"`, `"fast"` (both codec 1), `"raw"` (codec 0) or `"jpeg"` (codec 2, and codec 1 for images that are no JPEG files) |
//! | `samples` | number of samples in all shards |
//! | `shards` | for each shard: `file`, `bytes` (its size), `blake3` (64 lower-case hexadecimal digits), `samples` |
//!
//! `name` has 1 to 100 ASCII letters, digits, `-`, `_` or `.` and does not start with a dot. Shard
//! number n MUST be called `NAME-n.shard`, n with at least five digits and counted from 0. No
//! sample may use a train id for which `class_names` has no name. Files that the index does not
//! list MAY lie in the folder and MUST be ignored.
//!
//! # Writing
//!
//! A writer MUST write each file under a temporary name in the same folder, sync it, and rename
//! it; `index.json` comes last, once the shards and their names are durable. A folder without
//! `index.json` is no dataset. Published shards MUST NOT be changed, because readers map them.
//! Equal input MUST give equal bytes. The samples alone decide where a shard ends, so that a
//! writer that takes records from other datasets, as from parts that were packed apart, writes
//! the shards that a single run would have written.
//!
//! # Example
//!
//! ```
//! use shard_format::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let info = DatasetInfo {
//!     name: "toy".into(),
//!     split: "train".into(),
//!     domain: "drawn".into(),
//!     class_names: vec!["road".into(), "sky".into()],
//!     ignore_id: IGNORE_ID,
//!     mapping: "identity".into(),
//!     license: "CC0-1.0".into(),
//! };
//! let meta = SampleMeta {
//!     id: "0".into(),
//!     source: "0.png".into(),
//!     domain: "drawn".into(),
//!     label_source: "0_labels.png".into(),
//!     image_blake3: [0; 32], // of the file 0.png
//!     label_blake3: [0; 32],
//! };
//! let image = RgbImage { width: 4, height: 2, pixels: vec![7; 4 * 2 * 3] };
//! let labels = LabelMap { width: 4, height: 2, train_ids: vec![1; 4 * 2] };
//!
//! let mut writer = DatasetWriter::create(folder, info, WriterOptions::default())?;
//! writer.push(encode_sample(&meta, &image, &labels, Preset::Default)?)?;
//! writer.finish()?;
//!
//! let dataset = Dataset::open(folder)?;
//! let window = Window { x: 1, y: 0, width: 2, height: 2 };
//! let crop = dataset.read_image(0, window, &mut Decoder::new())?;
//! assert_eq!(crop.pixels, vec![7; 2 * 2 * 3]);
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod block;
mod dataset;
mod decoder;
mod encode;
mod fault;
mod folder;
mod gradient;
mod grid;
mod head;
mod image;
mod index;
mod label_tile;
mod masked;
mod mmap;
mod open_shard;
mod planes;
mod preset;
mod read_error;
mod record;
mod resume;
mod rgb_tile;
mod shard;
mod storage;
mod temporary;
mod tile_reader;
mod tile_table;
mod verify;
mod write_error;
mod writer;

pub use block::FORMAT_VERSION;
pub use dataset::Dataset;
pub use decoder::Decoder;
pub use encode::{EncodedSample, encode_jpeg_sample, encode_sample};
pub use fault::Fault;
pub use folder::{Access, Folder};
pub use grid::{LABEL_TILE_EDGE, Plane, RGB_TILE_EDGE, RGB_TILE_MULTIPLE, TileId};
pub use head::{MAX_AREA, MAX_SIDE, MAX_TEXT_BYTES};
pub use image::{LabelMap, RgbImage, SampleInfo, SampleMeta, Window};
pub use index::{DatasetIndex, DatasetInfo, INDEX_FILE, ShardEntry};
pub use label_tile::{IGNORE_BIT, IGNORE_ID, MAX_CLASSES};
pub use masked::DamagedTile;
pub use preset::{Codec, Preset};
pub use read_error::ReadError;
pub use simd_level::Level;
pub use storage::{ShardFile, Storage};
pub use tile_table::MAX_JPEG_BYTES;
pub use verify::{Depth, Problem};
pub use write_error::WriteError;
pub use writer::{DatasetWriter, WriterOptions};
