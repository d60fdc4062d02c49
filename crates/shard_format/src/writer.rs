//! Writes a dataset: shards of bounded size, then the index.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::encode::EncodedSample;
use crate::index::{DatasetIndex, DatasetInfo, INDEX_FILE, ShardEntry, shard_file_name};
use crate::label_tile::allowed_presence;
use crate::open_shard::OpenShard;
use crate::preset::Preset;
use crate::resume::{remove_leftovers, shard_number, taken_over_ids};
use crate::temporary::{TemporaryFile, sync_directory};
use crate::write_error::WriteError;

/// Choices of a [`DatasetWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// Largest size of a shard in bytes; a shard of one sample may be larger.
    pub max_shard_bytes: u64,
    /// Whether finished shards stay when the writer is dropped before
    /// [`finish`](DatasetWriter::finish), so that [`resume`](DatasetWriter::resume) can go on.
    pub keep_finished_shards: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { max_shard_bytes: 512 << 20, keep_finished_shards: false }
    }
}

/// Writes samples into the shards of a new dataset.
///
/// Dropped before [`finish`](Self::finish), it removes what it has written, finished shards
/// included unless [`WriterOptions::keep_finished_shards`] is set. Two writers must not share a
/// folder.
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
    /// Whether the finished shards stay when this writer is dropped.
    keeps_shards: bool,
}

impl DatasetWriter {
    /// Starts a dataset in the folder `out_dir`, which is created if need be.
    ///
    /// # Errors
    /// The folder already holds an index or shards of this dataset or cannot be created, or `info`
    /// is not allowed.
    pub fn create(
        out_dir: &Path,
        info: DatasetInfo,
        options: WriterOptions,
    ) -> Result<Self, WriteError> {
        let writer = Self::open(out_dir, info, options)?;
        Self::check_folder(out_dir, &writer.info.name)?;
        Ok(writer)
    }

    /// Refuses a folder that holds an index, or shards of the dataset `name`; changes nothing.
    ///
    /// # Errors
    /// It holds either, or cannot be looked into. There may be no such folder.
    pub fn check_folder(out_dir: &Path, name: &str) -> Result<(), WriteError> {
        check_no_index(out_dir)?;
        let list_error =
            |source| WriteError::Io { path: out_dir.into(), action: "list the folder", source };
        let files = match std::fs::read_dir(out_dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            files => files.map_err(list_error)?,
        };
        let files: Vec<_> = files
            .map(|file| file.map(|file| file.file_name()))
            .collect::<io::Result<_>>()
            .map_err(list_error)?;
        let is_shard = |file: &str| shard_number(file, name).is_some();
        let shards = files.iter().filter_map(|file| file.to_str()).filter(|file| is_shard(file));
        match shards.min() {
            Some(file) => Err(WriteError::Leftover { path: out_dir.join(file), name: name.into() }),
            None => Ok(()),
        }
    }

    /// A writer in a folder that has no index; there may be shards.
    fn open(out_dir: &Path, info: DatasetInfo, options: WriterOptions) -> Result<Self, WriteError> {
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
        std::fs::create_dir_all(&dir).map_err(|source| WriteError::Io {
            path: dir.clone(),
            action: "create the folder",
            source,
        })?;
        check_no_index(&dir)?;
        Ok(Self {
            dir,
            info,
            options,
            preset: None,
            ids: BTreeSet::new(),
            shards: Vec::new(),
            open: None,
            broken: false,
            keeps_shards: options.keep_finished_shards,
        })
    }

