//! How many bytes the disk cache holds, and how it becomes smaller.
//!
//! Every caller holds the lock of the file `size`.

use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::cache_names;

/// A file in `incoming/` of this age was left by a process that died.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Bytes of all blocks together, headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total(pub u64);

/// A block in the cache.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    used: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// What the file `size` says; `None` where it says nothing sensible.
pub(crate) fn load(size_file: &File) -> io::Result<Option<Total>> {
    let mut bytes = [0; 12];
    if size_file.metadata()?.len() != 12 {
        return Ok(None);
    }
    size_file.read_exact_at(&mut bytes, 0)?;
    let (total, checksum) = bytes.split_at(8);
    let whole = crc32c::crc32c(total).to_le_bytes() == checksum;
    Ok(whole.then(|| Total(total.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))))
}

/// Writes what [`load`] reads.
pub(crate) fn save(size_file: &File, total: Total) -> io::Result<()> {
    let total = total.0.to_le_bytes();
    let checksum = crc32c::crc32c(&total).to_le_bytes();
    size_file.set_len(12)?;
    size_file.write_all_at(&total, 0)?;
    size_file.write_all_at(&checksum, 8)
}

/// Counts the blocks in `dir`, and sweeps what dead processes left.
pub(crate) fn count(dir: &Path) -> io::Result<(Total, Vec<Entry>)> {
    let mut entries = Vec::new();
    for folder in fs::read_dir(dir)? {
        let folder = folder?;
        let name = folder.file_name();
        if name == cache_names::INCOMING {
            sweep(&folder.path())?;
        } else if cache_names::is_object(&name) && folder.file_type()?.is_dir() {
            for block in found(fs::read_dir(folder.path()))?.into_iter().flatten() {
                let block = block?;
                if cache_names::is_block(&block.file_name()) {
                    entries.extend(entry(&block)?);
                }
            }
        }
    }
    let total = entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.bytes));
    Ok((Total(total), entries))
}

/// Deletes the blocks used longest ago until at most `limit` bytes are left.
pub(crate) fn shrink(dir: &Path, limit: u64) -> io::Result<Total> {
    let (Total(mut total), mut entries) = count(dir)?;
    entries.sort();
    for entry in entries {
        if total <= limit {
            break;
        }
        found(fs::remove_file(&entry.path))?;
        total = total.saturating_sub(entry.bytes);
        if let Some(folder) = entry.path.parent() {
            // Fails as long as other blocks are left in the folder, which is meant.
            fs::remove_dir(folder).ok();
        }
    }
    Ok(Total(total))
}

#[expect(clippy::disallowed_methods, reason = "the time sweeps the cache and decides no result")]
fn sweep(incoming: &Path) -> io::Result<()> {
    let now = SystemTime::now();
    for leftover in fs::read_dir(incoming)? {
        let leftover = leftover?;
        if !cache_names::is_incoming(&leftover.file_name()) {
            continue;
        }
        let Some(leftover) = entry(&leftover)? else { continue };
        if now.duration_since(leftover.used).is_ok_and(|age| age > LEFTOVER_AGE) {
            found(fs::remove_file(&leftover.path))?;
        }
    }
    Ok(())
}

/// Facts of a file; `None` where it has vanished meanwhile, or is a folder or a link.
fn entry(file: &DirEntry) -> io::Result<Option<Entry>> {
    let Some(metadata) = found(file.metadata())?.filter(Metadata::is_file) else {
        return Ok(None);
    };
    Ok(Some(Entry { used: metadata.modified()?, path: file.path(), bytes: metadata.len() }))
}

/// `None` for what does not exist.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
