//! The file that holds one block in the disk cache.
//!
//! | Offset | Size | Content |
//! |---|---|---|
//! | 0 | 8 | `PINMBLK1` |
//! | 8 | 64 | CRC-32C of each 64 KiB of the block, little-endian; zero beyond its end |
//! | 72 | 4 | length of the block |
//! | 76 | 4 | CRC-32C of bytes 0 to 75 |
//! | 80 | | the block |
//!
//! A reader checks only the pieces that it needs. A file that was torn, cut or altered is no
//! error: it is told from a whole one, and the block is fetched again.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Size of a block; the last one of an object may be shorter.
pub(crate) const BLOCK_BYTES: u64 = 1 << 20;

/// Size of what stands in front of a block.
pub(crate) const HEADER_BYTES: u64 = 80;

const MAGIC: &[u8; 8] = b"PINMBLK1";
const PIECE_BYTES: usize = 64 << 10;
const LENGTH_AT: usize = 72;
const CHECKSUM_AT: usize = 76;

/// Writes `block` with its header.
pub(crate) fn write(file: &mut File, block: &[u8]) -> io::Result<()> {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(MAGIC);
    for (field, piece) in header[8..LENGTH_AT].chunks_exact_mut(4).zip(block.chunks(PIECE_BYTES)) {
        field.copy_from_slice(&crc32c::crc32c(piece).to_le_bytes());
    }
    header[LENGTH_AT..CHECKSUM_AT].copy_from_slice(&(block.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c(&header[..CHECKSUM_AT]);
    header[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    file.write_all(&header)?;
    file.write_all(block)
}

/// Copies the bytes in `within` of a block of `length` bytes to `target`, as long; `false` where
/// the file does not hold that block unharmed.
pub(crate) fn read(
    file: &File,
    length: usize,
    within: Range<usize>,
    target: &mut [u8],
) -> io::Result<bool> {
    if file.metadata()?.len() != HEADER_BYTES + length as u64 {
        return Ok(false);
    }
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact_at(&mut header, 0)?;
    let word = |at: usize| {
        header[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let whole = header.starts_with(MAGIC)
        && word(CHECKSUM_AT) == crc32c::crc32c(&header[..CHECKSUM_AT])
        && word(LENGTH_AT) as usize == length;
    if !whole {
        return Ok(false);
    }
    let first = within.start / PIECE_BYTES;
    let span = first * PIECE_BYTES..within.end.next_multiple_of(PIECE_BYTES).min(length);
    let mut bytes = vec![0; span.len()];
    file.read_exact_at(&mut bytes, HEADER_BYTES + span.start as u64)?;
    for (number, piece) in (first..).zip(bytes.chunks(PIECE_BYTES)) {
        if crc32c::crc32c(piece) != word(8 + 4 * number) {
            return Ok(false);
        }
    }
    target.copy_from_slice(&bytes[within.start - span.start..within.end - span.start]);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place * 31 % 251) as u8).collect()
    }

    fn stored(block: &[u8]) -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        write(&mut File::create(&path).unwrap(), block).unwrap();
        let file = File::options().read(true).write(true).open(path).unwrap();
        (folder, file)
    }

    #[test]
    fn any_part_of_a_block_comes_back() {
        let block = block(3 * PIECE_BYTES + 5);
        let (_folder, file) = stored(&block);
        for within in
            [0..1, 0..block.len(), PIECE_BYTES - 1..PIECE_BYTES + 1, block.len() - 1..block.len()]
        {
            let mut target = vec![0; within.len()];
            assert!(read(&file, block.len(), within.clone(), &mut target).unwrap());
            assert_eq!(target, block[within]);
        }
    }

    #[test]
    fn every_changed_byte_under_the_part_or_in_the_header_is_noticed() {
        let block = block(2 * PIECE_BYTES);
        let (_folder, file) = stored(&block);
        let mut target = vec![0; 10];
        let places =
            (0..HEADER_BYTES).chain((HEADER_BYTES..HEADER_BYTES + PIECE_BYTES as u64).step_by(997));
        for place in places {
            let mut byte = [0];
            file.read_exact_at(&mut byte, place).unwrap();
            file.write_all_at(&[byte[0] ^ 1], place).unwrap();
            assert!(!read(&file, block.len(), 0..10, &mut target).unwrap(), "byte {place}");
            file.write_all_at(&byte, place).unwrap();
        }
        assert!(read(&file, block.len(), 0..10, &mut target).unwrap());
    }

    #[test]
    fn a_torn_file_and_one_of_another_block_are_noticed() {
        let block = block(1000);
        let (_folder, file) = stored(&block);
        assert!(!read(&file, 999, 0..1, &mut [0]).unwrap());
        file.set_len(500).unwrap();
        assert!(!read(&file, 1000, 0..1, &mut [0]).unwrap());
        file.set_len(HEADER_BYTES + 1000).unwrap();
        assert!(!read(&file, 1000, 0..1000, &mut [0; 1000]).unwrap());
    }
}
