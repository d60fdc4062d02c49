//! A manifest as its TOML text holds it, before anything in it is checked.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Encoding, IdEntry};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestFile {
    pub(crate) name: String,
    pub(crate) mapping: String,
    pub(crate) license: String,
    #[serde(default = "default_reading")]
    pub(crate) reading: String,
    pub(crate) classes: Option<Vec<String>>,
    pub(crate) layout: LayoutTable,
    pub(crate) labels: LabelsTable,
    #[serde(default)]
    pub(crate) readings: BTreeMap<String, ReadingTable>,
    pub(crate) splits: BTreeMap<String, SplitTable>,
}

/// The name of a manifest's own reading where it gives none.
fn default_reading() -> String {
    "default".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutTable {
    pub(crate) images: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) refuse: Vec<Refusal>,
    pub(crate) hint: Option<String>,
}

/// A folder or file whose presence means that this is another dataset.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// Below the dataset's folder, with `/`.
    pub(crate) path: String,
    /// What it means.
    pub(crate) reason: String,
}

/// What becomes of colours that no entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unlisted {
    /// They count for nothing.
    Ignore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelsTable {
    pub(crate) encoding: Encoding,
    pub(crate) range: Option<[u16; 2]>,
    pub(crate) unlisted: Option<Unlisted>,
    #[serde(default)]
    pub(crate) config: Vec<String>,
    pub(crate) ids: Vec<IdEntry>,
}

/// Another way to read the same files; what is absent is as in `[labels]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadingTable {
    pub(crate) mapping: String,
    pub(crate) files: Option<Vec<String>>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) range: Option<[u16; 2]>,
    pub(crate) unlisted: Option<Unlisted>,
    pub(crate) ids: Option<Vec<IdEntry>>,
    /// Class by the dataset's own name of an id.
    #[serde(default)]
    pub(crate) train: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitTable {
    pub(crate) folders: Option<Vec<String>>,
    pub(crate) list: Option<String>,
    #[serde(default)]
    pub(crate) expected: Vec<u64>,
    #[serde(default)]
    pub(crate) known_bad: Vec<String>,
}
