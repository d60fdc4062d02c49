//! Finds the images and labels of one another among a folder's files.
//!
//! Nothing is known about names but that an image and its label share a stem. Every two folders
//! are compared; a pair of folders with common stems tells by how their paths and file names
//! differ, and the difference that explains most files, between files whose content is that of an
//! image and of a label, is the layout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::draft::contents::{FileKind, colours_in, file_kind};
use crate::draft::survey::{Folder, Survey, ending};

/// Folders below one folder that are compared; the others are alike.
const ALIKE: usize = 12;

/// Most folders compared with one another.
const MAX_FOLDERS: usize = 400;

/// Files of a folder that are compared.
const COMPARED_FILES: usize = 200;

const IMAGE_ENDINGS: [&str; 3] = [".png", ".jpg", ".jpeg"];
const LABEL_ENDINGS: [&str; 2] = [".png", ".json"];

/// Words in a label's path that speak for it, and against it.
const LABEL_WORDS: [&str; 7] = ["label", "mask", "annot", "seg", "semantic", "gt", "class"];
const IMAGE_WORDS: [&str; 5] = ["rgb", "image", "img", "photo", "frame"];
const OTHER_WORDS: [&str; 10] = [
    "instance",
    "inst",
    "color",
    "colour",
    "panoptic",
    "depth",
    "disparity",
    "normal",
    "inv",
    "confidence",
];

/// Where images and labels lie.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) images: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) label_kind: FileKind,
    pub(super) splits: Vec<FoundSplit>,
    pub(super) notes: Vec<String>,
}

/// One split and the folders' word for it.
#[derive(Debug)]
pub(super) struct FoundSplit {
    pub(super) name: String,
    pub(super) folder: Option<String>,
}

/// How the paths of images and of labels differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    /// Folders from the root that both have.
    before: usize,
    image: Vec<String>,
    label: Vec<String>,
    /// Folders above the file that both have.
    after: usize,
    image_suffix: String,
    label_suffix: String,
}

/// Pairs of folders that differ alike.
#[derive(Default)]
struct Evidence {
    files: usize,
    /// Paths as shapes, of the image's folder.
    shapes: BTreeSet<Vec<String>>,
    splits: BTreeSet<String>,
    /// Some image and its label.
    samples: Vec<(PathBuf, PathBuf)>,
}

/// The layout that explains most files, if any does.
pub(super) fn find(root: &Path, survey: &Survey) -> Option<Found> {
    let evidence = gathered(root, &compared(survey));
    let mut usable: Vec<(&Difference, &Evidence, FileKind, i32)> = Vec::new();
    for (difference, evidence) in &evidence {
        if let Some(kind) = label_kind(evidence) {
            usable.push((difference, evidence, kind, liking(difference, kind)));
        }
    }
    let most = usable.iter().map(|(_, evidence, _, _)| evidence.files).max()?;
    // Labels of several kinds lie beside one another for the same images; then names decide.
    let (best, proof, kind, _) = usable
        .iter()
        .filter(|(_, evidence, _, _)| evidence.files * 5 >= most * 4)
        .max_by_key(|(difference, evidence, _, liking)| {
            (*liking, evidence.files, std::cmp::Reverse(*difference))
        })?;
    let same_labels = |other: &Difference| {
        Difference { image_suffix: best.image_suffix.clone(), ..other.clone() } == **best
    };
    let mut images: Vec<String> = Vec::new();
    let label = pattern(best, &best.label, &proof.shapes, &best.label_suffix);
    let mut others: BTreeSet<String> = BTreeSet::new();
    for (difference, evidence, _, _) in &usable {
        let Difference { image, label, image_suffix, label_suffix, .. } = difference;
        if same_labels(difference) {
            images.push(pattern(difference, image, &proof.shapes, image_suffix));
        } else if evidence.files * 5 >= most {
            others.insert(pattern(difference, label, &evidence.shapes, label_suffix));
        }
    }
    others
        .retain(|other| !covers(&label, other) && !images.iter().any(|image| covers(image, other)));
    let notes = others.into_iter().map(|other| format!("other files could be labels too: {other}"));
    let notes = notes.collect();
    Some(Found { images, labels: vec![label], label_kind: *kind, splits: splits(proof), notes })
}

/// Whether a pattern finds all that another one does.
fn covers(pattern: &str, other: &str) -> bool {
    let (parts, others) = (pattern.split('/'), other.split('/'));
    parts.clone().count() == others.clone().count()
        && parts.zip(others).all(|(part, other)| part == other || part.starts_with("{folder"))
}

