//! Loads and checks a manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::id_table::{IdTable, by_colour, by_name, by_value};
use crate::pattern::{Pattern, SPLIT};
use crate::{CITYSCAPES_CLASSES, DatasetError, IdEntry};

/// Most classes a manifest may have: shards note the presence of each class in one bit of 31.
const MAX_CLASSES: usize = 31;

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
    pub(crate) path: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) table: IdTable,
    pub(crate) splits: BTreeMap<String, Split>,
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
    /// PNG, 8-bit RGB, looked up by exact colour.
    RgbColour,
    /// Polygons in JSON, painted in order.
    Polygons,
}

/// Where files lie.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) images: Vec<Pattern>,
    pub(crate) labels: Vec<Pattern>,
    pub(crate) id: Option<Pattern>,
    pub(crate) hint: Option<String>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    name: String,
    mapping: String,
    license: String,
    classes: Option<Vec<String>>,
    layout: LayoutTable,
    labels: LabelsTable,
    splits: BTreeMap<String, SplitTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutTable {
    images: Vec<String>,
    labels: Vec<String>,
    id: Option<String>,
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelsTable {
    encoding: Encoding,
    range: Option<[u16; 2]>,
    ids: Vec<IdEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitTable {
    folders: Option<Vec<String>>,
    list: Option<String>,
    #[serde(default)]
    expected: Vec<u64>,
    #[serde(default)]
    known_bad: Vec<String>,
}

impl Manifest {
    /// Reads a manifest file and checks everything in it that needs no dataset.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has unknown or missing keys, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, DatasetError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DatasetError::Io { path: path.into(), source })?;
        let file: ManifestFile = toml::from_str(&text).map_err(|error| {
            DatasetError::ManifestSyntax { path: path.into(), reason: error.to_string() }
        })?;
        checked(file, path).map_err(|(key, reason)| DatasetError::ManifestValue {
            path: path.into(),
            key,
            reason,
        })
    }

    /// Name and version of the label mapping.
    pub fn mapping_name(&self) -> &str {
        &self.mapping
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
            path: self.path.clone(),
            split: name.into(),
            known: self.splits.keys().cloned().collect(),
        })
    }
}

/// The dotted key and what is wrong with its value.
type Mistake = (String, String);

fn checked(file: ManifestFile, path: &Path) -> Result<Manifest, Mistake> {
    for (key, value) in
        [("name", &file.name), ("mapping", &file.mapping), ("license", &file.license)]
    {
        if value.trim().is_empty() || value.chars().any(char::is_control) {
            return Err((key.into(), format!("{value:?}, expected one line of text")));
        }
    }
    // Shards are named after the dataset.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if file.name.len() > 100 || file.name.starts_with('.') || !file.name.chars().all(plain) {
        let reason = format!("{:?}, expected ASCII letters, digits, `-`, `_` and `.`", file.name);
        return Err(("name".into(), reason));
    }
    let classes = checked_classes(file.classes)?;
    let layout = checked_layout(file.layout)?;
    let splits = checked_splits(file.splits, &layout)?;
    let LabelsTable { encoding, range, ids } = file.labels;
    if ids.is_empty() {
        return Err(("labels.ids".into(), "empty, expected every id that may occur".into()));
    }
    if range.is_some() && matches!(encoding, Encoding::RgbColour | Encoding::Polygons) {
        return Err(("labels.range".into(), "given, but this encoding has no numbers".into()));
    }
    let table = match encoding {
        Encoding::Index | Encoding::GreyId | Encoding::PaletteIndex => {
            by_value(&ids, range, u16::from(u8::MAX), &classes)
        }
        Encoding::Rgb16Red => by_value(&ids, range, u16::MAX, &classes),
        Encoding::RgbColour => by_colour(&ids, &classes),
        Encoding::Polygons => by_name(&ids, &classes),
    };
    let table = table.map_err(|(key, reason)| (format!("labels.{key}"), reason))?;
    Ok(Manifest {
        name: file.name,
        mapping: file.mapping,
        license: file.license,
        classes,
        encoding,
        ids,
        path: path.into(),
        layout,
        table,
        splits,
    })
}

