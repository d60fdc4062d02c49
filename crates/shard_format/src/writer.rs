//! Writes a dataset: shards of bounded size, then the index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::block::{ALIGNMENT, BLOCK_LENGTH, Trailer, header};
use crate::encode::EncodedSample;
use crate::error::WriteError;
use crate::index::{DatasetIndex, DatasetInfo, INDEX_FILE, ShardEntry, shard_file_name};
use crate::label_tile::allowed_presence;
use crate::preset::Preset;
use crate::temporary::{TemporaryFile, sync_directory};

/// Choices of a [`DatasetWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// Largest size of a shard in bytes; a shard of one sample may be larger.
    pub max_shard_bytes: u64,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { max_shard_bytes: 512 << 20 }
    }
}

/// Writes samples into the shards of a new dataset.
///
/// Dropped before [`finish`](Self::finish), it removes what it has written. Two writers must not
/// share a folder.
#[derive(Debug)]
pub struct DatasetWriter {
    dir: PathBuf,
    info: DatasetInfo,
    options: WriterOptions,
    preset: Option<Preset>,
    ids: BTreeSet<String>,
    shards: Vec<ShardEntry>,
    open: Option<OpenShard>,
    broken: bool,
    finished: bool,
}

impl DatasetWriter {
    /// Starts a dataset in the folder `out_dir`, which is created if need be.
    ///
    /// # Errors
    /// The folder already holds an index or cannot be created, or `info` is not allowed.
    pub fn create(
        out_dir: &Path,
        info: DatasetInfo,
        options: WriterOptions,
    ) -> Result<Self, WriteError> {
        let dir = out_dir.to_owned();
        info.check().map_err(|fault| WriteError::Info {
            path: dir.clone(),
            field: match fault.field.as_str() {
                "dataset.name" => "dataset name",
                "dataset.class_names" => "list of class names",
                _ => "ignore id",
            },
            found: fault.found,
            expected: fault.expected,
        })?;
        let index = dir.join(INDEX_FILE);
        let io_error =
            |action, path: &Path, source| WriteError::Io { path: path.to_owned(), action, source };
        std::fs::create_dir_all(&dir)
            .map_err(|source| io_error("create the folder", &dir, source))?;
        if index.try_exists().map_err(|source| io_error("look for an index", &index, source))? {
            return Err(WriteError::Exists { path: index });
        }
        let (ids, shards) = (BTreeSet::new(), Vec::new());
        let (preset, open) = (None, None);
        Ok(Self { dir, info, options, preset, ids, shards, open, broken: false, finished: false })
    }

    /// Appends a sample.
    ///
    /// # Errors
    /// The sample's id was used before, its preset differs from the samples before it, it uses a
    /// train id without a class, or the file system fails. After the last of these the dataset
    /// cannot be finished.
    pub fn push(&mut self, sample: EncodedSample) -> Result<(), WriteError> {
        self.check_unbroken()?;
        self.check_sample(&sample)?;
        self.broken = true;
        if self.open.as_ref().is_some_and(|open| {
            open.length_with(&sample).is_none_or(|length| length > self.options.max_shard_bytes)
        }) {
            self.close_shard()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let name = shard_file_name(&self.info.name, self.shards.len());
                self.open.insert(OpenShard::create(&self.dir, name)?)
            }
        };
        open.push(&sample)?;
        self.broken = false;
        self.preset = Some(sample.preset);
        self.ids.insert(sample.info.id);
        Ok(())
    }

    /// Completes the last shard and writes the index.
    ///
    /// # Errors
    /// No sample was pushed, an earlier write failed, or the file system fails.
    pub fn finish(mut self) -> Result<DatasetIndex, WriteError> {
        self.check_unbroken()?;
        self.close_shard()?;
        let Some(preset) = self.preset else {
            return Err(WriteError::NoSamples { path: self.dir.clone() });
        };
        let index = DatasetIndex::new(self.info.clone(), preset, self.shards.clone());
        let mut text = serde_json::to_string_pretty(&index).map_err(|error| WriteError::Io {
            path: self.dir.join(INDEX_FILE),
            action: "write the index",
            source: error.into(),
        })?;
        text.push('\n');
        let mut file = TemporaryFile::create(&self.dir, INDEX_FILE)?;
        file.write(text.as_bytes())?;
        // The shards' names must be durable before an index can name them.
        sync_directory(&self.dir)?;
        file.publish()?;
        self.finished = true;
        sync_directory(&self.dir)?;
        Ok(index)
    }

    fn check_unbroken(&self) -> Result<(), WriteError> {
        if self.broken { Err(WriteError::Broken { path: self.dir.clone() }) } else { Ok(()) }
    }

    fn check_sample(&self, sample: &EncodedSample) -> Result<(), WriteError> {
        let path = || sample.info.source.clone();
        if self.ids.contains(&sample.info.id) {
            return Err(WriteError::DuplicateId { path: path(), id: sample.info.id.clone() });
        }
        if let Some(expected) = self.preset.filter(|preset| *preset != sample.preset) {
            return Err(WriteError::MixedPresets { path: path(), found: sample.preset, expected });
        }
        let classes = self.info.class_names.len();
        let unknown = sample.presence & !allowed_presence(classes);
        if unknown != 0 {
            let train_id = unknown.trailing_zeros();
            return Err(WriteError::UnknownClass { path: path(), train_id, classes });
        }
        Ok(())
    }

    fn close_shard(&mut self) -> Result<(), WriteError> {
        if let Some(open) = self.open.take() {
            self.shards.push(open.close()?);
        }
        Ok(())
    }
}

impl Drop for DatasetWriter {
    fn drop(&mut self) {
        if !self.finished {
            for shard in &self.shards {
                // A shard that cannot be removed is harmless: no index names it.
                drop(std::fs::remove_file(self.dir.join(&shard.file)));
            }
        }
    }
}

/// The shard that is being written.
#[derive(Debug)]
struct OpenShard {
    name: String,
    file: TemporaryFile,
    hasher: blake3::Hasher,
    /// Bytes written.
    length: u64,
    footer: Vec<u8>,
    samples: u32,
}

impl OpenShard {
    fn create(dir: &Path, name: String) -> Result<Self, WriteError> {
        let file = TemporaryFile::create(dir, &name)?;
        let (hasher, footer) = (blake3::Hasher::new(), Vec::new());
        let mut shard = Self { name, file, hasher, length: 0, footer, samples: 0 };
        shard.write(&header())?;
        Ok(shard)
    }

    /// Size of the finished shard if `sample` is added; none if the count would overflow.
    fn length_with(&self, sample: &EncodedSample) -> Option<u64> {
        self.samples.checked_add(1)?;
        let records = (self.length + sample.info.stored_bytes).next_multiple_of(ALIGNMENT);
        Some(records + (self.footer.len() + sample.head_length + BLOCK_LENGTH) as u64)
    }

    fn push(&mut self, sample: &EncodedSample) -> Result<(), WriteError> {
        self.write(&sample.record)?;
        let padding = self.length.next_multiple_of(ALIGNMENT) - self.length;
        self.write(&[0; ALIGNMENT as usize][..padding as usize])?;
        self.footer.extend_from_slice(&sample.record[..sample.head_length]);
        self.samples += 1;
        Ok(())
    }

    fn close(mut self) -> Result<ShardEntry, WriteError> {
        let footer = std::mem::take(&mut self.footer);
        let trailer = Trailer {
            footer_checksum: crc32c::crc32c(&footer),
            footer_offset: self.length,
            footer_length: footer.len() as u64,
            samples: self.samples,
        };
        self.write(&footer)?;
        self.write(&trailer.encode())?;
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
