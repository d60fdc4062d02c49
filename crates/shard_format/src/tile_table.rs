//! The tables in a sample's head that say where each tile is.

use crate::block::{BLOCK_LENGTH, FieldFault};
use crate::grid::{Cell, Grid, Plane};
use crate::head::{RECORD_LENGTH_OFFSET, SampleHead};
use crate::label_tile::only_value;
use crate::preset::Codec;

/// Longest JPEG file that is passed through, in bytes; keeps a record below 2^32 bytes.
pub const MAX_JPEG_BYTES: usize = 1 << 30;

const RGB_ENTRY_LENGTH: usize = 8;
const LABEL_ENTRY_LENGTH: usize = 12;

/// Where a tile's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Bytes from the start of the record.
    pub(crate) offset: u32,
    /// Bytes stored; 0 for a uniform label tile.
    pub(crate) length: u32,
    /// CRC-32C of the bytes stored.
    pub(crate) checksum: u32,
}

/// Length of both tables, in bytes.
pub(crate) fn table_length(rgb: Grid, labels: Grid) -> usize {
    rgb.count() * RGB_ENTRY_LENGTH + labels.count() * LABEL_ENTRY_LENGTH
}

/// The bytes of both tables.
pub(crate) fn encode(rgb: &[Tile], labels: &[Tile], presence: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for tile in rgb {
        bytes.extend(tile.offset.to_le_bytes());
        bytes.extend(tile.checksum.to_le_bytes());
    }
    for (tile, presence) in labels.iter().zip(presence) {
        bytes.extend(tile.offset.to_le_bytes());
        bytes.extend(tile.checksum.to_le_bytes());
        bytes.extend(presence.to_le_bytes());
    }
    bytes
}

/// Reads both tables into `head` from the start of `rest`, which is long enough for them.
pub(crate) fn parse(
    head: &mut SampleHead,
    rest: &[u8],
    head_length: usize,
) -> Result<(), FieldFault> {
    let (rgb, labels) = head.grids();
    let (rgb_table, rest) = rest.split_at(rgb.count() * RGB_ENTRY_LENGTH);
    let label_table = &rest[..labels.count() * LABEL_ENTRY_LENGTH];
    let word = |entry: &[u8], at: usize| {
        u32::from_le_bytes(std::array::from_fn(|index| entry[at * 4 + index]))
    };
    let rgb_entries = rgb_table.chunks_exact(RGB_ENTRY_LENGTH);
    let label_entries = label_table.chunks_exact(LABEL_ENTRY_LENGTH);
    head.presence = label_entries.clone().map(|entry| word(entry, 2)).collect();

    let offsets: Vec<u32> =
        rgb_entries.clone().chain(label_entries.clone()).map(|entry| word(entry, 0)).collect();
    let record_length = head.info.stored_bytes;
    let Ok(end) = u32::try_from(record_length) else {
        let at = RECORD_LENGTH_OFFSET;
        return Err(FieldFault::new(at, "record length", record_length, "below 2^32"));
    };
    if offsets[0] as usize != head_length {
        let found = offsets[0];
        return Err(FieldFault::new(BLOCK_LENGTH, "offset of the first tile", found, head_length));
    }
    let ends = offsets.iter().skip(1).copied().chain([end]);
    let checksums = rgb_entries.chain(label_entries).map(|entry| word(entry, 1));
    let tiles = offsets.iter().zip(ends).zip(checksums);
    for (cell, ((offset, end), checksum)) in rgb.cells().chain(labels.cells()).zip(tiles) {
        let length = end.checked_sub(*offset).ok_or_else(|| {
            FieldFault::new(BLOCK_LENGTH, "tile offset", end, format!("{offset} or more"))
        })?;
        let tile = Tile { offset: *offset, length, checksum };
        check_tile(head, &cell, tile)?;
        match cell.id.plane {
            Plane::Rgb => head.rgb.push(tile),
            Plane::Label => head.labels.push(tile),
        }
    }
    Ok(())
}

/// Checks that the tile's length is one the codec can have.
fn check_tile(head: &SampleHead, cell: &Cell, tile: Tile) -> Result<(), FieldFault> {
    let raw_length = cell.raw_length();
    let (shortest, longest) = match (head.codec, cell.id.plane) {
        (_, Plane::Label) if tile.length == 0 => {
            let presence = head.presence[cell.index];
            if only_value(presence).is_some() && tile.checksum == 0 {
                return Ok(());
            }
            return Err(FieldFault::new(
                BLOCK_LENGTH,
                "uniform label tile",
                format!("presence {presence:08x}, checksum {:08x}", tile.checksum),
                "one presence bit and checksum 0",
            ));
        }
        (Codec::Raw, _) => (raw_length, raw_length),
        (Codec::Jpeg, Plane::Rgb) => (1, MAX_JPEG_BYTES),
        (Codec::GradientZstd, _) | (Codec::Jpeg, Plane::Label) => (1, raw_length),
    };
    if (shortest..=longest).contains(&(tile.length as usize)) {
        Ok(())
    } else {
        let expected = if shortest == longest {
            format!("{longest} bytes")
        } else {
            format!("{shortest} to {longest} bytes")
        };
        Err(FieldFault::new(BLOCK_LENGTH, "tile length", tile.length, expected))
    }
}
