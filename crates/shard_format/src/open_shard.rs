//! The shard that is being written.

use std::path::Path;

use crate::block::{ALIGNMENT, BLOCK_LENGTH, Trailer, Version, header};
use crate::encode::EncodedSample;
use crate::index::ShardEntry;
use crate::temporary::TemporaryFile;
use crate::write_error::WriteError;

/// A shard under a temporary name.
#[derive(Debug)]
pub(crate) struct OpenShard {
    name: String,
    file: TemporaryFile,
    hasher: blake3::Hasher,
    /// Bytes written.
    length: u64,
    footer: Vec<u8>,
    samples: u32,
}

impl OpenShard {
    pub(crate) fn create(dir: &Path, name: String) -> Result<Self, WriteError> {
        let file = TemporaryFile::create(dir, &name)?;
        let (hasher, footer) = (blake3::Hasher::new(), Vec::new());
        let mut shard = Self { name, file, hasher, length: 0, footer, samples: 0 };
        shard.write(&header(Version::Two))?;
        Ok(shard)
    }

    /// Size of the finished shard if `sample` is added; none if the count would overflow.
    pub(crate) fn length_with(&self, sample: &EncodedSample) -> Option<u64> {
        self.samples.checked_add(1)?;
        let records = (self.length + sample.info.stored_bytes).next_multiple_of(ALIGNMENT);
        Some(records + (self.footer.len() + sample.head_length + BLOCK_LENGTH) as u64)
    }

    pub(crate) fn push(&mut self, sample: &EncodedSample) -> Result<(), WriteError> {
        self.write(&sample.record)?;
        let padding = self.length.next_multiple_of(ALIGNMENT) - self.length;
        self.write(&[0; ALIGNMENT as usize][..padding as usize])?;
        self.footer.extend_from_slice(&sample.record[..sample.head_length]);
        self.samples += 1;
        Ok(())
    }

    pub(crate) fn close(mut self) -> Result<ShardEntry, WriteError> {
        let footer = std::mem::take(&mut self.footer);
        let trailer = Trailer {
            footer_checksum: crc32c::crc32c(&footer),
            footer_offset: self.length,
            footer_length: footer.len() as u64,
            samples: self.samples,
        };
        self.write(&footer)?;
        self.write(&trailer.encode(Version::Two))?;
        self.file.publish()?;
        let blake3 = self.hasher.finalize().to_hex().to_string();
        Ok(ShardEntry { file: self.name, bytes: self.length, blake3, samples: self.samples })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}