/// The folders that are compared: of many alike only some.
fn compared(survey: &Survey) -> Vec<&Folder> {
    let mut counts: BTreeMap<(&[String], &Option<String>), usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for folder in &survey.folders {
        let parent = &folder.shape[..folder.shape.len().saturating_sub(1)];
        let count = counts.entry((parent, &folder.split)).or_default();
        *count += 1;
        if *count <= ALIKE && kept.len() < MAX_FOLDERS {
            kept.push(folder);
        }
    }
    kept
}

fn gathered(root: &Path, folders: &[&Folder]) -> BTreeMap<Difference, Evidence> {
    let mut all: BTreeMap<Difference, Evidence> = BTreeMap::new();
    for images in folders {
        for labels in folders.iter().filter(|labels| labels.split == images.split) {
            for (image_suffix, label_suffix) in suffixes(images, labels) {
                let stems = common_stems(images, labels, &image_suffix, &label_suffix);
                let Some(first) = stems.first() else { continue };
                let file = |folder: &Folder, suffix: &str| {
                    let inside = folder.path.iter().fold(root.to_owned(), |at, name| at.join(name));
                    inside.join(format!("{first}{suffix}"))
                };
                let sample = (file(images, &image_suffix), file(labels, &label_suffix));
                let difference = difference(images, labels, image_suffix, label_suffix);
                let evidence = all.entry(difference).or_default();
                evidence.files += stems.len();
                evidence.shapes.insert(images.shape.clone());
                evidence.splits.extend(images.split.clone());
                evidence.samples.push(sample);
            }
        }
    }
    all
}

/// Endings of file names, from the stem on, by which files of two folders could belong together.
fn suffixes(images: &Folder, labels: &Folder) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let step = images.files.len().div_ceil(4).max(1);
    for image in images.files.iter().step_by(step) {
        for tail in tails(image) {
            let stem = &image[..image.len() - tail.len()];
            let from = labels.files.partition_point(|name| name.as_str() < stem);
            let alike = labels.files[from..].iter().take_while(|name| name.starts_with(stem));
            for label in alike.take(16) {
                let suffix = &label[stem.len()..];
                let is_itself = std::ptr::eq(images, labels) && suffix == tail;
                let separated = suffix.starts_with(['_', '-', '.']);
                let is_plain = tail == ending(image) && suffix == ending(label);
                if is_plain && !is_itself && has_ending(suffix, &LABEL_ENDINGS) {
                    // Equal names leave nothing to guess.
                    return BTreeSet::from([(tail.to_owned(), suffix.to_owned())]);
                }
                if separated && !is_itself && has_ending(suffix, &LABEL_ENDINGS) {
                    found.insert((tail.to_owned(), suffix.to_owned()));
                }
            }
        }
    }
    found
}

/// The possible ends of an image's name behind its stem: its ending, with or without words before.
fn tails(name: &str) -> Vec<&str> {
    let ending = ending(name);
    if !has_ending(name, &IMAGE_ENDINGS) || ending.len() == name.len() {
        return Vec::new();
    }
    let mut tails = vec![ending];
    let body = &name[..name.len() - ending.len()];
    for (position, _) in body.match_indices(['_', '-']) {
        let after = body[position + 1..].chars().next();
        if position > 0 && after.is_some_and(char::is_alphabetic) {
            tails.push(&name[position..]);
        }
    }
    tails
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    endings.contains(&ending(name).to_ascii_lowercase().as_str())
}

fn common_stems<'a>(
    images: &'a Folder,
    labels: &Folder,
    image_suffix: &str,
    label_suffix: &str,
) -> Vec<&'a str> {
    let stems = images.files.iter().filter_map(|name| name.strip_suffix(image_suffix));
    let has_label =
        |stem: &&str| labels.files.binary_search(&format!("{stem}{label_suffix}")).is_ok();
    stems.filter(|stem| !stem.is_empty()).take(COMPARED_FILES).filter(has_label).collect()
}

fn difference(
    images: &Folder,
    labels: &Folder,
    image_suffix: String,
    label_suffix: String,
) -> Difference {
    let (left, right) = (&images.shape, &labels.shape);
    let equal = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
        pairs.take_while(|(a, b)| a == b).count()
    };
    let before = equal(&mut left.iter().zip(right));
    let shorter = left.len().min(right.len());
    let after = equal(&mut left.iter().rev().zip(right.iter().rev())).min(shorter - before);
    Difference {
        before,
        image: left[before..left.len() - after].to_vec(),
        label: right[before..right.len() - after].to_vec(),
        after,
        image_suffix,
        label_suffix,
    }
}

