//! Lists a split's image and label pairs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diagnosis;
use crate::manifest::Split;
use crate::pattern::{Captures, Match, Matches, Pattern, SPLIT, STEM};
use crate::{DatasetError, Manifest, SampleErrorKind};

/// Endings that list files may or may not give to their ids.
const IMAGE_ENDINGS: [&str; 3] = [".png", ".jpg", ".jpeg"];

/// The files of one split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Complete pairs, in byte order of the image's path below the root.
    pub pairs: Vec<Pair>,
    /// Files left out for want of a partner, in byte order of their paths.
    pub skipped: Vec<Skip>,
    /// Ids left out because the manifest knows them to be bad.
    pub excluded: Vec<String>,
    /// Pair counts of complete copies; empty where unknown.
    pub expected: Vec<u64>,
    /// Remarks for a person: a count that is not the official one, leftovers.
    pub notes: Vec<String>,
}

/// An image and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Unique within the split, parts joined by `/`.
    pub id: String,
    /// The image file.
    pub image: PathBuf,
    /// The label file.
    pub label: PathBuf,
    /// The image's path below the root, with `/`.
    pub image_relative: String,
    /// The label's path below the root, with `/`.
    pub label_relative: String,
}

/// A sample that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The file's path below the root, with `/`.
    pub path: String,
    /// The kind of reason, for counting.
    pub kind: SkipKind,
    /// The reason in words.
    pub reason: String,
}

/// Why a sample was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipKind {
    /// An image without a label.
    MissingLabel,
    /// A label or a listed id without an image.
    MissingImage,
    /// A sample whose image is, byte for byte, that of an earlier one.
    Duplicate,
    /// A name that is not Unicode, a link to nothing, or no regular file.
    BadFile,
    /// A pair that cannot be used.
    BadSample(SampleErrorKind),
}

impl SkipKind {
    /// A short name in kebab case, as audits write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingLabel => "missing-label",
            Self::MissingImage => "missing-image",
            Self::Duplicate => "duplicate",
            Self::BadFile => "bad-file",
            Self::BadSample(SampleErrorKind::Undecodable) => "undecodable",
            Self::BadSample(SampleErrorKind::TooLarge) => "too-large",
            Self::BadSample(SampleErrorKind::PixelFormat) => "pixel-format",
            Self::BadSample(SampleErrorKind::SizeMismatch) => "size-mismatch",
            Self::BadSample(SampleErrorKind::UnknownLabel) => "unknown-label",
            Self::BadSample(SampleErrorKind::Blank) => "blank",
        }
    }
}

impl Manifest {
    /// Lists the pairs of a split below `root`.
    ///
    /// An image without a label, a label without an image and a file of theirs that is none, or
    /// whose name is not Unicode, are skipped, not errors.
    ///
    /// # Errors
    /// There is no such folder or split, the split's list cannot be read, the folder holds another
    /// dataset, no image or not one label is where the manifest says, or two images have the same
    /// id.
    pub fn list(&self, root: &Path, split: &str) -> Result<Listing, DatasetError> {
        let name = split;
        let split = self.split(name)?;
        let listed = self.read_split_list(name, split)?;
        if !root.is_dir() {
            return Err(diagnosis::root_missing(self, root, split));
        }
        self.check_folder(root)?;
        let mut listing = Listing { expected: split.expected.clone(), ..Listing::default() };
        let mut search = Search {
            manifest: self,
            root,
            split,
            listed: &listed,
            missing: BTreeSet::new(),
            leftovers: BTreeSet::new(),
            broken: BTreeMap::new(),
            broken_ids: BTreeSet::new(),
        };
        let images = search.images()?;
        if images.is_empty() {
            return Err(diagnosis::no_images(self, root, name, &search.broken));
        }
        search.pair_up(&images, &mut listing);
        if listing.pairs.is_empty() && listing.excluded.is_empty() {
            return Err(diagnosis::no_labels(self, root, name, images.len()));
        }
        search.skip_labels_alone(&images, &mut listing)?;
        listing.skipped.extend(search.missing.into_iter().map(|id| Skip {
            path: id,
            kind: SkipKind::MissingImage,
            reason: "in the split's list, but there is no such image".into(),
        }));
        listing.skipped.extend(search.broken.into_iter().map(|(path, reason)| Skip {
            path,
            kind: SkipKind::BadFile,
            reason,
        }));
        listing.pairs.sort_by(|a, b| a.image_relative.cmp(&b.image_relative));
        listing.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        listing.excluded.sort();
        listing.note_count(name);
        if !search.leftovers.is_empty() {
            let count = search.leftovers.len();
            listing.notes.push(format!("{count} hidden files and unfinished downloads left aside"));
        }
        Ok(listing)
    }

