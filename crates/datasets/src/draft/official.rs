//! Recognises folders of official datasets.

use std::path::Path;

use crate::draft::Draft;
use crate::{DatasetError, Manifest, Pair, built_in_names};

/// Pairs decoded before a layout is taken for an official one.
const TRIED_PAIRS: usize = 4;

/// The official manifest that fits a folder, with notes that name it.
pub(super) fn recognised(root: &Path) -> Result<Option<Draft>, DatasetError> {
    let mut fitting: Vec<(&str, Manifest)> = Vec::new();
    for name in built_in_names() {
        let manifest = Manifest::built_in(name)?;
        if fits(name, &manifest, root) {
            fitting.push((name, manifest));
        }
    }
    let Some((name, manifest)) = fitting.first() else { return Ok(None) };
    let others: Vec<&str> = fitting[1..].iter().map(|(name, _)| *name).collect();
    let mut notes = vec![format!(
        "this is the layout of the built-in manifest `{name}`: `--manifest {name}` needs no file"
    )];
    if !others.is_empty() {
        let others = others.join("`, `");
        notes.push(format!("`{others}` would fit too: choose the version of your copy"));
    }
    // The first is the one that the draft has.
    let other_readings = manifest.readings().split_off(1);
    if !other_readings.is_empty() {
        let others = other_readings.join(", ");
        notes.push(format!("its labels have other readings too: {others}"));
    }
    Ok(Some(Draft { toml: without_lists(name, &manifest.source.text), notes }))
}

fn fits(name: &str, manifest: &Manifest, root: &Path) -> bool {
    manifest.split_names().into_iter().any(|split| {
        let Ok(listing) = manifest.list(root, split) else { return false };
        let step = listing.pairs.len().div_ceil(TRIED_PAIRS).max(1);
        let tried: Vec<&Pair> = listing.pairs.iter().step_by(step).collect();
        // Official copies have a bad file here and there, so not every pair has to be readable.
        let readable = tried.iter().filter(|pair| manifest.read_pair(pair).is_ok()).count();
        tried.iter().all(|pair| is_typical(name, pair)) && 2 * readable > tried.len()
    })
}

/// Whether a pair is named as in the dataset, for layouts that anyone might choose.
fn is_typical(name: &str, pair: &Pair) -> bool {
    let stem = pair.id.rsplit('/').next().unwrap_or_default();
    let digits = |count: usize| stem.len() == count && stem.bytes().all(|b| b.is_ascii_digit());
    match name {
        "camvid" => ["train", "val", "test"].iter().any(|split| {
            let list = crate::built_in::list_text(&format!("lists/camvid_{split}.txt"));
            list.is_some_and(|list| list.lines().any(|line| line == stem))
        }),
        "gtav" => digits(5),
        "synthia" => digits(7),
        _ => true,
    }
}

/// A built-in manifest as a file of its own: without the splits whose lists are not beside it.
fn without_lists(name: &str, text: &str) -> String {
    let less =
        if text.contains("\nlist = ") { ", less the splits that need its lists" } else { "" };
    let mut kept =
        format!("# The built-in manifest `{name}`{less}; `--manifest {name}` needs no file.\n");
    for (position, section) in text.split("\n[splits.").enumerate() {
        let has_list = section.lines().any(|line| line.starts_with("list = "));
        if position == 0 {
            kept.push_str(section);
        } else if !has_list {
            kept.push_str("\n[splits.");
            kept.push_str(section);
        }
    }
    if !kept.ends_with('\n') {
        kept.push('\n');
    }
    kept
}
