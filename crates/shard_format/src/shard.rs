//! One shard, open, with its directory read and checked.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::block::{
    ALIGNMENT, BLOCK_LENGTH, Block, FORMAT_VERSION, FieldFault, HEADER_MAGIC, Trailer, Version,
    check_same, check_seal, header, u32_at,
};
use crate::head::SampleHead;
use crate::index::ShardEntry;
use crate::read_error::ReadError;
use crate::storage::{ShardFile, Storage};
use crate::tile_table::Tile;

/// Most bytes that are read at once; more memory is taken only once these have arrived, so that
/// a length that lies costs no more than this.
const READ_STEP: usize = 64 << 20;

/// An open shard.
#[derive(Debug)]
pub(crate) struct Shard {
    /// For messages.
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn ShardFile>,
    pub(crate) version: Version,
    pub(crate) samples: Vec<ShardSample>,
}

/// A sample of a shard.
#[derive(Debug)]
pub(crate) struct ShardSample {
    pub(crate) head: SampleHead,
    /// Where the record starts in the file.
    record_offset: u64,
}

impl ShardSample {
    /// Where the record is in the file.
    pub(crate) fn record(&self) -> Range<u64> {
        // Inside the file, as was checked when the directory was read.
        self.record_offset..self.record_offset + self.head.info.stored_bytes
    }

    /// Where neighbouring tiles are in the file.
    pub(crate) fn place(&self, first: Tile, last: Tile) -> Range<u64> {
        // Within the record, as its head was checked.
        self.record_offset + u64::from(first.offset)
            ..self.record_offset + u64::from(last.offset) + u64::from(last.length)
    }
}

impl Shard {
    /// Opens the shard that `entry` lists, of a dataset in this version.
    pub(crate) fn open(
        storage: &dyn Storage,
        entry: &ShardEntry,
        version: Version,
    ) -> Result<Self, ReadError> {
        let path = storage.location(&entry.file);
        let file = storage.open(&entry.file).map_err(|source| match source.kind() {
            ErrorKind::NotFound => ReadError::ShardMissing { path: path.clone() },
            _ => ReadError::Io { path: path.clone(), action: "open the shard", source },
        })?;
        let sizes = [Some(file.length()), file.mapped().map(|bytes| bytes.len() as u64)];
        if let Some(found) = sizes.into_iter().flatten().find(|size| *size != entry.bytes) {
            return Err(ReadError::ShardSize { path, found, expected: entry.bytes });
        }
        let mut shard = Self { path, file, version, samples: Vec::new() };
        shard.check_header()?;
        shard.samples = shard.parse_directory(entry.samples)?;
        Ok(shard)
    }

    /// The bytes in `range`, which must lie in the file: lent by the map, or read into `buffer`.
    pub(crate) fn bytes<'a>(
        &'a self,
        range: Range<u64>,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let length = (range.end - range.start) as usize;
        if let Some(bytes) = self.file.mapped() {
            let start = range.start as usize;
            return Ok(&bytes[start..start + length]);
        }
        let mut done = 0;
        while done < length {
            let end = length.min(done + READ_STEP);
            if buffer.len() < end {
                buffer.resize(end, 0);
            }
            self.file.read_at(range.start + done as u64, &mut buffer[done..end])?;
            done = end;
        }
        Ok(&buffer[..length])
    }

    /// As [`bytes`](Self::bytes), for a part of the shard that belongs to no sample.
    pub(crate) fn part<'a>(
        &'a self,
        range: Range<u64>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ReadError> {
        self.bytes(range, buffer).map_err(|source| ReadError::Io {
            path: self.path.clone(),
            action: "read the shard",
            source,
        })
    }

    fn check_header(&self) -> Result<(), ReadError> {
        let mut buffer = Vec::new();
        let bytes = self.part(0..self.file.length().min(BLOCK_LENGTH as u64), &mut buffer)?;
        let Some(block) = bytes.first_chunk::<BLOCK_LENGTH>() else {
            return Err(self.field_error(too_short(self.file.length())));
        };
        if !block.starts_with(HEADER_MAGIC) {
            return Err(ReadError::WrongMagic {
                path: self.path.clone(),
                found: block[..HEADER_MAGIC.len()].escape_ascii().to_string(),
                expected: HEADER_MAGIC.escape_ascii().to_string(),
            });
        }
        let found = u32_at(block, 8);
        if found > FORMAT_VERSION {
            let (path, supported) = (self.path.clone(), FORMAT_VERSION);
            return Err(ReadError::NewerVersion { path, found, supported });
        }
        let version = self.version as u32;
        check_seal(block, &[], "header checksum")
            .and_then(|()| match found == version {
                true => check_same(block, &header(self.version), "header"),
                false => {
                    let expected = format!("{version} as in index.json");
                    Err(FieldFault::new(8, "format version", found, expected))
                }
            })
            .map_err(|fault| self.field_error(fault))
    }

    /// Reads trailer and footer and checks that they account for every byte of the file.
    fn parse_directory(&self, listed_samples: u32) -> Result<Vec<ShardSample>, ReadError> {
        let mut buffer = Vec::new();
        let length = self.file.length();
        let Some(trailer_start) = length.checked_sub(BLOCK_LENGTH as u64) else {
            return Err(self.field_error(too_short(length)));
        };
        // Copies, so that what is checked is what is used even if a mapped file changes.
        let trailer = match self.part(trailer_start..length, &mut buffer)?.first_chunk().copied() {
            Some(block) => parse_trailer(&block, trailer_start, self.version),
            None => Err(too_short(length)),
        };
        let trailer = trailer.map_err(|fault| self.field_error(fault))?;
        let footer = self.part(trailer.footer_offset..trailer_start, &mut buffer)?.to_vec();
        parse_footer(&footer, &trailer, listed_samples, self.version)
            .map_err(|fault| self.field_error(fault))
    }

    fn field_error(&self, fault: FieldFault) -> ReadError {
        field_error(&self.path, fault)
    }
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

