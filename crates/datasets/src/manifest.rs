//! A manifest: what is known about one dataset's files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::built_in;
use crate::id_table::IdTable;
use crate::manifest_check::checked;
use crate::manifest_file::Refusal;
use crate::pattern::Pattern;
use crate::{DatasetError, IdEntry};

/// Everything known about one dataset's files; see the crate's documentation for the file.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The dataset's name.
    pub name: String,
    /// Name and version of the label mapping.
    pub mapping: String,
    /// One line about the terms of use.
    pub license: String,
    /// Class names, by train id.
    pub classes: Vec<String>,
    /// How labels are stored.
    pub encoding: Encoding,
    /// Every listed id.
    pub ids: Vec<IdEntry>,
    pub(crate) source: ManifestSource,
    pub(crate) layout: Layout,
    /// Files of the dataset that name its ids by position.
    pub(crate) config: Vec<String>,
    pub(crate) table: IdTable,
    /// The name of the manifest's own reading.
    pub(crate) own_reading: String,
    /// Every reading, the manifest's own too.
    pub(crate) readings: BTreeMap<String, Reading>,
    /// The reading chosen, if not the manifest's own.
    pub(crate) reading: Option<String>,
    pub(crate) splits: BTreeMap<String, Split>,
}

/// Where a manifest comes from.
#[derive(Debug, Clone)]
pub(crate) struct ManifestSource {
    /// The file, or a name for messages.
    pub(crate) path: PathBuf,
    /// Whether lists are embedded too, and not beside the file.
    pub(crate) is_built_in: bool,
    /// The manifest's text.
    pub(crate) text: String,
}

/// How label files store their ids; the crate's documentation has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// PNG, 8-bit grey or palette, the stored value.
    Index,
    /// PNG, 8-bit grey.
    GreyId,
    /// PNG, palette.
    PaletteIndex,
    /// PNG, 16 bits per sample, id in the first sample.
    #[serde(rename = "rgb16-red")]
    Rgb16Red,
    /// PNG, 8-bit grey, or 8-bit RGB with the id in the first sample.
    GreyOrRed,
    /// PNG, 8-bit RGB, looked up by exact colour.
    RgbColour,
    /// PNG, palette or 8-bit RGB, looked up by the exact colour shown.
    ShownColour,
    /// Polygons in JSON, painted in order.
    Polygons,
}

/// Where files lie.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) images: Vec<Pattern>,
    pub(crate) labels: Vec<Pattern>,
    pub(crate) id: Option<Pattern>,
    pub(crate) refuse: Vec<Refusal>,
    pub(crate) hint: Option<String>,
}

/// One way to read a dataset's labels, checked.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) mapping: String,
    pub(crate) files: Vec<Pattern>,
    pub(crate) encoding: Encoding,
    pub(crate) ids: Vec<IdEntry>,
    pub(crate) table: IdTable,
}

/// One split of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Folder names that `{split}` stands for.
    pub folders: Vec<String>,
    /// The list file that selects among patterns without `{split}`, relative to the manifest.
    pub list: Option<String>,
    /// Pair counts of complete copies; empty where unknown.
    pub expected: Vec<u64>,
    /// Ids left out.
    pub known_bad: Vec<String>,
}

