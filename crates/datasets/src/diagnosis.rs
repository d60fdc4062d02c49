//! Explains why a dataset folder is not what the manifest describes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::listing::known_captures;
use crate::manifest::Split;
use crate::pattern::Pattern;
use crate::{DatasetError, Manifest, WrongLayout};

/// Entries of a folder named in a message.
const SHOWN_ENTRIES: usize = 6;

pub(crate) fn root_missing(manifest: &Manifest, root: &Path, split: &Split) -> DatasetError {
    let expected = paths_shown(&manifest.layout.images, split).join(" or ");
    let hint = manifest.layout.hint.clone();
    let hint = hint.unwrap_or_else(|| "check the path for a typing error".into());
    DatasetError::RootMissing { root: root.into(), expected, hint }
}

/// No image can be used; `broken` are the files in an image's place, with the reasons.
pub(crate) fn no_images(
    manifest: &Manifest,
    root: &Path,
    name: &str,
    broken: &BTreeMap<String, String>,
) -> DatasetError {
    let Some(split) = manifest.splits.get(name) else {
        let known = manifest.splits.keys().cloned().collect();
        return DatasetError::UnknownSplit {
            path: manifest.source.path.clone(),
            split: name.into(),
            known,
        };
    };
    let patterns = &manifest.layout.images;
    if let Some((path, reason)) = broken.first_key_value() {
        let (reason, hint) = reason.split_once("; hint: ").unwrap_or((reason, "repair the copy"));
        let files = if broken.len() == 1 { "file" } else { "files" };
        return DatasetError::NoImages(Box::new(WrongLayout {
            root: root.into(),
            split: name.into(),
            expected: paths_shown(patterns, split),
            found: format!("{} unusable {files}, the first {path}: {reason}", broken.len()),
            hint: hint.into(),
        }));
    }
    DatasetError::NoImages(Box::new(WrongLayout {
        root: root.into(),
        split: name.into(),
        expected: paths_shown(patterns, split),
        found: what_is_there(root, patterns, split),
        hint: other_splits(manifest, root, name)
            .or_else(|| moved_root(root, patterns, split))
            .or_else(|| manifest.layout.hint.clone())
            .unwrap_or_else(|| "check the folder and the name of the split".into()),
    }))
}

pub(crate) fn no_labels(
    manifest: &Manifest,
    root: &Path,
    name: &str,
    images: usize,
) -> DatasetError {
    let Some(split) = manifest.splits.get(name) else {
        return no_images(manifest, root, name, &BTreeMap::new());
    };
    let patterns = &manifest.layout.labels;
    let layout = Box::new(WrongLayout {
        root: root.into(),
        split: name.into(),
        expected: paths_shown(patterns, split),
        found: what_is_there(root, patterns, split),
        hint: "labels are usually an archive of their own; unpack it into the same folder".into(),
    });
    DatasetError::NoLabels { images, layout }
}

/// Every pattern with the split's folders filled in and `*` elsewhere.
fn paths_shown(patterns: &[Pattern], split: &Split) -> Vec<String> {
    components(patterns, split).into_iter().map(|parts| parts.join("/")).collect()
}

fn components(patterns: &[Pattern], split: &Split) -> Vec<Vec<String>> {
    let shown = |pattern: &Pattern| {
        let known = known_captures(pattern, split);
        known.iter().map(|captures| pattern.shown(captures)).collect::<Vec<_>>()
    };
    patterns.iter().flat_map(shown).collect()
}

/// The deepest folder that exists of any pattern, and what it holds instead.
fn what_is_there(root: &Path, patterns: &[Pattern], split: &Split) -> String {
    let mut deepest: (usize, PathBuf, String) = (0, root.into(), String::new());
    for parts in components(patterns, split) {
        let mut folder = PathBuf::from(root);
        for (depth, part) in parts.iter().enumerate() {
            let next = folder.join(part);
            if part.contains('*') || !next.is_dir() {
                if depth > deepest.0 || deepest.2.is_empty() {
                    deepest = (depth, folder, part.clone());
                }
                break;
            }
            folder = next;
        }
    }
    let (_, folder, missing) = deepest;
    let holds = holdings(&folder);
    if missing.contains('*') {
        format!("{} holds {holds}, but nothing of that form", folder.display())
    } else {
        format!("{} has no `{missing}`, it holds {holds}", folder.display())
    }
}

/// A folder's first entries by name.
fn holdings(folder: &Path) -> String {
    let mut names: Vec<String> = entries(folder);
    if names.is_empty() {
        return "nothing".into();
    }
    let more = names.len().saturating_sub(SHOWN_ENTRIES);
    names.truncate(SHOWN_ENTRIES);
    let shown = names.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Splits of the same manifest that do have files here.
fn other_splits(manifest: &Manifest, root: &Path, name: &str) -> Option<String> {
    let others: Vec<&str> = manifest
        .splits
        .iter()
        .filter(|(other, _)| *other != name)
        .filter(|(_, split)| has_files(root, &manifest.layout.images, split))
        .map(|(other, _)| other.as_str())
        .collect();
    (!others.is_empty()).then(|| format!("there are images of: {}", others.join(", ")))
}

/// A folder one level up or down that has the split's files.
fn moved_root(root: &Path, patterns: &[Pattern], split: &Split) -> Option<String> {
    let below = entries(root).into_iter().map(|name| root.join(name));
    let above = root.parent().map(PathBuf::from);
    let mut candidates = above.into_iter().chain(below.filter(|path| path.is_dir()));
    let better = candidates.find(|candidate| has_files(candidate, patterns, split))?;
    Some(format!("name the folder {} instead", better.display()))
}

fn has_files(root: &Path, patterns: &[Pattern], split: &Split) -> bool {
    patterns.iter().any(|pattern| {
        known_captures(pattern, split)
            .iter()
            .any(|known| pattern.find(root, known).is_ok_and(|found| !found.files.is_empty()))
    })
}
