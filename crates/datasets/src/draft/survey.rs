//! Lists the files of a folder and of the folders in it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Folders below folders that are looked into.
const MAX_DEPTH: usize = 8;

/// Files looked at, so that a folder that is no dataset does not take for ever.
const MAX_FILES: usize = 400_000;

/// Folder names, or parts of them, that mean a split; longer ones first.
const SPLIT_WORDS: [&str; 9] = [
    "train_extra",
    "validation",
    "trainval",
    "training",
    "testing",
    "train",
    "valid",
    "test",
    "val",
];

/// What may follow a split's word in a folder's name without anything between.
const FOLLOWERS: [&str; 7] = ["annot", "labels", "label", "masks", "mask", "images", "gt"];

/// A folder's files, by folder.
pub(super) struct Survey {
    /// Folders that hold files, in byte order of their paths.
    pub(super) folders: Vec<Folder>,
    files: usize,
    is_complete: bool,
}

/// One folder.
pub(super) struct Folder {
    /// Names of the folders on the way, from the root.
    pub(super) path: Vec<String>,
    /// The same with `{split}` in place of a split's word.
    pub(super) shape: Vec<String>,
    /// The split's word, as written.
    pub(super) split: Option<String>,
    /// File names in byte order, hidden ones left out.
    pub(super) files: Vec<String>,
}

/// All files below `root`.
pub(super) fn survey(root: &Path) -> io::Result<Survey> {
    let mut survey = Survey { folders: Vec::new(), files: 0, is_complete: true };
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let mut below = Vec::new();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path.iter().fold(root.to_owned(), |at, name| at.join(name)))?
        {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') || name.contains(['{', '}']) {
                continue; // Braces would be placeholders.
            }
            if entry.path().is_dir() {
                below.push(name.to_owned());
            } else {
                files.push(name.to_owned());
            }
        }
        survey.files += files.len();
        below.sort_by(|a, b| b.cmp(a));
        if path.len() < MAX_DEPTH {
            open.extend(
                below.iter().map(|name| [path.as_slice(), std::slice::from_ref(name)].concat()),
            );
        }
        if !files.is_empty() {
            files.sort();
            let (shape, split) = shape_of(&path);
            survey.folders.push(Folder { path, shape, split, files });
        }
        if survey.files > MAX_FILES {
            survey.is_complete = false;
            break;
        }
    }
    survey.folders.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(survey)
}

impl Survey {
    /// In words, for an error message.
    pub(super) fn summary(&self) -> String {
        if self.files == 0 {
            return "it holds no files".into();
        }
        let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.folders.iter().flat_map(|folder| &folder.files) {
            *endings.entry(ending(name)).or_default() += 1;
        }
        let mut endings: Vec<(&str, usize)> = endings.into_iter().collect();
        endings.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        let shown = endings.iter().take(4).map(|(name, count)| match *name {
            "" => format!("{count} without an ending"),
            name => format!("{count} {name}"),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let at_least = if self.is_complete { "" } else { "at least " };
        format!("it holds {at_least}{} files ({shown})", self.files)
    }
}

/// A file name's ending with its dot, or nothing.
pub(super) fn ending(name: &str) -> &str {
    name.rfind('.').map_or("", |dot| &name[dot..])
}

/// The path with the first split's word, wherever it occurs, replaced by `{split}`.
fn shape_of(path: &[String]) -> (Vec<String>, Option<String>) {
    let mut split: Option<String> = None;
    let mut shape = Vec::new();
    for name in path {
        match split_in(name) {
            Some((word, replaced)) if split.as_ref().is_none_or(|known| *known == word) => {
                split = Some(word);
                shape.push(replaced);
            }
            _ => shape.push(name.clone()),
        }
    }
    (shape, split)
}

/// The split's word in a folder's name, and the name with `{split}` in its place.
fn split_in(name: &str) -> Option<(String, String)> {
    let lower = name.to_ascii_lowercase();
    SPLIT_WORDS.iter().find_map(|word| {
        if let Some(after) = lower.strip_prefix(word) {
            let ends = after.is_empty() || after.starts_with(['_', '-', '.']);
            if ends || FOLLOWERS.contains(&after) {
                let (word, after) = name.split_at(word.len());
                return Some((word.to_owned(), format!("{{split}}{after}")));
            }
        }
        let before = lower.strip_suffix(word)?;
        before.ends_with(['_', '-', '.']).then(|| {
            let (before, word) = name.split_at(before.len());
            (word.to_owned(), format!("{before}{{split}}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(path: &[&str]) -> (String, Option<String>) {
        let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
        let (shape, split) = shape_of(&path);
        (shape.join("/"), split)
    }

    #[test]
    fn a_splits_word_is_found_alone_and_beside_what_folders_are_called() {
        for (path, expected, split) in [
            (&["images", "train"][..], "images/{split}", Some("train")),
            (&["trainannot"], "{split}annot", Some("train")),
            (&["Validation_images"], "{split}_images", Some("Validation")),
            (&["labels-val", "val"], "labels-{split}/{split}", Some("val")),
            (&["trains", "value"], "trains/value", None),
        ] {
            assert_eq!(shape(path), (expected.to_owned(), split.map(String::from)), "{path:?}");
        }
    }
}