fn checked_classes(classes: Option<Vec<String>>) -> Result<Vec<String>, Mistake> {
    let Some(classes) = classes else {
        return Ok(CITYSCAPES_CLASSES.map(String::from).to_vec());
    };
    if classes.is_empty() || classes.len() > MAX_CLASSES {
        let found = classes.len();
        return Err(("classes".into(), format!("{found} names, expected 1 to {MAX_CLASSES}")));
    }
    for (position, class) in classes.iter().enumerate() {
        if classes[..position].contains(class) {
            return Err(("classes".into(), format!("`{class}` is listed twice")));
        }
    }
    Ok(classes)
}

fn checked_layout(table: LayoutTable) -> Result<Layout, Mistake> {
    let parse_all = |key: &str, texts: &[String]| -> Result<Vec<Pattern>, Mistake> {
        if texts.is_empty() {
            return Err((key.into(), "empty, expected at least one pattern".into()));
        }
        let parse = |text: &String| Pattern::parse(text).map_err(|reason| (key.into(), reason));
        texts.iter().map(parse).collect()
    };
    let images = parse_all("layout.images", &table.images)?;
    let labels = parse_all("layout.labels", &table.labels)?;
    let gives = |image: &Pattern, other: &Pattern| {
        let known = image.placeholders();
        other.placeholders().iter().all(|name| known.contains(name))
    };
    for (image, text) in images.iter().zip(&table.images) {
        if !labels.iter().any(|label| gives(image, label)) {
            let reason = format!("no label pattern can be filled from image pattern `{text}`");
            return Err(("layout.labels".into(), reason));
        }
    }
    for (label, text) in labels.iter().zip(&table.labels) {
        if !images.iter().any(|image| gives(image, label)) {
            let reason = format!("`{text}` has placeholders that no image pattern has");
            return Err(("layout.labels".into(), reason));
        }
    }
    let id = match &table.id {
        None => None,
        Some(text) => {
            let id = Pattern::parse(text).map_err(|reason| ("layout.id".to_owned(), reason))?;
            if id.uses_split() || !images.iter().all(|image| gives(image, &id)) {
                let reason = format!("`{text}`, expected placeholders of every image pattern");
                return Err(("layout.id".into(), format!("{reason}, and no {{{SPLIT}}}")));
            }
            Some(id)
        }
    };
    Ok(Layout { images, labels, id, hint: table.hint })
}

fn checked_splits(
    tables: BTreeMap<String, SplitTable>,
    layout: &Layout,
) -> Result<BTreeMap<String, Split>, Mistake> {
    if tables.is_empty() {
        return Err(("splits".into(), "empty, expected at least one".into()));
    }
    let mut splits = BTreeMap::new();
    for (name, table) in tables {
        let folders = table.folders.unwrap_or_else(|| vec![name.clone()]);
        for text in folders.iter().chain(&table.list) {
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            if !text.split('/').all(plain) {
                let reason = format!("`{text}`, expected a plain relative path");
                return Err((format!("splits.{name}"), reason));
            }
        }
        let SplitTable { list, expected, known_bad, .. } = table;
        splits.insert(name, Split { folders, list, expected, known_bad });
    }
    let unlisted: Vec<&str> =
        splits.iter().filter(|(_, split)| split.list.is_none()).map(|(name, _)| &**name).collect();
    if unlisted.len() > 1 && layout.images.iter().any(|pattern| !pattern.uses_split()) {
        let reason = format!(
            "{} have no `list`, so image patterns without {{{SPLIT}}} would give all of them the \
             same files",
            unlisted.join(" and ")
        );
        return Err(("splits".into(), reason));
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;

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