/// The pattern of files whose folders are `shapes` with `middle` in the place that differs.
fn pattern(
    difference: &Difference,
    middle: &[String],
    shapes: &BTreeSet<Vec<String>>,
    suffix: &str,
) -> String {
    let mut open = 0;
    let mut common = |position: usize, from_end: bool| {
        let at = |shape: &Vec<String>| {
            let index = if from_end { shape.len() - 1 - position } else { position };
            shape[index].clone()
        };
        let values: BTreeSet<String> = shapes.iter().map(at).collect();
        if let (1, Some(only)) = (values.len(), values.first()) {
            return only.clone();
        }
        open += 1;
        if open == 1 { "{folder}".to_owned() } else { format!("{{folder{open}}}") }
    };
    let mut parts: Vec<String> = (0..difference.before).map(|at| common(at, false)).collect();
    parts.extend(middle.iter().cloned());
    parts.extend((0..difference.after).rev().map(|at| common(at, true)));
    parts.push(format!("{{stem}}{suffix}"));
    parts.join("/")
}

/// What the labels are, if the samples are images with labels by their content.
fn label_kind(evidence: &Evidence) -> Option<FileKind> {
    let step = evidence.samples.len().div_ceil(4).max(1);
    let mut kinds = BTreeSet::new();
    for (image, label) in evidence.samples.iter().step_by(step) {
        let (image_kind, label_kind) = (file_kind(image)?, file_kind(label)?);
        if !image_kind.may_be_image() || !label_kind.may_be_label() {
            return None;
        }
        kinds.insert(label_kind);
        // Where kinds do not tell, the picture of fewer colours is the label.
        let is_doubtful = label_kind == FileKind::Rgb
            || matches!(image_kind, FileKind::Grey | FileKind::Palette)
                && label_kind != FileKind::Polygons;
        if is_doubtful {
            let (in_image, in_label) = (colours_in(image)?, colours_in(label)?);
            if in_image <= 1 {
                continue; // A blank image tells nothing.
            }
            if in_label >= in_image || in_label > 256 {
                return None;
            }
        }
    }
    let mixed = kinds.iter().all(|kind| matches!(kind, FileKind::Grey | FileKind::Palette));
    match (kinds.len(), kinds.first()) {
        (1, Some(kind)) => Some(*kind),
        (2, _) if mixed => Some(FileKind::GreyOrPalette),
        _ => None,
    }
}

/// How much names and kind speak for a label.
fn liking(difference: &Difference, kind: FileKind) -> i32 {
    let holds = |text: &[String], words: &[&str]| {
        let text = text.join("/").to_ascii_lowercase();
        i32::from(words.iter().any(|word| text.contains(word)))
    };
    let label = [difference.label.clone(), vec![difference.label_suffix.clone()]].concat();
    let image = [difference.image.clone(), vec![difference.image_suffix.clone()]].concat();
    let of_kind = match kind {
        FileKind::Grey | FileKind::Palette | FileKind::GreyOrPalette => 4,
        FileKind::Polygons => 3,
        FileKind::Red | FileKind::Sixteen => 2,
        _ => 1,
    };
    let against = holds(&label, &OTHER_WORDS)
        + holds(&label, &IMAGE_WORDS)
        + holds(&image, &OTHER_WORDS)
        + holds(&image, &LABEL_WORDS[..4]);
    let of_names = holds(&label, &LABEL_WORDS) - 3 * against;
    2 * of_names + of_kind
}

/// The splits that the folders' words mean; without any, one of everything.
fn splits(evidence: &Evidence) -> Vec<FoundSplit> {
    if evidence.splits.is_empty() {
        return vec![FoundSplit { name: "all".into(), folder: None }];
    }
    let name = |word: &String| match word.to_ascii_lowercase().as_str() {
        "training" => "train".to_owned(),
        "validation" | "valid" => "val".to_owned(),
        "testing" => "test".to_owned(),
        other => other.to_owned(),
    };
    let mut splits: Vec<FoundSplit> = Vec::new();
    for word in &evidence.splits {
        let name = name(word);
        // Two words for one split, as `val` and `valid`: each keeps its own.
        let is_taken = splits.iter().any(|split| split.name == name);
        let name = if is_taken { word.clone() } else { name };
        splits.push(FoundSplit { name, folder: Some(word.clone()) });
    }
    splits
}
