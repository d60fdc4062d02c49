//! Small JSON files beside the shards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A small file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error(
        "{}: cannot {action}: {source}; hint: check that the folder is there, has room, and that \
         you may read and write in it",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not what `shard` writes under this name.
    #[error("{}: {source}, expected the file as `shard pack` wrote it; hint: pack again", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the JSON reader found.
        source: serde_json::Error,
    },
}

/// Writes `value` aside, syncs it, and gives it the name `path`.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let write = || {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        whole_file::write(path, text.as_bytes())
    };
    write().map_err(|source| FileError::Io { path: path.into(), action: "write the file", source })
}

/// Reads what [`write_json`] wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = fs::read(path).map_err(|source| FileError::Io {
        path: path.into(),
        action: "read the file",
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| FileError::Syntax { path: path.into(), source })
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_folder(dir: &Path) -> Result<(), FileError> {
    whole_file::sync_folder(dir).map_err(|source| FileError::Io {
        path: dir.into(),
        action: "sync the folder",
        source,
    })
}