    /// The ids of the split's list file, without image endings.
    fn read_split_list(
        &self,
        name: &str,
        split: &Split,
    ) -> Result<Option<BTreeSet<String>>, DatasetError> {
        let Some(text) = self.split_list_text(name)? else { return Ok(None) };
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let ids: BTreeSet<String> = lines.map(|line| without_ending(line).to_owned()).collect();
        if ids.is_empty() {
            let list = split.list.as_deref().unwrap_or_default();
            return Err(DatasetError::SplitList {
                path: self.source.path.parent().unwrap_or(Path::new("")).join(list),
                manifest: self.source.path.clone(),
                split: name.into(),
                found: "holds no id".into(),
            });
        }
        Ok(Some(ids))
    }
}

impl Listing {
    fn note_count(&mut self, split: &str) {
        let found = (self.pairs.len() + self.excluded.len()) as u64;
        if !self.expected.is_empty() && !self.expected.contains(&found) {
            let expected: Vec<String> = self.expected.iter().map(u64::to_string).collect();
            let expected = expected.join(" or ");
            self.notes.push(format!(
                "{found} pairs of split `{split}` found, complete copies have {expected}"
            ));
        }
    }
}

fn without_ending(name: &str) -> &str {
    IMAGE_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// An image found, its label still to be looked for.
struct Image {
    id: String,
    file: Match,
}

/// One run of looking for files.
struct Search<'a> {
    manifest: &'a Manifest,
    root: &'a Path,
    split: &'a Split,
    listed: &'a Option<BTreeSet<String>>,
    /// Listed ids of which nothing was found so far.
    missing: BTreeSet<String>,
    leftovers: BTreeSet<String>,
    /// Reasons why files that match cannot be used, by path.
    broken: BTreeMap<String, String>,
    /// The ids of images among them.
    broken_ids: BTreeSet<String>,
}

