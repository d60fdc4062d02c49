//! Where the parts of a shard are, and how to make its checksums right again after a change.
//!
//! Written from the specification and without the crate's own parser, for shards of any content:
//! what lies outside the file is left out.

use std::ops::Range;

/// Where a sample's parts are in a shard, as its head in the footer says.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) footer_head: Range<usize>,
    /// The head in front of the tiles.
    pub(crate) record_head: Range<usize>,
    /// The tiles, RGB before labels; empty where the sample has no such bytes.
    pub(crate) tiles: Vec<Range<usize>>,
    /// Where the entries of the tiles start in the head.
    entries: Vec<usize>,
    pub(crate) rgb_tiles: usize,
}

/// The samples that the footer lists, up to the first that leaves the file.
pub(crate) fn samples(shard: &[u8]) -> Vec<Parts> {
    let mut found = Vec::new();
    let Some(trailer) = shard.len().checked_sub(64) else { return found };
    let mut at = usize::try_from(word(shard, trailer + 16, 8)).unwrap_or(usize::MAX);
    let mut record = 64usize;
    while at.checked_add(64).is_some_and(|end| end <= trailer) {
        let length = word(shard, at + 4, 4) as usize;
        let footer_head = at..at.saturating_add(length.max(64)).min(trailer);
        let parts = sample(shard, footer_head, record);
        let stored = usize::try_from(word(shard, at + 8, 8)).unwrap_or(usize::MAX);
        at = parts.footer_head.end;
        found.push(parts);
        let Some(end) = record.checked_add(stored).filter(|end| *end < shard.len()) else { break };
        record = end.next_multiple_of(64);
    }
    found
}

fn sample(shard: &[u8], head: Range<usize>, record: usize) -> Parts {
    let field = |offset, length| word(shard, head.start + offset, length);
    let (width, height) = (field(16, 4), field(20, 4));
    let tiles = |edge| width.div_ceil(edge) * height.div_ceil(edge);
    let rgb_tiles = if field(30, 1) == 2 { 1 } else { tiles(128) as usize };
    let rgb_entries = (0..rgb_tiles).map(|tile| 64 + tile * 8);
    let label_entries = (0..tiles(256) as usize).map(|tile| 64 + rgb_tiles * 8 + tile * 12);
    let entries: Vec<usize> = rgb_entries
        .chain(label_entries)
        .take_while(|entry| head.start + entry + 12 <= head.end)
        .collect();
    let offsets = entries.iter().map(|entry| field(*entry, 4));
    let starts = offsets.clone().map(|offset| offset as usize);
    let ends = offsets.skip(1).chain([field(8, 8)]).map(|end| end as usize);
    let tiles = starts.zip(ends).map(|(start, end)| {
        let (start, end) = (record.saturating_add(start), record.saturating_add(end));
        if start <= end && end <= shard.len() { start..end } else { 0..0 }
    });
    let record_head = record..record.saturating_add(head.len()).min(shard.len());
    Parts { record_head, tiles: tiles.collect(), entries, rgb_tiles, footer_head: head }
}

/// Makes every checksum of a shard right, whatever its fields say.
pub(crate) fn reseal(shard: &mut [u8]) {
    if shard.len() < 128 {
        return;
    }
    seal(shard, 0..64);
    for parts in samples(shard) {
        for (tile, entry) in parts.tiles.iter().zip(&parts.entries) {
            let sum = if tile.is_empty() { 0 } else { crc32c::crc32c(&shard[tile.clone()]) };
            for head in [&parts.footer_head, &parts.record_head] {
                if entry + 8 <= head.len() {
                    put(shard, head.start + entry + 4, sum);
                }
            }
        }
        seal(shard, parts.footer_head);
        seal(shard, parts.record_head);
    }
    let trailer = shard.len() - 64;
    let footer = usize::try_from(word(shard, trailer + 16, 8)).unwrap_or(usize::MAX);
    if let Some(footer) = shard.get(footer..trailer) {
        put(shard, trailer + 12, crc32c::crc32c(footer));
    }
    seal(shard, trailer..shard.len());
}

/// Writes the checksum of a block and what follows it to bytes 60 to 63 of the block.
fn seal(shard: &mut [u8], range: Range<usize>) {
    let Some((block, rest)) = shard[range.clone()].split_at_checked(64) else { return };
    let sum = crc32c::crc32c_append(crc32c::crc32c(&block[..60]), rest);
    put(shard, range.start + 60, sum);
}

fn put(shard: &mut [u8], at: usize, sum: u32) {
    shard[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

/// The little-endian number of `length` bytes at `at`; missing bytes are zero.
fn word(shard: &[u8], at: usize, length: usize) -> u64 {
    let bytes = at.checked_add(length).and_then(|end| shard.get(at..end)).unwrap_or_default();
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
