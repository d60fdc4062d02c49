//! `audit.json`: what was packed, what was left out and why, and how often each class occurs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datasets::{Listing, Manifest};
use serde::{Deserialize, Serialize};

use crate::json_file::{self, FileError};
use crate::pack::findings::{Count, Findings};
use crate::pack::part::Part;

/// Name of the audit in the folder of the shards.
pub const AUDIT_FILE: &str = "audit.json";

/// The record of one packing run: the content of `audit.json`, field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// The manifest's name.
    pub dataset: String,
    /// The split packed.
    pub split: String,
    /// The visual domain.
    pub domain: String,
    /// Name and version of the label mapping.
    pub mapping: String,
    /// The manifest's licence line.
    pub license: String,
    /// Which part of the split this is; absent where it is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Whether the run came to its end; if not, counts cover the samples up to where it stopped.
    pub complete: bool,
    /// Image and label pairs found; in a part, those of the part.
    pub pairs_found: u64,
    /// Pair counts of complete copies of the split; empty where unknown.
    pub pairs_expected: Vec<u64>,
    /// Samples in the shards.
    pub packed: u64,
    /// Samples in the shards of which no pixel counts.
    #[serde(default)]
    pub wholly_ignored: u64,
    /// Number of samples left out, by kind of reason: `missing-label`, `missing-image`,
    /// `size-mismatch`, `undecodable`, `pixel-format`, `unknown-label`, `blank`, `duplicate`,
    /// `too-large`.
    pub skipped_by_kind: BTreeMap<String, u64>,
    /// Every sample left out: first files without a partner, then pairs, each in byte order of
    /// their paths. Every part lists all files without a partner.
    pub skipped: Vec<SkippedSample>,
    /// Ids left out because the manifest knows them to be bad.
    pub excluded: Vec<String>,
    /// Names of polygon objects that the manifest does not list, with the number of images.
    pub unknown_objects: BTreeMap<String, u64>,
    /// Remarks for a person, such as a number of pairs that is not the official one.
    pub notes: Vec<String>,
    /// How often each class occurs in the shards, by train id.
    pub classes: Vec<ClassCount>,
    /// Pixels that count for nothing.
    pub ignored_pixels: u64,
}

/// A sample that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedSample {
    /// Path of the image, or of the label if there is no image, below the dataset's folder.
    pub path: String,
    /// Kind of reason, in kebab case.
    pub kind: String,
    /// The reason in words; of an unknown label with the file and the pixel.
    pub reason: String,
}

/// How often a class occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The class's train id.
    pub train_id: u8,
    /// Its name.
    pub name: String,
    /// Its pixels.
    pub pixels: u64,
    /// Images with at least one such pixel.
    pub images: u64,
}

impl Audit {
    /// Writes the audit into `dir`, aside first, and returns its path.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, FileError> {
        let path = dir.join(AUDIT_FILE);
        json_file::write_json(&path, self)?;
        Ok(path)
    }

    /// Reads the audit in `dir`.
    ///
    /// # Errors
    /// There is none, or it is not as it was written.
    pub fn load(dir: &Path) -> Result<Self, FileError> {
        json_file::read_json(&dir.join(AUDIT_FILE))
    }

    /// The audit of a split that was listed, before any pair is read.
    pub(crate) fn of_listing(
        manifest: &Manifest,
        listing: &Listing,
        (split, domain): (&str, &str),
    ) -> Self {
        let skipped = listing.skipped.iter().map(|skip| SkippedSample {
            path: skip.path.clone(),
            kind: skip.kind.name().into(),
            reason: skip.reason.clone(),
        });
        let classes = (0_u8..).zip(&manifest.classes).map(|(train_id, name)| ClassCount {
            train_id,
            name: name.clone(),
            pixels: 0,
            images: 0,
        });
        Self {
            dataset: manifest.name.clone(),
            split: split.into(),
            domain: domain.into(),
            mapping: manifest.mapping_name().into(),
            license: manifest.license.clone(),
            part: None,
            complete: false,
            pairs_found: listing.pairs.len() as u64,
            pairs_expected: listing.expected.clone(),
            packed: 0,
            wholly_ignored: 0,
            skipped_by_kind: BTreeMap::new(),
            skipped: skipped.collect(),
            excluded: listing.excluded.clone(),
            unknown_objects: BTreeMap::new(),
            notes: listing.notes.clone(),
            classes: classes.collect(),
            ignored_pixels: 0,
        }
    }

    /// Samples found, good and bad.
    pub(crate) fn found(&self) -> u64 {
        self.pairs_found + self.skipped.len() as u64
    }

    /// The audit of a listing with what reading its pairs gave.
    pub(crate) fn with(mut self, findings: Findings, complete: bool) -> Self {
        self.complete = complete;
        self.packed = findings.packed;
        self.wholly_ignored = findings.wholly_ignored;
        self.skipped.extend(findings.skipped.into_iter().map(|skipped| skipped.sample));
        for skip in &self.skipped {
            *self.skipped_by_kind.entry(skip.kind.clone()).or_default() += 1;
        }
        for name in findings.unknown_objects.into_values().flatten() {
            *self.unknown_objects.entry(name).or_default() += 1;
        }
        let counts = findings.classes.into_iter().chain(std::iter::repeat(Count::default()));
        for (class, count) in self.classes.iter_mut().zip(counts) {
            (class.pixels, class.images) = (count.pixels, count.images);
        }
        self.ignored_pixels = findings.ignored.pixels;
        if self.wholly_ignored > 0 {
            self.notes.push(format!(
                "packed, although their labels are ignored everywhere: {}",
                self.wholly_ignored
            ));
        }
        self
    }
}