impl Search<'_> {
    /// All images of the split, by id.
    fn images(&mut self) -> Result<Vec<Image>, DatasetError> {
        let manifest = self.manifest;
        let mut images: BTreeMap<String, Image> = BTreeMap::new();
        let mut missing = self.listed.clone().unwrap_or_default();
        let mut list_in_use = false;
        for pattern in &manifest.layout.images {
            let found = self.find(pattern)?;
            for file in found.broken {
                if let Some(captures) = &file.captures {
                    let (id, stem) = (self.id(pattern, captures), &captures[STEM]);
                    if !pattern.uses_split() && !self.is_listed(&id, stem) {
                        continue;
                    }
                    missing.remove(&id);
                    missing.remove(stem);
                    self.broken_ids.insert(id);
                }
                self.broken.insert(file.relative, file.reason);
            }
            for file in found.files {
                let id = self.id(pattern, &file.captures);
                if !pattern.uses_split() {
                    let stem = &file.captures[STEM];
                    if !self.is_listed(&id, stem) {
                        continue;
                    }
                    list_in_use = true;
                    missing.remove(&id);
                    missing.remove(stem);
                }
                if let Some(first) = images.get(&id) {
                    return Err(DatasetError::DuplicateId {
                        root: self.root.into(),
                        id,
                        first: first.file.relative.clone(),
                        second: file.relative,
                    });
                }
                images.insert(id.clone(), Image { id, file });
            }
        }
        if list_in_use {
            self.missing = missing;
        }
        Ok(images.into_values().collect())
    }

    /// Sorts images into pairs, exclusions and skips.
    fn pair_up(&self, images: &[Image], listing: &mut Listing) {
        let labels: Vec<Option<String>> = images.iter().map(|image| self.label(image)).collect();
        // `{stem}.png` as an image also matches `{stem}_mask.png`, its label.
        let used: BTreeSet<&str> = labels.iter().flatten().map(String::as_str).collect();
        for (image, label) in images.iter().zip(&labels) {
            let relative = image.file.relative.as_str();
            let stem = &image.file.captures[STEM];
            if self.split.known_bad.iter().any(|bad| *bad == image.id || bad == stem) {
                listing.excluded.push(image.id.clone());
            } else if let Some(label) = label {
                listing.pairs.push(Pair {
                    id: image.id.clone(),
                    image: self.root.join(relative),
                    label: self.root.join(label),
                    image_relative: relative.into(),
                    label_relative: label.clone(),
                });
            } else if !used.contains(relative) {
                let tried = self.label_paths(image).join(" or ");
                listing.skipped.push(Skip {
                    path: relative.into(),
                    kind: SkipKind::MissingLabel,
                    reason: format!("image without a label, expected {tried}"),
                });
            }
        }
    }

    /// Skips labels whose image is not there, as far as a label's path tells its id.
    fn skip_labels_alone(
        &mut self,
        images: &[Image],
        listing: &mut Listing,
    ) -> Result<(), DatasetError> {
        let manifest = self.manifest;
        let ids: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
        let files = images.iter().map(|image| image.file.relative.as_str());
        // Images count too: an image pattern may be a special case of a label pattern.
        let mut known: BTreeSet<String> = files.map(String::from).collect();
        known.extend(listing.pairs.iter().map(|pair| pair.label_relative.clone()));
        for pattern in &manifest.layout.labels {
            let found = self.find(pattern)?;
            for file in found.broken {
                if let Some(captures) = &file.captures {
                    let Some(id) = self.id_of_label(captures) else { continue };
                    let of_split = pattern.uses_split() || self.is_listed(&id, &captures[STEM]);
                    // One skip is enough for a pair: its image is skipped for want of this label.
                    if !of_split || ids.contains(id.as_str()) || self.broken_ids.contains(&id) {
                        continue;
                    }
                }
                self.broken.insert(file.relative, file.reason);
            }
            for file in found.files {
                let stem = &file.captures[STEM];
                let Some(id) = self.id_of_label(&file.captures) else { continue };
                let of_split = pattern.uses_split() || self.is_listed(&id, stem);
                if self.broken_ids.contains(&id) {
                    continue;
                }
                if !of_split || ids.contains(id.as_str()) || known.contains(&file.relative) {
                    continue;
                }
                self.missing.remove(&id);
                self.missing.remove(stem);
                listing.skipped.push(Skip {
                    path: file.relative,
                    kind: SkipKind::MissingImage,
                    reason: "label without an image".into(),
                });
            }
        }
        Ok(())
    }

    /// The files of a pattern, for each of the split's folders if it has `{split}`.
    fn find(&mut self, pattern: &Pattern) -> Result<Matches, DatasetError> {
        let mut all = Matches::default();
        for known in known_captures(pattern, self.split) {
            let found = pattern
                .find(self.root, &known)
                .map_err(|source| DatasetError::Io { path: self.root.into(), source })?;
            self.leftovers.extend(found.leftovers);
            all.files.extend(found.files);
            all.broken.extend(found.broken);
        }
        Ok(all)
    }

    fn is_listed(&self, id: &str, stem: &str) -> bool {
        self.listed.as_ref().is_none_or(|listed| listed.contains(id) || listed.contains(stem))
    }

    fn id(&self, pattern: &Pattern, captures: &Captures) -> String {
        let chosen = self.manifest.layout.id.as_ref().and_then(|id| id.filled(captures));
        chosen.unwrap_or_else(|| {
            let parts = pattern.placeholders().into_iter().filter(|name| *name != SPLIT);
            parts.map(|name| captures[name].as_str()).collect::<Vec<_>>().join("/")
        })
    }

    /// The id that a label's image would have, if the label's path tells.
    fn id_of_label(&self, captures: &Captures) -> Option<String> {
        let images = &self.manifest.layout.images;
        let image = images.iter().find(|image| image.filled(captures).is_some())?;
        Some(self.id(image, captures))
    }

    /// Where an image's label may lie, in the manifest's order.
    fn label_paths(&self, image: &Image) -> Vec<String> {
        let labels = &self.manifest.layout.labels;
        labels.iter().filter_map(|label| label.filled(&image.file.captures)).collect()
    }

    fn label(&self, image: &Image) -> Option<String> {
        self.label_paths(image).into_iter().find(|path| self.root.join(path).is_file())
    }
}

/// What is known before looking: one set of captures per folder, or a single empty one.
pub(crate) fn known_captures(pattern: &Pattern, split: &Split) -> Vec<Captures> {
    if !pattern.uses_split() {
        return vec![Captures::new()];
    }
    let one = |folder: &String| Captures::from([(SPLIT.to_owned(), folder.clone())]);
    split.folders.iter().map(one).collect()
}
