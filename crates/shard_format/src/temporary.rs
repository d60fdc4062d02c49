//! Files that appear under their name only when they are complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::write_error::WriteError;

/// A file under a temporary name beside its final one; removed unless published.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    published: bool,
}

impl TemporaryFile {
    /// Creates the file that will become `dir`/`name`.
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self, WriteError> {
        let temporary = dir.join(format!(".{name}.partial"));
        let file = File::create(&temporary).map_err(|source| WriteError::Io {
            path: temporary.clone(),
            action: "create the file",
            source,
        })?;
        let path = dir.join(name);
        Ok(Self { file: BufWriter::new(file), temporary, path, published: false })
    }

    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let result = self.file.write_all(bytes);
        self.or_error("write", result)
    }

    /// Makes the content durable and gives the file its name.
    pub(crate) fn publish(mut self) -> Result<(), WriteError> {
        let result = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        self.or_error("write", result)?;
        let result = std::fs::rename(&self.temporary, &self.path);
        self.or_error("rename the finished file", result)?;
        self.published = true;
        Ok(())
    }

    fn or_error(&self, action: &'static str, result: io::Result<()>) -> Result<(), WriteError> {
        result.map_err(|source| WriteError::Io { path: self.temporary.clone(), action, source })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.published {
            // A file that cannot be removed is harmless: no index names it.
            drop(std::fs::remove_file(&self.temporary));
        }
    }
}

/// Makes renames in `dir` durable.
pub(crate) fn sync_directory(dir: &Path) -> Result<(), WriteError> {
    // Only Unix lets a folder be opened and synced.
    if cfg!(unix) {
        File::open(dir).and_then(|folder| folder.sync_all()).map_err(|source| WriteError::Io {
            path: dir.to_owned(),
            action: "sync the folder",
            source,
        })?;
    }
    Ok(())
}
