//! Turns the stored bytes of a tile back into its plain or residual form.

use simd_level::Level;
use zstd_safe::DCtx;

use crate::fault::Fault;
use crate::grid::{LABEL_TILE_EDGE, RGB_TILE_EDGE};
use crate::tile_table::Tile;

/// Bytes of the largest tile of either kind.
const LARGEST_TILE: usize = {
    let (rgb, label) = (RGB_TILE_EDGE.pow(2) * 3, LABEL_TILE_EDGE.pow(2));
    if rgb > label { rgb as usize } else { label as usize }
};

/// What a thread needs to read tiles; each thread keeps one and passes it to every read.
pub struct Decoder {
    context: DCtx<'static>,
    pub(crate) level: Level,
    tile: Box<[u8; LARGEST_TILE]>,
    /// Stored bytes of neighbouring tiles, where the shard is not mapped.
    pub(crate) run: Vec<u8>,
}

impl Decoder {
    /// A new decoder that uses the best vector instructions of the processor.
    ///
    /// # Panics
    /// When there is no memory for a zstd context (about 100 KiB).
    pub fn new() -> Self {
        Self::with_level(Level::best())
    }

    /// A new decoder that uses the vector instructions of `level`; all levels give equal bytes.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_level(level: Level) -> Self {
        let (context, tile) = (DCtx::create(), Box::new([0; LARGEST_TILE]));
        Self { context, level, tile, run: Vec::new() }
    }

    /// Checks the stored bytes and expands them to the tile's `raw_length`.
    ///
    /// Bytes that already have that length are not compressed and come back as they are.
    pub(crate) fn expand<'a>(
        &'a mut self,
        stored: &'a [u8],
        tile: Tile,
        raw_length: usize,
    ) -> Result<&'a [u8], Fault> {
        check_tile(stored, tile)?;
        if stored.len() == raw_length {
            return Ok(stored);
        }
        let target = &mut self.tile[..raw_length];
        match self.context.decompress(target, stored) {
            Ok(length) if length == raw_length => Ok(target),
            Ok(found) => Err(Fault::Length { found, expected: raw_length }),
            Err(code) => {
                let reason = zstd_safe::get_error_name(code);
                Err(Fault::Zstd { reason, expected: raw_length })
            }
        }
    }
}

/// Checks that the stored bytes of a tile are those that were written.
pub(crate) fn check_tile(stored: &[u8], tile: Tile) -> Result<(), Fault> {
    let found = crc32c::crc32c(stored);
    let expected = tile.checksum;
    if found == expected { Ok(()) } else { Err(Fault::Checksum { found, expected }) }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Decoder").finish_non_exhaustive()
    }
}
