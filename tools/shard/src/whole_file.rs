//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A small file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
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
        write(path, text.as_bytes())
    };
    write().map_err(|source| FileError::Io { path: path.into(), action: "write the file", source })
}

/// Writes `bytes` aside, syncs them, and gives them the name `path`.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".{name}.partial"));
    let mut file = File::create(&aside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&aside, path));
    if renamed.is_err() {
        // It is of no use, and on a full disk its room is.
        drop(fs::remove_file(&aside));
    }
    renamed
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
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(|source| FileError::Io {
        path: dir.into(),
        action: "sync the folder",
        source,
    })
}
