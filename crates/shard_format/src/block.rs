//! The 64-byte blocks that open and close a shard.

use crate::grid::{LABEL_TILE_EDGE, RGB_TILE_EDGE, RGB_TILE_MULTIPLE};
use crate::label_tile::IGNORE_ID;

/// Version of the shard format and of the index that this crate writes.
pub const FORMAT_VERSION: u32 = Version::Two as u32;
/// Samples and the footer start at multiples of this, in bytes.
pub(crate) const ALIGNMENT: u64 = 64;
/// Size of the header, of the trailer and of the fixed part of a sample head, in bytes.
pub(crate) const BLOCK_LENGTH: usize = 64;
/// First bytes of a shard.
pub(crate) const HEADER_MAGIC: &[u8; 8] = b"PINMSHRD";
/// First bytes of the trailer.
pub(crate) const TRAILER_MAGIC: &[u8; 8] = b"PINMTAIL";
/// Where a block keeps its checksum.
pub(crate) const CHECKSUM_OFFSET: usize = 60;

/// A header, a trailer, or the fixed part of a sample head.
pub(crate) type Block = [u8; BLOCK_LENGTH];

/// A version of the format that this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// Without provenance and JPEG pass-through.
    One = 1,
    /// The one that is written.
    Two = 2,
}

impl Version {
    /// The version of this number, if this crate knows it.
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// A field of a shard that is not as it must be.
#[derive(Debug)]
pub(crate) struct FieldFault {
    /// Offset in bytes from the start of what was parsed.
    pub(crate) offset: u64,
    pub(crate) field: &'static str,
    pub(crate) found: String,
    pub(crate) expected: String,
}

impl FieldFault {
    pub(crate) fn new(
        offset: usize,
        field: &'static str,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        let (found, expected) = (found.to_string(), expected.to_string());
        Self { offset: offset as u64, field, found, expected }
    }

    /// For a checksum that does not match.
    pub(crate) fn checksum(offset: usize, field: &'static str, found: u32, expected: u32) -> Self {
        Self::new(offset, field, format!("{found:08x}"), format!("{expected:08x}"))
    }
}

/// Where the footer is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) footer_checksum: u32,
    pub(crate) footer_offset: u64,
    pub(crate) footer_length: u64,
    pub(crate) samples: u32,
}

/// The header: the same bytes in every shard of this version.
pub(crate) fn header(version: Version) -> Block {
    let mut block = [0; BLOCK_LENGTH];
    put(&mut block, 0, HEADER_MAGIC);
    put(&mut block, 8, &(version as u32).to_le_bytes());
    put(&mut block, 12, &RGB_TILE_EDGE.to_le_bytes());
    put(&mut block, 16, &RGB_TILE_MULTIPLE.to_le_bytes());
    put(&mut block, 20, &LABEL_TILE_EDGE.to_le_bytes());
    put(&mut block, 24, &(ALIGNMENT as u32).to_le_bytes());
    put(&mut block, 28, &u32::from(IGNORE_ID).to_le_bytes());
    seal(&mut block, &[]);
    block
}

impl Trailer {
    pub(crate) fn encode(&self, version: Version) -> Block {
        let mut block = [0; BLOCK_LENGTH];
        put(&mut block, 0, TRAILER_MAGIC);
        put(&mut block, 8, &(version as u32).to_le_bytes());
        put(&mut block, 12, &self.footer_checksum.to_le_bytes());
        put(&mut block, 16, &self.footer_offset.to_le_bytes());
        put(&mut block, 24, &self.footer_length.to_le_bytes());
        put(&mut block, 32, &self.samples.to_le_bytes());
        seal(&mut block, &[]);
        block
    }

    pub(crate) fn parse(block: &Block, version: Version) -> Result<Self, FieldFault> {
        check_seal(block, &[], "trailer checksum")?;
        let trailer = Self {
            footer_checksum: u32_at(block, 12),
            footer_offset: u64_at(block, 16),
            footer_length: u64_at(block, 24),
            samples: u32_at(block, 32),
        };
        // Covers the magic, the version and the reserved bytes.
        check_same(block, &trailer.encode(version), "trailer")?;
        Ok(trailer)
    }
}

/// Checks that `found` is `expected`, byte by byte.
pub(crate) fn check_same(
    found: &Block,
    expected: &Block,
    field: &'static str,
) -> Result<(), FieldFault> {
    match found.iter().zip(expected).position(|(found, expected)| found != expected) {
        None => Ok(()),
        Some(at) => Err(FieldFault::new(
            at,
            field,
            format!("byte {:02x}", found[at]),
            format!("byte {:02x}", expected[at]),
        )),
    }
}

/// Checksum of a block and what follows it, without the four bytes that hold the checksum.
fn checksum(block: &Block, rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..CHECKSUM_OFFSET]), rest)
}

/// Writes the checksum of a block and what follows it into the block.
pub(crate) fn seal(block: &mut Block, rest: &[u8]) {
    let sum = checksum(block, rest);
    put(block, CHECKSUM_OFFSET, &sum.to_le_bytes());
}

/// Checks what [`seal`] wrote.
pub(crate) fn check_seal(
    block: &Block,
    rest: &[u8],
    field: &'static str,
) -> Result<(), FieldFault> {
    let (found, expected) = (checksum(block, rest), u32_at(block, CHECKSUM_OFFSET));
    if found == expected {
        Ok(())
    } else {
        Err(FieldFault::checksum(CHECKSUM_OFFSET, field, found, expected))
    }
}

pub(crate) fn put(block: &mut Block, offset: usize, bytes: &[u8]) {
    block[offset..offset + bytes.len()].copy_from_slice(bytes);
}

pub(crate) fn u16_at(block: &Block, offset: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|index| block[offset + index]))
}

pub(crate) fn u32_at(block: &Block, offset: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| block[offset + index]))
}

pub(crate) fn u64_at(block: &Block, offset: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| block[offset + index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_the_specified_64_bytes() {
        for version in [Version::One, Version::Two] {
            let mut expected = b"PINMSHRD".to_vec();
            for word in [version as u32, 128, 32, 256, 64, 255, 0, 0, 0, 0, 0, 0, 0] {
                expected.extend(word.to_le_bytes());
            }
            expected.extend(crc32c::crc32c(&expected).to_le_bytes());
            assert_eq!(header(version).as_slice(), expected);
        }
    }

    #[test]
    fn a_trailer_with_any_bit_changed_is_refused() {
        let trailer =
            Trailer { footer_checksum: 1, footer_offset: 64, footer_length: 2, samples: 3 };
        let block = trailer.encode(Version::Two);
        assert_eq!(Trailer::parse(&block, Version::Two).unwrap(), trailer);
        assert!(Trailer::parse(&block, Version::One).is_err());
        for bit in 0..BLOCK_LENGTH * 8 {
            let mut altered = block;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::parse(&altered, Version::Two).is_err(), "bit {bit}");
        }
    }
}
