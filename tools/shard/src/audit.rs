//! `audit.json`: what was packed, what was left out and why, and how often each class occurs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Name of the audit in the folder of the shards.
pub const AUDIT_FILE: &str = "audit.json";

/// The record of one packing run.
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
    /// Whether the run came to its end; if not, counts cover the samples up to where it stopped.
    pub complete: bool,
    /// Image and label pairs found.
    pub pairs_found: u64,
    /// Pair counts of complete copies; empty where unknown.
    pub pairs_expected: Vec<u64>,
    /// Samples in the shards.
    pub packed: u64,
    /// Number of samples left out, by kind of reason.
    pub skipped_by_kind: BTreeMap<String, u64>,
    /// Every sample left out.
    pub skipped: Vec<SkippedSample>,
    /// Ids left out because the manifest knows them to be bad.
    pub excluded: Vec<String>,
    /// Names of polygon objects that the manifest does not list, with the number of images.
    pub unknown_objects: BTreeMap<String, u64>,
    /// Remarks for a person.
    pub notes: Vec<String>,
    /// How often each class occurs, by train id.
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
    /// The reason in words.
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
    pub fn write(&self, dir: &Path) -> io::Result<PathBuf> {
        let path = dir.join(AUDIT_FILE);
        let aside = dir.join(format!(".{AUDIT_FILE}.partial"));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let mut file = File::create(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, &path)?;
        Ok(path)
    }
}