    /// Goes on after the shards `finished`, which an interrupted writer with the same arguments
    /// has left in the folder `out_dir`.
    ///
    /// They are checked: size, BLAKE3 hash and heads. Everything else that the interrupted writer
    /// left there is removed, and the next sample begins a new shard. From then on the shards
    /// taken over count as written by this writer.
    ///
    /// # Errors
    /// As [`create`](Self::create), but shards may be there; or a shard is not as it was when it
    /// was finished.
    pub fn resume(
        out_dir: &Path,
        info: DatasetInfo,
        options: WriterOptions,
        preset: Preset,
        finished: Vec<ShardEntry>,
    ) -> Result<Self, WriteError> {
        let mut writer = Self::open(out_dir, info, options)?;
        let ids = taken_over_ids(&writer.dir, &writer.info, preset, &finished)?;
        remove_leftovers(&writer.dir, &writer.info.name, finished.len())?;
        writer.ids = ids;
        writer.preset = Some(preset);
        writer.shards = finished;
        Ok(writer)
    }

    /// Finishes the open shard if `sample`, which is to be pushed next, does not fit into it.
    ///
    /// [`push`](Self::push) does so too; called before it, a caller learns of the finished shard
    /// even if pushing fails.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn make_room(&mut self, sample: &EncodedSample) -> Result<Option<ShardEntry>, WriteError> {
        self.check_unbroken()?;
        self.check_sample(sample)?;
        if self.open.as_ref().is_some_and(|open| {
            open.length_with(sample).is_none_or(|length| length > self.options.max_shard_bytes)
        }) {
            self.broken = true;
            let closed = self.close_shard()?;
            self.broken = false;
            return Ok(closed);
        }
        Ok(None)
    }

    /// Appends a sample and returns the shard that is finished thereby, if one is; it does not
    /// hold this sample.
    ///
    /// # Errors
    /// The sample's id was used before, its preset differs from the samples before it, it uses a
    /// train id without a class, or the file system fails. After the last of these the dataset
    /// cannot be finished.
    pub fn push(&mut self, sample: EncodedSample) -> Result<Option<ShardEntry>, WriteError> {
        let closed = self.make_room(&sample)?;
        self.broken = true;
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
        Ok(closed)
    }

    /// Completes the last shard and writes the index.
    ///
    /// # Errors
    /// No sample was pushed, an earlier write failed, or the file system fails.
    pub fn finish(mut self) -> Result<DatasetIndex, WriteError> {
        self.check_unbroken()?;
        self.close_shard()?;
        let Some(preset) = self.preset.filter(|_| !self.shards.is_empty()) else {
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
        // The shards are durable, so the index may name them.
        file.publish()?;
        self.keeps_shards = true;
        sync_directory(&self.dir)?;
        Ok(index)
    }

    /// Gives up and removes what was written, finished shards included.
    ///
    /// # Errors
    /// A shard cannot be removed; the others are removed nevertheless.
    pub fn abandon(mut self) -> Result<(), WriteError> {
        self.keeps_shards = true; // nothing is left for the drop to do
        self.open = None;
        self.remove_shards()
    }

    fn remove_shards(&self) -> Result<(), WriteError> {
        let paths = self.shards.iter().map(|shard| self.dir.join(&shard.file));
        let remove = |path| {
            std::fs::remove_file(&path).map_err(|source| {
                let action = "remove the shard";
                WriteError::Io { path, action, source }
            })
        };
        let failed: Vec<WriteError> = paths.filter_map(|path| remove(path).err()).collect();
        failed.into_iter().next().map_or(Ok(()), Err)
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

    fn close_shard(&mut self) -> Result<Option<ShardEntry>, WriteError> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let entry = open.close()?;
        self.shards.push(entry.clone());
        // The caller may note the shard as finished, so its name must be durable.
        sync_directory(&self.dir)?;
        Ok(Some(entry))
    }
}

impl Drop for DatasetWriter {
    fn drop(&mut self) {
        if !self.keeps_shards {
            // A shard that cannot be removed is harmless: no index names it.
            drop(self.remove_shards());
        }
    }
}

fn check_no_index(dir: &Path) -> Result<(), WriteError> {
    let path = dir.join(INDEX_FILE);
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(WriteError::Exists { path }),
        Err(source) => Err(WriteError::Io { path, action: "look for an index", source }),
    }
}
