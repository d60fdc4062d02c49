//! A shard behind a URL, read in blocks of fixed size.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use shard_format::ShardFile;

use super::cache_block::BLOCK_BYTES;
use super::disk_cache::DiskCache;
use super::fetch::{Object, Version};
use super::flights::{Crew, Flight, RECENT_BLOCKS};
use super::{Core, Link};

/// Most adjacent blocks that one request fetches.
const BLOCKS_PER_REQUEST: u64 = 8;

/// An open shard.
#[derive(Debug)]
pub(crate) struct RemoteFile {
    link: Arc<Link>,
    object: Arc<Object>,
    /// Names the object and its version in the cache.
    key: [u8; 32],
}

/// A part of a block and where it goes.
struct Piece<'a> {
    block: u64,
    within: Range<usize>,
    target: &'a mut [u8],
}

impl RemoteFile {
    pub(crate) fn new(link: Arc<Link>, url: &str, object: Object) -> Self {
        let mut key = blake3::Hasher::new();
        // Lengths in front keep the fields apart.
        for field in [url, &object.version.to_string()] {
            key.update(&(field.len() as u64).to_le_bytes()).update(field.as_bytes());
        }
        key.update(&object.length.to_le_bytes());
        Self { link, object: Arc::new(object), key: *key.finalize().as_bytes() }
    }

    /// Parts of blocks that fill `buffer` with the bytes from `offset` on.
    fn pieces<'a>(&self, offset: u64, mut buffer: &'a mut [u8]) -> io::Result<Vec<Piece<'a>>> {
        let length = self.object.length;
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > length) {
            let text = format!("{} bytes at {offset}, expected an end by {length}", buffer.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        let mut pieces = Vec::new();
        let mut offset = offset;
        while !buffer.is_empty() {
            let start = (offset % BLOCK_BYTES) as usize;
            let taken = buffer.len().min(BLOCK_BYTES as usize - start);
            let (target, rest) = buffer.split_at_mut(taken);
            pieces.push(Piece {
                block: offset / BLOCK_BYTES,
                within: start..start + taken,
                target,
            });
            buffer = rest;
            offset += taken as u64;
        }
        Ok(pieces)
    }

    /// Fills `piece` from memory or disk, if the block is there.
    fn fill(&self, piece: &mut Piece<'_>) -> bool {
        let core = &self.link.core;
        if let Some(block) = core.flights.recent((self.key, piece.block)) {
            piece.target.copy_from_slice(&block[piece.within.clone()]);
        } else {
            let Some(cache) = self.cache() else { return false };
            let length = block_length(&self.object, piece.block);
            if !cache.read((self.key, piece.block), length, piece.within.clone(), piece.target) {
                return false;
            }
        }
        core.fetcher.counters.cache_hits.add(1);
        true
    }

    /// The disk cache, where it can tell the versions of this object apart.
    fn cache(&self) -> Option<&DiskCache> {
        cache_for(&self.link.core, &self.object)
    }

    /// Starts to fetch `blocks`, in ascending order, and returns a flight for each.
    fn fetch(&self, blocks: &[u64]) -> Vec<Arc<Flight>> {
        self.link.core.fetcher.counters.cache_misses.add(blocks.len() as u64);
        let mut flights = Vec::with_capacity(blocks.len());
        let adjacent = blocks.chunk_by(|left, right| left + 1 == *right);
        for run in adjacent.flat_map(|run| run.chunks(BLOCKS_PER_REQUEST as usize)) {
            let permit = Arc::new(self.link.gate.enter());
            let (boarded, crews) =
                self.link.core.flights.board(self.key, run[0]..run[0] + run.len() as u64);
            flights.extend(boarded);
            for crew in crews {
                let (core, object, key) = (self.link.core.clone(), self.object.clone(), self.key);
                let permit = permit.clone();
                self.link.background.spawn(async move {
                    fly(&core, object, key, crew).await;
                    drop(permit);
                });
            }
        }
        flights
    }
}

impl ShardFile for RemoteFile {
    fn length(&self) -> u64 {
        self.object.length
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut missing = self.pieces(offset, buffer)?;
        missing.retain_mut(|piece| !self.fill(piece));
        let blocks: Vec<u64> = missing.iter().map(|piece| piece.block).collect();
        for (piece, flight) in missing.into_iter().zip(self.fetch(&blocks)) {
            piece.target.copy_from_slice(&flight.wait()?[piece.within]);
        }
        Ok(())
    }

    fn prefetch(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let mut blocks = BTreeSet::new();
        for range in ranges.iter().filter(|range| range.start < range.end) {
            let end = range.end.min(self.object.length);
            blocks.extend(range.start / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES));
        }
        let here = |block: &u64| {
            let id = (self.key, *block);
            self.link.core.flights.recent(id).is_some()
                || self.cache().is_some_and(|cache| cache.contains(id))
        };
        let mut missing: Vec<u64> = blocks.into_iter().filter(|block| !here(block)).collect();
        if self.cache().is_none() {
            // More would push one another out before they are read.
            missing.truncate(RECENT_BLOCKS);
        }
        // In turns, because the blocks of a turn are in memory together.
        for blocks in missing.chunks(RECENT_BLOCKS) {
            for flight in self.fetch(blocks) {
                flight.wait()?;
            }
        }
        Ok(())
    }
}

/// Fetches the blocks of `crew` by one request, stores them on disk and brings them down.
async fn fly(core: &Arc<Core>, object: Arc<Object>, key: [u8; 32], mut crew: Crew) {
    let start = crew.blocks.start * BLOCK_BYTES;
    // The length is what a server says, up to the end of the range.
    let end = crew.blocks.end.saturating_mul(BLOCK_BYTES).min(object.length);
    let bytes = match core.fetcher.range(&object, start..end).await {
        Ok(bytes) => bytes,
        Err(fault) => {
            while !crew.blocks.is_empty() {
                crew.land(Err(fault.clone()));
            }
            return;
        }
    };
    let keeper = core.clone();
    // Files are written where blocking is allowed. A block counts as fetched once it is on disk:
    // a slow disk thus slows the fetching down instead of piling up memory.
    let writing = tokio::task::spawn_blocking(move || {
        for block in bytes.chunks(BLOCK_BYTES as usize) {
            if let Some(cache) = cache_for(&keeper, &object) {
                cache.store((key, crew.blocks.start), block);
            }
            crew.land(Ok(block.into()));
        }
    });
    if let Err(error) = writing.await {
        tracing::warn!(%error, "a thread that stores blocks ended early");
    }
}

fn cache_for<'a>(core: &'a Core, object: &Object) -> Option<&'a DiskCache> {
    core.cache.as_ref().filter(|_| object.version != Version::Unknown)
}

fn block_length(object: &Object, block: u64) -> usize {
    BLOCK_BYTES.min(object.length - block * BLOCK_BYTES) as usize
}
