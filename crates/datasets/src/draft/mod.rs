//! Drafts a manifest from what a folder holds.
//!
//! The parts: [`survey`] lists the folder's files, [`pairing`] finds which of them are images and
//! labels of one another, [`contents`] collects what the labels hold, [`names`] reads the names
//! that the folder ships, [`text`] writes the manifest.

mod contents;
mod names;
mod official;
mod pairing;
mod survey;
mod text;

use std::path::{Path, PathBuf};

use crate::manifest::ManifestSource;
use crate::manifest_check::checked;
use crate::{DatasetError, Manifest, Pair};

/// A manifest for a folder, to be completed by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The manifest's text; it loads, and lists pairs, as it stands.
    pub toml: String,
    /// What was found and what is left to do.
    pub notes: Vec<String>,
}

/// Drafts a manifest for the dataset in `root` from its files alone.
///
/// A folder of an official dataset gets that dataset's manifest. In any other, images and labels
/// are told apart by content, splits by folder names, and ids are those that occur; an id of
/// unknown meaning is ignored until a person gives it a class.
///
/// # Errors
/// The folder cannot be read, or nothing in it looks like images with labels.
pub fn draft_manifest(root: &Path) -> Result<Draft, DatasetError> {
    let unreadable = |source| DatasetError::Io { path: root.into(), source };
    std::fs::read_dir(root).map_err(unreadable)?;
    if let Some(draft) = official::recognised(root)? {
        return Ok(draft);
    }
    let survey = survey::survey(root).map_err(unreadable)?;
    let nothing = || DatasetError::NothingToDraft { root: root.into(), found: survey.summary() };
    let layout = pairing::find(root, &survey).ok_or_else(nothing)?;
    let mut draft = text::Text::new(root, layout);
    // The labels that count are those that the layout's patterns find, so it is tried first.
    let (pairs, mut notes) = pairs_of(root, &mut draft);
    if pairs.is_empty() {
        return Err(nothing());
    }
    let contents = contents::collect(&pairs, draft.layout.label_kind).ok_or_else(nothing)?;
    notes.extend(contents.notes.iter().cloned());
    let known = names::read(root, &survey);
    notes.extend(draft.layout.notes.iter().cloned());
    let toml = draft.toml(&contents, &known, &mut notes);
    // A draft that does not load would be of no use; the error then tells why.
    load(root, &toml)?;
    Ok(Draft { toml, notes })
}

/// The pairs that the layout finds; splits without any are taken out of it.
fn pairs_of(root: &Path, draft: &mut text::Text) -> (Vec<Pair>, Vec<String>) {
    let mut notes = Vec::new();
    let Ok(manifest) = load(root, &draft.bare_toml()) else { return (Vec::new(), notes) };
    let mut pairs = Vec::new();
    draft.layout.splits.retain(|split| match manifest.list(root, &split.name) {
        Ok(listing) => {
            let (count, alone) = (listing.pairs.len(), listing.skipped.len());
            notes.push(format!("split `{}`: {count} pairs, {alone} files alone", split.name));
            pairs.extend(listing.pairs);
            true
        }
        Err(_) => {
            notes.push(format!("split `{}` is left out: no image of it has a label", split.name));
            false
        }
    });
    (pairs, notes)
}

fn load(root: &Path, toml: &str) -> Result<Manifest, DatasetError> {
    let path = PathBuf::from(format!("draft for {}", root.display()));
    checked(ManifestSource { path, is_built_in: false, text: toml.into() })
}
