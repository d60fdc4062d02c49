//! Reads a weights file of any known kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use models::weights::NamedTensors;

use crate::checkpoint::{Contents, Missing, contents};
use crate::containers::{Fault, Format, open};
use crate::pickle::PickleError;
use crate::safetensors_file;

/// What a weights file holds.
#[derive(Clone, Debug)]
pub struct WeightsFile {
    /// Its kind.
    pub format: Format,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
    /// Its tensors, under the file's names; the memory that the reference saves beside its
    /// `state_dict` is [`models::weights::MEMORY_KEY`]. Numbers of other types are rounded to f32.
    pub tensors: NamedTensors,
    /// The metadata of a safetensors file.
    pub metadata: BTreeMap<String, String>,
    /// What else it holds, in a few words each, such as `epoch = 3` or `optimizer`. As the names of
    /// `tensors` they are a stranger's: [`shown`](fn@crate::shown) makes them fit to be printed.
    pub not_read: Vec<String>,
}

/// What can be wrong with a weights file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no weights file.
    #[error("{}: found neither a PyTorch nor a safetensors file, expected one of them; hint: a \
             download may have ended early, or be a page of the site", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or not what its kind should be.
    #[error("{}: {format}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its kind.
        format: Format,
        /// What is wrong.
        reason: String,
    },
    /// Its pickle is damaged or holds more than weights.
    #[error("{}: {source}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: PickleError,
    },
    /// A tensor cannot be read.
    #[error("{}: tensor {name}: {reason}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There are no tensors where they are expected.
    #[error("{}: found no tensors {place}, expected a dictionary with some; {top}; hint: {hint}",
            path.display())]
    NoTensors {
        /// The file.
        path: PathBuf,
        /// Where they were looked for.
        place: String,
        /// What is at the top of the file, in words.
        top: String,
        /// What may help.
        hint: &'static str,
    },
    /// There are two memories, and they differ.
    #[error("{}: found two memories that differ, {inner} among the weights and {outer} beside \
             them, expected one; hint: remove one of them with torch", path.display())]
    TwoMemories {
        /// The file.
        path: PathBuf,
        /// Name of the one among the weights.
        inner: String,
        /// Name of the one beside the weights.
        outer: String,
    },
}

/// Reads the file at `path`.
///
/// The weights of a PyTorch file are the dictionary under `key`; without one that under
/// `state_dict`, `model_state_dict` or `model`, or else the whole file. A safetensors file has no
/// keys above its tensors, and `key` means nothing there.
///
/// # Errors
/// See [`ReadError`].
pub fn read(path: &Path, key: Option<&str>) -> Result<WeightsFile, ReadError> {
    let bytes =
        fs::read(path).map_err(|source| ReadError::Read { path: path.to_owned(), source })?;
    read_bytes(&bytes, path, key)
}

/// As [`read`], of a file in memory; `path` is named in errors.
///
/// # Errors
/// See [`ReadError`].
pub fn read_bytes(bytes: &[u8], path: &Path, key: Option<&str>) -> Result<WeightsFile, ReadError> {
    let path = || path.to_owned();
    let format = Format::detect(bytes).ok_or_else(|| ReadError::UnknownFormat { path: path() })?;
    let damaged = |reason| ReadError::Damaged { path: path(), format, reason };
    let mut metadata = BTreeMap::new();
    let Contents { tensors, not_read } = if format == Format::Safetensors {
        let (tensors, read) = safetensors_file::tensors(bytes).map_err(damaged)?;
        metadata = read;
        Contents { tensors, not_read: Vec::new() }
    } else {
        let container = open(format, bytes).map_err(|fault| match fault {
            Fault::Pickle(source) => ReadError::Pickle { path: path(), source },
            Fault::Container(reason) => damaged(reason),
        })?;
        contents(&container, key, bytes.len()).map_err(|missing| match missing {
            Missing::Tensor { name, reason } => ReadError::Tensor { path: path(), name, reason },
            Missing::Weights { place, top, hint } => {
                ReadError::NoTensors { path: path(), place, top, hint }
            }
            Missing::Memory { inner, outer } => {
                ReadError::TwoMemories { path: path(), inner, outer }
            }
        })?
    };
    let blake3 = blake3::hash(bytes).to_hex().to_string();
    Ok(WeightsFile { format, blake3, tensors, metadata, not_read })
}
