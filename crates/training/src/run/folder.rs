//! The run folder: made new, and worked on by one process at a time.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::RunError;

/// Name of the file whose lock a running process holds; the system frees it when the process ends.
const LOCK_FILE: &str = "run.lock";

/// Creates the folder, which must be new or empty, and locks it.
pub(super) fn create(path: &Path) -> Result<File, RunError> {
    require_empty(path)?;
    let error = |source| RunError::File { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(error)?;
    let file = lock(path)?;
    // Whoever came between the first look and the lock has left something.
    require_empty(path)?;
    Ok(file)
}

/// Locks the folder for as long as the result lives.
pub(super) fn lock(path: &Path) -> Result<File, RunError> {
    let lock_path = path.join(LOCK_FILE);
    let error = |source| RunError::File { path: lock_path.clone(), source };
    let file = File::create(&lock_path).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(error(source)),
    }
}

fn require_empty(path: &Path) -> Result<(), RunError> {
    if !path.exists() {
        return Ok(());
    }
    let exists = || RunError::Exists { path: path.to_owned() };
    if !path.is_dir() {
        return Err(RunError::NoFolder { path: path.to_owned() });
    }
    let error = |source| RunError::File { path: path.to_owned(), source };
    for entry in fs::read_dir(path).map_err(error)? {
        if entry.map_err(error)?.file_name() != LOCK_FILE {
            return Err(exists());
        }
    }
    Ok(())
}
