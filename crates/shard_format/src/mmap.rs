//! The read-only memory map under every shard, and the crate's only unsafe code.
#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; see the SAFETY argument")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// A whole file, mapped read-only.
#[derive(Debug)]
pub(crate) struct Map(Mmap);

impl Map {
    /// Maps the whole of `file`.
    pub(crate) fn open(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only and private to this type, and `bytes` lends it only as
        // long as the map lives. What remains is another process changing the file meanwhile.
        // Shards are immutable by specification: writers publish them by rename under a new
        // inode and never write to them again, so a map taken here keeps its old, unchanged
        // file even if the name is reused. Nothing read from the map is trusted as a length or
        // offset after it was checked: directory fields are copied to owned memory before the
        // check, and tile bytes only ever reach crc32c, decoders that are made for damaged input
        // (zstd, JPEG) and arithmetic on u8.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self(map))
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