impl Manifest {
    /// Reads a manifest file and checks everything in it that needs no dataset.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has unknown or missing keys, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, DatasetError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DatasetError::Io { path: path.into(), source })?;
        checked(ManifestSource { path: path.into(), is_built_in: false, text })
    }

    /// A manifest that is part of this program, by its name; [`built_in_names`] lists them.
    ///
    /// # Errors
    /// There is no built-in manifest of that name.
    ///
    /// [`built_in_names`]: crate::built_in_names
    pub fn built_in(name: &str) -> Result<Self, DatasetError> {
        let text = built_in::manifest_text(name).ok_or_else(|| DatasetError::NoSuchManifest {
            name: name.into(),
            built_in: built_in::built_in_names(),
        })?;
        let path = PathBuf::from(format!("built-in manifest {name}"));
        checked(ManifestSource { path, is_built_in: true, text: text.into() })
    }

    /// The manifest file of that path, or else the built-in manifest of that name.
    ///
    /// # Errors
    /// There is neither, or the file is not a valid manifest.
    pub fn resolve(name_or_path: &Path) -> Result<Self, DatasetError> {
        if name_or_path.is_file() {
            return Self::load(name_or_path);
        }
        // What is not Unicode is shown as well as it can be.
        Self::built_in(&name_or_path.to_string_lossy())
    }

    /// Name and version of the label mapping.
    pub fn mapping_name(&self) -> &str {
        &self.mapping
    }

    /// The names of all ways to read the labels: the manifest's own, then the others in
    /// alphabetical order.
    pub fn readings(&self) -> Vec<&str> {
        let others = self.readings.keys().filter(|name| **name != self.own_reading);
        std::iter::once(&self.own_reading).chain(others).map(String::as_str).collect()
    }

    /// The name of the chosen reading; `None` is the manifest's own.
    pub fn reading(&self) -> Option<&str> {
        self.reading.as_deref()
    }

    /// The manifest with that reading of the labels: its mapping, encoding and ids.
    ///
    /// # Errors
    /// There is no such reading.
    pub fn with_reading(&self, name: &str) -> Result<Self, DatasetError> {
        let reading = self.readings.get(name).ok_or_else(|| DatasetError::UnknownReading {
            path: self.source.path.clone(),
            reading: name.into(),
            known: self.readings().into_iter().map(String::from).collect(),
        })?;
        let Reading { mapping, files, encoding, ids, table } = reading.clone();
        let layout = Layout { labels: files, ..self.layout.clone() };
        let reading = (name != self.own_reading).then(|| name.to_owned());
        Ok(Self { mapping, encoding, ids, table, layout, reading, ..self.clone() })
    }

    /// The names of the splits, in alphabetical order.
    pub fn split_names(&self) -> Vec<&str> {
        self.splits.keys().map(String::as_str).collect()
    }

    /// A split by name.
    ///
    /// # Errors
    /// There is no such split.
    pub fn split(&self, name: &str) -> Result<&Split, DatasetError> {
        self.splits.get(name).ok_or_else(|| DatasetError::UnknownSplit {
            path: self.source.path.clone(),
            split: name.into(),
            known: self.splits.keys().cloned().collect(),
        })
    }

    /// BLAKE3, in hex, of all that decides what a split becomes besides the dataset's own files:
    /// the manifest's text, the chosen reading, the split's name and its list.
    ///
    /// # Errors
    /// There is no such split, or its list cannot be read.
    pub fn fingerprint(&self, split: &str) -> Result<String, DatasetError> {
        let list = self.split_list_text(split)?;
        let mut hasher = blake3::Hasher::new();
        // Lengths keep one part's end from being taken for the next part's beginning, and the
        // reading's first byte an absent reading from an empty one.
        let reading = self.reading.as_ref().map_or_else(|| "-".into(), |name| format!("+{name}"));
        let list = list.map_or_else(|| "-".into(), |text| format!("+{text}"));
        for part in [self.source.text.as_str(), &reading, split, &list] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The text of a split's list file, if it has one.
    pub(crate) fn split_list_text(&self, name: &str) -> Result<Option<String>, DatasetError> {
        let Some(list) = &self.split(name)?.list else { return Ok(None) };
        let unusable = |path: PathBuf, found: String| DatasetError::SplitList {
            path,
            manifest: self.source.path.clone(),
            split: name.into(),
            found,
        };
        if self.source.is_built_in {
            let text = built_in::list_text(list);
            let path = || self.source.path.join(list);
            return text
                .map(|text| Some(text.into()))
                .ok_or_else(|| unusable(path(), "is not embedded".into()));
        }
        let path = self.source.path.parent().unwrap_or(Path::new("")).join(list);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(unusable(path, format!("cannot be read ({error})"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CITYSCAPES_CLASSES;

    const PLAIN: &str = r#"
name = "toy"
mapping = "toy/1"
license = "none"
[layout]
images = ["{split}/{stem}.png"]
labels = ["{split}annot/{stem}.png"]
[labels]
encoding = "index"
ids = [{ id = 0, name = "street", train = "road" }]
[splits.train]
[splits.val]
"#;

    fn load(text: &str) -> Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toy.toml");
        std::fs::write(&path, text).unwrap();
        let shown = path.display().to_string();
        Manifest::load(&path).map_err(|error| error.to_string().replace(&shown, "toy.toml"))
    }

    #[test]
    fn classes_default_to_cityscapes_and_split_folders_to_the_splits_name() {
        let manifest = load(PLAIN).unwrap();
        assert_eq!(manifest.classes, CITYSCAPES_CLASSES);
        assert_eq!(manifest.split_names(), ["train", "val"]);
        assert_eq!(manifest.split("val").unwrap().folders, ["val"]);
        assert!(
            manifest
                .split("test")
                .unwrap_err()
                .to_string()
                .ends_with("no split `test`, expected one of: train, val")
        );
    }

    #[test]
    fn unknown_and_missing_keys_are_named_with_their_line() {
        let unknown = load(&PLAIN.replace("license", "licence")).unwrap_err();
        assert!(unknown.contains("unknown field `licence`"), "{unknown}");
        assert!(unknown.contains("line 4"), "{unknown}");
        let missing = load(&PLAIN.replace("mapping = \"toy/1\"", "")).unwrap_err();
        assert!(missing.contains("missing field `mapping`"), "{missing}");
        assert!(missing.contains("hint: data-manifests/README.md"), "{missing}");
    }

    #[test]
    fn contradictions_name_the_key() {
        for (from, to, message) in [
            (
                "train = \"road\"",
                "train = \"rode\"",
                "toy.toml: `labels.ids`: `street` becomes `rode`",
            ),
            ("id = 0", "id = 256", "toy.toml: `labels.ids`: id 256, expected at most 255"),
            ("{split}annot", "{city}annot", "toy.toml: `layout.labels`: no label pattern can be"),
            (
                "\"{split}/{stem}.png\"",
                "\"/{stem}.png\"",
                "toy.toml: `layout.images`: component ``",
            ),
            ("[labels]", "id = \"{split}/{stem}\"\n[labels]", "toy.toml: `layout.id`: `{split}"),
            ("[splits.val]", "[splits.val]\nlist = \"../x\"", "toy.toml: `splits.val`: `../x`"),
        ] {
            let error = load(&PLAIN.replace(from, to)).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn two_splits_that_would_hold_the_same_files_are_refused() {
        let flat = PLAIN.replace("{split}/", "").replace("{split}annot", "annot");
        let error = load(&flat).unwrap_err();
        assert!(error.contains("train and val have no `list`"), "{error}");
    }
}
