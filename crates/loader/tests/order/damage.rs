//! Alters single tiles of packed datasets.

use std::path::Path;

use shard_format::{Dataset, LABEL_TILE_EDGE, Plane, RGB_TILE_EDGE};

const HEADER: usize = 64;

/// Alters the first byte of a tile of sample number `sample` of the single shard in `folder`.
pub(crate) fn alter_tile(folder: &Path, sample: usize, plane: Plane, column: u32, row: u32) {
    let dataset = Dataset::open(folder).unwrap();
    let (width, height) = (dataset.sample(sample).width, dataset.sample(sample).height);
    let tiles = |edge| width.div_ceil(edge) * height.div_ceil(edge);
    // The tables stand behind the fixed part of the head: 8 bytes for an RGB tile, 12 for a label
    // tile, and the offset of the tile comes first.
    let entry = match plane {
        Plane::Rgb => 64 + 8 * (row * width.div_ceil(RGB_TILE_EDGE) + column),
        Plane::Label => {
            let at = row * width.div_ceil(LABEL_TILE_EDGE) + column;
            64 + 8 * tiles(RGB_TILE_EDGE) + 12 * at
        }
    };
    let path = folder.join(&dataset.index().shards[0].file);
    let mut bytes = std::fs::read(&path).unwrap();
    let mut record = HEADER;
    for earlier in 0..sample {
        let end = record + dataset.sample(earlier).stored_bytes as usize;
        record = end.next_multiple_of(64);
    }
    let entry = record + entry as usize;
    let offset = u32::from_le_bytes(std::array::from_fn(|byte| bytes[entry + byte]));
    bytes[record + offset as usize] ^= 1;
    // A new file, as other readers may have mapped the old one.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
}
