//! What an interrupted writer has left in its folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::block::Version;
use crate::dataset::{Disagreement, disagreement};
use crate::folder::{Access, Folder};
use crate::image::SampleInfo;
use crate::index::{DatasetInfo, INDEX_FILE, ShardEntry, shard_file_name};
use crate::preset::Preset;
use crate::shard::Shard;
use crate::verify::shard_hash;
use crate::write_error::WriteError;

/// Checks the shards that were finished and returns the ids of their samples.
pub(crate) fn taken_over_ids(
    dir: &Path,
    info: &DatasetInfo,
    preset: Preset,
    finished: &[ShardEntry],
) -> Result<BTreeSet<String>, WriteError> {
    let folder = Folder { dir: dir.to_owned(), access: Access::Read };
    let mut ids = BTreeSet::new();
    for (number, entry) in finished.iter().enumerate() {
        let path = dir.join(&entry.file);
        let changed = |field, found: String, expected: String| WriteError::Changed {
            path: path.clone(),
            field,
            found,
            expected,
        };
        let name = shard_file_name(&info.name, number);
        if entry.file != name {
            return Err(changed("name", entry.file.clone(), name));
        }
        let shard = Shard::open(&folder, entry, Version::Two)?;
        let found = shard_hash(&shard)?;
        if found != entry.blake3 {
            return Err(changed("BLAKE3 hash", found, entry.blake3.clone()));
        }
        if let Some(Disagreement { field, found, expected }) =
            disagreement(&shard, preset, info.class_names.len())
        {
            return Err(changed(field, found, expected));
        }
        for sample in shard.samples {
            let SampleInfo { id, source, .. } = sample.head.info;
            if !ids.insert(id.clone()) {
                return Err(WriteError::DuplicateId { path: source, id });
            }
        }
    }
    Ok(ids)
}

/// Removes unfinished files and the shards after the first `finished` ones.
pub(crate) fn remove_leftovers(dir: &Path, name: &str, finished: usize) -> Result<(), WriteError> {
    let io_error = |action, path: &Path, source| {
        let path = path.to_owned();
        WriteError::Io { path, action, source }
    };
    let list_error = |source| io_error("list the folder", dir, source);
    let mut leftovers: Vec<PathBuf> = Vec::new();
    for file in std::fs::read_dir(dir).map_err(list_error)? {
        let file = file.map_err(list_error)?;
        if file.file_name().to_str().is_some_and(|file| is_leftover(file, name, finished)) {
            leftovers.push(file.path());
        }
    }
    leftovers.iter().try_for_each(|path| {
        std::fs::remove_file(path).map_err(|source| io_error("remove the file", path, source))
    })
}

/// Whether a writer of the dataset `name` made `file` after its first `finished` shards.
fn is_leftover(file: &str, name: &str, finished: usize) -> bool {
    let is_partial = |file: &str| file == INDEX_FILE || shard_number(file, name).is_some();
    let complete = file.strip_prefix('.').and_then(|rest| rest.strip_suffix(".partial"));
    let number = shard_number(file, name);
    complete.is_some_and(is_partial) || number.is_some_and(|number| number >= finished)
}

/// The number in the name of a shard of the dataset `name`, if `file` is called as one is.
pub(crate) fn shard_number(file: &str, name: &str) -> Option<usize> {
    let digits = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".shard")?;
    let number = digits.parse().ok()?;
    (shard_file_name(name, number) == file).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_the_writer_made_are_leftovers() {
        for file in [
            ".toy-00001.shard.partial",
            ".index.json.partial",
            "toy-00002.shard",
            "toy-123456.shard",
        ] {
            assert!(is_leftover(file, "toy", 2), "{file}");
        }
        for file in [
            "toy-00001.shard",
            "toy-2.shard",
            "toy-two.shard",
            "boy-00002.shard",
            "audit.json",
            ".other.partial",
            "toy-00002.shard.old",
        ] {
            assert!(!is_leftover(file, "toy", 2), "{file}");
        }
    }
}