fn too_short(length: u64) -> FieldFault {
    FieldFault::new(0, "file length", length, "128 bytes or more")
}

/// The trailer, whose footer lies between the header and itself.
fn parse_trailer(
    block: &Block,
    trailer_start: u64,
    version: Version,
) -> Result<Trailer, FieldFault> {
    let trailer = Trailer::parse(block, version)
        .map_err(|fault| FieldFault { offset: fault.offset + trailer_start, ..fault })?;
    let ends_at_trailer =
        trailer.footer_offset.checked_add(trailer.footer_length) == Some(trailer_start);
    let is_aligned =
        trailer.footer_offset >= ALIGNMENT && trailer.footer_offset.is_multiple_of(ALIGNMENT);
    if ends_at_trailer && is_aligned {
        return Ok(trailer);
    }
    let mut fault = FieldFault::new(
        16,
        "footer",
        format!("at {}, {} bytes long", trailer.footer_offset, trailer.footer_length),
        format!("one that starts at a multiple of 64 and ends at {trailer_start}"),
    );
    fault.offset += trailer_start;
    Err(fault)
}

/// The samples that the footer lists, whose records fill the file up to the footer.
fn parse_footer(
    footer: &[u8],
    trailer: &Trailer,
    listed_samples: u32,
    version: Version,
) -> Result<Vec<ShardSample>, FieldFault> {
    let start = trailer.footer_offset;
    let in_file = |at: usize, fault: FieldFault| FieldFault {
        offset: fault.offset + start + at as u64,
        ..fault
    };
    let found = crc32c::crc32c(footer);
    if found != trailer.footer_checksum {
        let expected = trailer.footer_checksum;
        let fault = FieldFault::checksum(0, "footer checksum", found, expected);
        return Err(in_file(0, fault));
    }
    if trailer.samples != listed_samples {
        let expected = format!("{listed_samples} as in index.json");
        let fault = FieldFault::new(32, "sample count", trailer.samples, expected);
        return Err(in_file(footer.len(), fault));
    }

    let mut samples = Vec::new();
    let mut record_offset = BLOCK_LENGTH as u64;
    let mut at = 0;
    for _ in 0..trailer.samples {
        let (head, length) =
            SampleHead::parse(&footer[at..], version).map_err(|fault| in_file(at, fault))?;
        let stored_bytes = head.info.stored_bytes;
        let Some(end) = record_offset.checked_add(stored_bytes).filter(|end| *end <= start) else {
            let expected = format!("a record that ends before the footer at {start}");
            let fault = FieldFault::new(8, "record length", stored_bytes, expected);
            return Err(in_file(at, fault));
        };
        samples.push(ShardSample { head, record_offset });
        // At most the footer's offset, which is a multiple of the alignment.
        record_offset = end.next_multiple_of(ALIGNMENT);
        at += length;
    }
    if at != footer.len() {
        let (found, expected) = (start + at as u64, start + footer.len() as u64);
        let fault = FieldFault::new(0, "end of the last sample head", found, expected);
        return Err(in_file(at, fault));
    }
    if record_offset != start {
        let fault = FieldFault::new(16, "footer offset", start, record_offset);
        return Err(in_file(footer.len(), fault));
    }
    Ok(samples)
}
