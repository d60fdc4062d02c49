//! One shard, mapped, with its directory read and checked.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::block::{
    ALIGNMENT, BLOCK_LENGTH, Block, FORMAT_VERSION, FieldFault, HEADER_MAGIC, Trailer, check_same,
    check_seal, header, u32_at,
};
use crate::error::ReadError;
use crate::head::{SampleHead, Tile};
use crate::index::ShardEntry;
use crate::mmap::Map;

/// An open shard.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) path: PathBuf,
    map: Map,
    pub(crate) samples: Vec<ShardSample>,
}

/// A sample of a shard.
#[derive(Debug)]
pub(crate) struct ShardSample {
    pub(crate) head: SampleHead,
    /// Where the record starts in the file.
    record_offset: usize,
    /// The head's copy in the footer.
    footer_head: std::ops::Range<usize>,
}

impl Shard {
    /// Opens the shard that `entry` lists in the folder `dir`.
    pub(crate) fn open(dir: &Path, entry: &ShardEntry) -> Result<Self, ReadError> {
        let path = dir.join(&entry.file);
        let io_error =
            |source| ReadError::Io { path: path.clone(), action: "open the shard", source };
        let length = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(source) if source.kind() == ErrorKind::NotFound => {
                return Err(ReadError::ShardMissing { path });
            }
            Err(source) => return Err(io_error(source)),
        };
        let size_error =
            |found| ReadError::ShardSize { path: path.clone(), found, expected: entry.bytes };
        if length != entry.bytes {
            return Err(size_error(length));
        }
        let map = Map::open(&path).map_err(io_error)?;
        if map.bytes().len() as u64 != entry.bytes {
            return Err(size_error(map.bytes().len() as u64));
        }
        check_header(&path, map.bytes())?;
        let samples = parse_directory(map.bytes(), entry.samples)
            .map_err(|fault| field_error(&path, fault))?;
        Ok(Self { path, map, samples })
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.bytes()
    }

    /// The stored bytes of a tile.
    pub(crate) fn tile(&self, sample: &ShardSample, tile: Tile) -> &[u8] {
        // Within the record, as its head was checked, and within the file, as the record was.
        let start = sample.record_offset + tile.offset as usize;
        &self.bytes()[start..start + tile.length as usize]
    }

    /// Whether the head in front of the sample's tiles is the one in the footer.
    pub(crate) fn heads_agree(&self, sample: &ShardSample) -> bool {
        let footer_head = &self.bytes()[sample.footer_head.clone()];
        self.bytes()[sample.record_offset..].starts_with(footer_head)
    }
}

fn check_header(path: &Path, bytes: &[u8]) -> Result<(), ReadError> {
    let Some(block) = bytes.first_chunk::<BLOCK_LENGTH>() else {
        let fault = FieldFault::new(0, "file length", bytes.len(), "128 bytes or more");
        return Err(field_error(path, fault));
    };
    if !block.starts_with(HEADER_MAGIC) {
        return Err(ReadError::WrongMagic {
            path: path.to_owned(),
            found: block[..HEADER_MAGIC.len()].escape_ascii().to_string(),
            expected: HEADER_MAGIC.escape_ascii().to_string(),
        });
    }
    let found = u32_at(block, 8);
    if found > FORMAT_VERSION {
        let (path, supported) = (path.to_owned(), FORMAT_VERSION);
        return Err(ReadError::NewerVersion { path, found, supported });
    }
    check_seal(block, &[], "header checksum")
        .and_then(|()| check_same(block, &header(), "header"))
        .map_err(|fault| field_error(path, fault))
}

/// Reads trailer and footer and checks that they account for every byte of the file.
fn parse_directory(bytes: &[u8], listed_samples: u32) -> Result<Vec<ShardSample>, FieldFault> {
    let (footer_start, trailer_start, trailer) = parse_trailer(bytes)?;
    let footer = &bytes[footer_start..trailer_start];
    let found = crc32c::crc32c(footer);
    if found != trailer.footer_checksum {
        let expected = trailer.footer_checksum;
        return Err(FieldFault::checksum(footer_start, "footer checksum", found, expected));
    }
    if trailer.samples != listed_samples {
        let expected = format!("{listed_samples} as in index.json");
        return Err(FieldFault::new(trailer_start + 32, "sample count", trailer.samples, expected));
    }

    let mut samples = Vec::new();
    let mut record_offset = BLOCK_LENGTH;
    let mut at = footer_start;
    for _ in 0..trailer.samples {
        let (head, length) = SampleHead::parse(&bytes[at..trailer_start])
            .map_err(|fault| FieldFault { offset: fault.offset + at as u64, ..fault })?;
        let end = u64::try_from(record_offset)
            .ok()
            .and_then(|start| start.checked_add(head.info.stored_bytes))
            .filter(|end| *end <= footer_start as u64)
            .ok_or_else(|| {
                let expected = format!("a record that ends before the footer at {footer_start}");
                FieldFault::new(at + 8, "record length", head.info.stored_bytes, expected)
            })?;
        samples.push(ShardSample { head, record_offset, footer_head: at..at + length });
        // At most the footer's offset, which is a multiple of the alignment.
        record_offset = end.next_multiple_of(ALIGNMENT) as usize;
        at += length;
    }
    if at != trailer_start {
        return Err(FieldFault::new(at, "end of the last sample head", at, trailer_start));
    }
    if record_offset != footer_start {
        let fault =
            FieldFault::new(trailer_start + 16, "footer offset", footer_start, record_offset);
        return Err(fault);
    }
    Ok(samples)
}

/// The trailer, and where footer and trailer start.
fn parse_trailer(bytes: &[u8]) -> Result<(usize, usize, Trailer), FieldFault> {
    let length = bytes.len();
    let (Some(block), true) = (bytes.last_chunk::<BLOCK_LENGTH>(), length >= 2 * BLOCK_LENGTH)
    else {
        return Err(FieldFault::new(0, "file length", length, "128 bytes or more"));
    };
    let block: &Block = block;
    let trailer_start = length - BLOCK_LENGTH;
    let trailer = Trailer::parse(block)
        .map_err(|fault| FieldFault { offset: fault.offset + trailer_start as u64, ..fault })?;
    let ends_at_trailer =
        trailer.footer_offset.checked_add(trailer.footer_length) == Some(trailer_start as u64);
    let is_aligned =
        trailer.footer_offset >= ALIGNMENT && trailer.footer_offset.is_multiple_of(ALIGNMENT);
    if !ends_at_trailer || !is_aligned {
        return Err(FieldFault::new(
            trailer_start + 16,
            "footer",
            format!("at {}, {} bytes long", trailer.footer_offset, trailer.footer_length),
            format!("one that starts at a multiple of 64 and ends at {trailer_start}"),
        ));
    }
    // Not above the file's length, which is a usize.
    Ok((trailer.footer_offset as usize, trailer_start, trailer))
}

fn field_error(path: &Path, fault: FieldFault) -> ReadError {
    ReadError::ShardField {
        path: path.to_owned(),
        offset: fault.offset,
        field: fault.field,
        found: fault.found,
        expected: fault.expected,
    }
}
