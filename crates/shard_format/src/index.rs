//! `index.json`: what a dataset is, and which shards hold it.

use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::block::{FORMAT_VERSION, Version};
use crate::label_tile::{IGNORE_ID, MAX_CLASSES};
use crate::preset::Preset;
use crate::read_error::ReadError;
use crate::storage::Storage;

/// Name of the index in a dataset's folder.
pub const INDEX_FILE: &str = "index.json";
/// Largest size of an index, in bytes: room for hundreds of thousands of shards.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Value of the index's `format` field.
const FORMAT: &str = "pinmem-shards";

/// Describes a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetInfo {
    /// Name of the dataset and first part of its file names: ASCII letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Split the samples are from, such as `train`.
    pub split: String,
    /// Visual domain of the dataset.
    pub domain: String,
    /// Name of each train id, 1 to 31 of them.
    pub class_names: Vec<String>,
    /// Train id of ignored pixels: 255.
    pub ignore_id: u8,
    /// Name of the mapping that turned the source's labels into train ids.
    pub mapping: String,
    /// Licence of the source images and labels.
    pub license: String,
}

/// One shard of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name in the dataset's folder.
    pub file: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// BLAKE3 hash of the file, 64 lower-case hexadecimal digits.
    pub blake3: String,
    /// Samples in the shard.
    pub samples: u32,
}

/// The content of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetIndex {
    /// `pinmem-shards`.
    pub format: String,
    /// Version of the index and of its shards.
    pub format_version: u32,
    /// What the dataset is.
    pub dataset: DatasetInfo,
    /// How its samples are compressed.
    pub preset: Preset,
    /// Samples in all shards.
    pub samples: u64,
    /// The shards, in the order of their samples.
    pub shards: Vec<ShardEntry>,
}

/// A field that is not as it must be.
pub(crate) struct InfoFault {
    pub(crate) field: String,
    pub(crate) found: String,
    pub(crate) expected: String,
}

impl InfoFault {
    fn new(field: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self { field: field.into(), found: found.to_string(), expected: expected.to_string() }
    }
}

/// File name of the shard of this number.
pub(crate) fn shard_file_name(name: &str, number: usize) -> String {
    format!("{name}-{number:05}.shard")
}

impl DatasetInfo {
    pub(crate) fn check(&self) -> Result<(), InfoFault> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=100).contains(&self.name.len())
            || self.name.starts_with('.')
            || !self.name.chars().all(is_plain)
        {
            return Err(InfoFault::new(
                "dataset.name",
                format!("{:?}", self.name),
                "1 to 100 ASCII letters, digits, '-', '_' or '.', not starting with '.'",
            ));
        }
        if !(1..=MAX_CLASSES).contains(&self.class_names.len()) {
            let (found, expected) =
                (format!("{} names", self.class_names.len()), format!("1 to {MAX_CLASSES} names"));
            return Err(InfoFault::new("dataset.class_names", found, expected));
        }
        if self.ignore_id != IGNORE_ID {
            return Err(InfoFault::new("dataset.ignore_id", self.ignore_id, IGNORE_ID));
        }
        Ok(())
    }
}

impl DatasetIndex {
    /// An index of this version.
    pub(crate) fn new(dataset: DatasetInfo, preset: Preset, shards: Vec<ShardEntry>) -> Self {
        let samples = shards.iter().map(|shard| u64::from(shard.samples)).sum();
        let format = FORMAT.to_owned();
        Self { format, format_version: FORMAT_VERSION, dataset, preset, samples, shards }
    }

    /// Reads and checks the index in `storage`.
    pub(crate) fn load(storage: &dyn Storage) -> Result<(Self, Version), ReadError> {
        let path = storage.location(INDEX_FILE);
        let text =
            storage.read(INDEX_FILE, MAX_INDEX_BYTES).map_err(|source| match source.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    ReadError::NoIndex { path: path.clone() }
                }
                _ => ReadError::Io { path: path.clone(), action: "read the index", source },
            })?;
        let syntax = |source| ReadError::IndexSyntax { path: path.clone(), source };
        // The version comes first: a later one may have fields that this reader does not know.
        let version: VersionField = serde_json::from_slice(&text).map_err(syntax)?;
        if version.format_version > FORMAT_VERSION {
            let (found, supported) = (version.format_version, FORMAT_VERSION);
            return Err(ReadError::NewerVersion { path, found, supported });
        }
        let index: Self = serde_json::from_slice(&text).map_err(syntax)?;
        let version = index.check().map_err(|fault| ReadError::IndexField {
            path,
            field: fault.field,
            found: fault.found,
            expected: fault.expected,
        })?;
        Ok((index, version))
    }

    fn check(&self) -> Result<Version, InfoFault> {
        if self.format != FORMAT {
            return Err(InfoFault::new("format", &self.format, FORMAT));
        }
        let Some(version) = Version::from_number(self.format_version) else {
            let expected = format!("1 to {FORMAT_VERSION}");
            return Err(InfoFault::new("format_version", self.format_version, expected));
        };
        if (version, self.preset) == (Version::One, Preset::Jpeg) {
            return Err(InfoFault::new("preset", self.preset, "one that version 1 has"));
        }
        self.dataset.check()?;
        if self.shards.is_empty() {
            return Err(InfoFault::new("shards", "empty", "one or more"));
        }
        for (number, shard) in self.shards.iter().enumerate() {
            let field = |name: &str| format!("shards[{number}].{name}");
            let expected = shard_file_name(&self.dataset.name, number);
            if shard.file != expected {
                return Err(InfoFault::new(field("file"), &shard.file, expected));
            }
            let is_hash = |c: char| matches!(c, '0'..='9' | 'a'..='f');
            if shard.blake3.len() != 64 || !shard.blake3.chars().all(is_hash) {
                let expected = "64 lower-case hexadecimal digits";
                return Err(InfoFault::new(field("blake3"), &shard.blake3, expected));
            }
            if shard.samples == 0 {
                return Err(InfoFault::new(field("samples"), 0, "1 or more"));
            }
        }
        let total: u64 = self.shards.iter().map(|shard| u64::from(shard.samples)).sum();
        if self.samples != total {
            return Err(InfoFault::new(
                "samples",
                self.samples,
                format!("{total}, the shards' sum"),
            ));
        }
        Ok(version)
    }
}

/// The one field that every version of the index has.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct VersionField {
    format_version: u32,
}
