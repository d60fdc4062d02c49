//! Files that are there whole or not at all.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to a hidden sibling of `path`, syncs it and renames it to `path`.
///
/// A reader sees the old file or the whole new one; what an interrupted write leaves behind is
/// named `.NAME.partial`.
///
/// # Errors
/// Those of the file system. The sibling is removed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = sibling(path);
    let written = write_synced(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    if let Err(error) = written {
        // The first error is the one to tell: the sibling may never have been created.
        drop(fs::remove_file(&partial));
        return Err(error);
    }
    sync_folder(folder_of(path))
}

/// As [`write()`], but never replaces a file.
///
/// # Errors
/// `AlreadyExists` if there is something at `path`, and those of the file system.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = sibling(path);
    let written = write_synced(&partial, bytes).and_then(|()| name_new(&partial, path));
    // Where it was renamed it is gone, and the first error is the one to tell.
    drop(fs::remove_file(&partial));
    written.and_then(|()| sync_folder(folder_of(path)))
}

/// Gives a file a name that nothing may have: unlike a rename, a link replaces no file.
fn name_new(partial: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(partial, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            // Some file systems have no links; there an empty file holds the name meanwhile.
            File::create_new(path)?;
            fs::rename(partial, path)
        }
        linked => linked,
    }
}

/// Makes the names in a folder durable, where a folder can be opened.
///
/// # Errors
/// Those of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

fn sibling(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eval.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"").unwrap();
        assert!(write(&path, b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.toml");
        write_new(&path, b"mine").unwrap();
        assert_eq!(write_new(&path, b"yours").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
