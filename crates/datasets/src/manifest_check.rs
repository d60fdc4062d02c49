//! Checks a manifest's text, as far as that needs no dataset.

use std::collections::BTreeMap;

use crate::id_table::{IdTable, by_colour, by_name, by_value};
use crate::manifest::{Layout, ManifestSource, Reading};
use crate::manifest_file::{LayoutTable, ManifestFile, ReadingTable, SplitTable, Unlisted};
use crate::pattern::{Pattern, SPLIT};
use crate::{CITYSCAPES_CLASSES, DatasetError, Encoding, IdEntry, Manifest, Split};

/// Most classes a manifest may have: shards note the presence of each class in one bit of 31.
const MAX_CLASSES: usize = 31;

/// The dotted key and what is wrong with its value.
type Mistake = (String, String);

/// The manifest that the text describes.
pub(crate) fn checked(source: ManifestSource) -> Result<Manifest, DatasetError> {
    let path = source.path.clone();
    let file: ManifestFile = toml::from_str(&source.text).map_err(|error| {
        DatasetError::ManifestSyntax { path: path.clone(), reason: error.to_string() }
    })?;
    checked_file(file, source).map_err(|(key, reason)| DatasetError::ManifestValue {
        path,
        key,
        reason,
    })
}

fn checked_file(file: ManifestFile, source: ManifestSource) -> Result<Manifest, Mistake> {
    let lines = [
        ("name", &file.name),
        ("mapping", &file.mapping),
        ("license", &file.license),
        ("reading", &file.reading),
    ];
    for (key, value) in lines {
        check_line(key, value)?;
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
    let labels = file.labels;
    let others = Others { range: labels.range, unlisted: labels.unlisted };
    let table = label_table(labels.encoding, others, &labels.ids, &classes)
        .map_err(|(key, reason)| (format!("labels.{key}"), reason))?;
    for path in &labels.config {
        check_path("labels.config", path)?;
    }
    let mut manifest = Manifest {
        name: file.name,
        mapping: file.mapping,
        license: file.license,
        classes,
        encoding: labels.encoding,
        ids: labels.ids,
        source,
        layout,
        config: labels.config,
        table,
        own_reading: file.reading,
        readings: BTreeMap::new(),
        reading: None,
        splits,
    };
    let own = Reading {
        mapping: manifest.mapping.clone(),
        files: manifest.layout.labels.clone(),
        encoding: manifest.encoding,
        ids: manifest.ids.clone(),
        table: manifest.table.clone(),
    };
    manifest.readings.insert(manifest.own_reading.clone(), own);
    for (name, table) in file.readings {
        if name == manifest.own_reading {
            let reason = "the manifest's own reading has that name, expected another";
            return Err((format!("readings.{name}"), reason.into()));
        }
        let reading = checked_reading(table, others, &manifest)
            .map_err(|(key, reason)| (format!("readings.{name}.{key}"), reason))?;
        manifest.readings.insert(name, reading);
    }
    Ok(manifest)
}

fn check_line(key: &str, value: &str) -> Result<(), Mistake> {
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        return Err((key.into(), format!("{value:?}, expected one line of text")));
    }
    Ok(())
}

fn check_path(key: &str, text: &str) -> Result<(), Mistake> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if text.split('/').all(plain) && !text.contains('\\') {
        return Ok(());
    }
    Err((key.into(), format!("`{text}`, expected a plain relative path")))
}

/// What is said about ids that are not listed.
#[derive(Clone, Copy)]
struct Others {
    range: Option<[u16; 2]>,
    unlisted: Option<Unlisted>,
}

fn label_table(
    encoding: Encoding,
    Others { range, unlisted }: Others,
    ids: &[IdEntry],
    classes: &[String],
) -> Result<IdTable, Mistake> {
    if ids.is_empty() {
        return Err(("ids".into(), "empty, expected every id that may occur".into()));
    }
    let has_colours = matches!(encoding, Encoding::RgbColour | Encoding::ShownColour);
    if range.is_some() && (has_colours || encoding == Encoding::Polygons) {
        return Err(("range".into(), "given, but this encoding has no numbers".into()));
    }
    if unlisted.is_some() && !has_colours {
        return Err(("unlisted".into(), "given, but this encoding has no colours".into()));
    }
    let table = match encoding {
        Encoding::Index | Encoding::GreyId | Encoding::PaletteIndex | Encoding::GreyOrRed => {
            by_value(ids, range, u16::from(u8::MAX), classes)
        }
        Encoding::Rgb16Red => by_value(ids, range, u16::MAX, classes),
        Encoding::RgbColour | Encoding::ShownColour => by_colour(ids, unlisted.is_some(), classes),
        Encoding::Polygons => by_name(ids, classes),
    };
    table.map_err(|(key, reason)| (key.into(), reason))
}

/// A reading; what it leaves out is taken from the manifest's own labels.
fn checked_reading(
    table: ReadingTable,
    own: Others,
    manifest: &Manifest,
) -> Result<Reading, Mistake> {
    check_line("mapping", &table.mapping)?;
    if table.mapping == manifest.mapping {
        let reason = format!("`{}`, expected a name of its own", table.mapping);
        return Err(("mapping".into(), reason));
    }
    let others = if table.ids.is_some() {
        Others { range: table.range, unlisted: table.unlisted }
    } else {
        Others { range: table.range.or(own.range), unlisted: table.unlisted.or(own.unlisted) }
    };
    let encoding = table.encoding.unwrap_or(manifest.encoding);
    let mut ids = table.ids.unwrap_or_else(|| manifest.ids.clone());
    for (name, class) in table.train {
        let named: Vec<&mut IdEntry> = ids.iter_mut().filter(|entry| entry.name == name).collect();
        if named.is_empty() {
            return Err(("train".into(), format!("`{name}`, expected the name of an id")));
        }
        for entry in named {
            entry.train.clone_from(&class);
        }
    }
    let looked_up = label_table(encoding, others, &ids, &manifest.classes)?;
    let files = match table.files {
        None => manifest.layout.labels.clone(),
        Some(texts) => checked_labels("files", &texts, &manifest.layout.images)?,
    };
    Ok(Reading { mapping: table.mapping, files, encoding, ids, table: looked_up })
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

fn parse_all(key: &str, texts: &[String]) -> Result<Vec<Pattern>, Mistake> {
    if texts.is_empty() {
        return Err((key.into(), "empty, expected at least one pattern".into()));
    }
    let parse = |text: &String| Pattern::parse(text).map_err(|reason| (key.into(), reason));
    texts.iter().map(parse).collect()
}

/// Whether the placeholders of `image` fill those of `other`.
fn gives(image: &Pattern, other: &Pattern) -> bool {
    let known = image.placeholders();
    other.placeholders().iter().all(|name| known.contains(name))
}

fn checked_layout(table: LayoutTable) -> Result<Layout, Mistake> {
    let images = parse_all("layout.images", &table.images)?;
    let labels = checked_labels("layout.labels", &table.labels, &images)?;
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
    for refusal in &table.refuse {
        check_path("layout.refuse", &refusal.path)?;
    }
    Ok(Layout { images, labels, id, refuse: table.refuse, hint: table.hint })
}

fn checked_labels(
    key: &str,
    texts: &[String],
    images: &[Pattern],
) -> Result<Vec<Pattern>, Mistake> {
    let labels = parse_all(key, texts)?;
    for image in images {
        if !labels.iter().any(|label| gives(image, label)) {
            let reason = format!("no label pattern can be filled from image pattern `{image}`");
            return Err((key.into(), reason));
        }
    }
    for label in &labels {
        if !images.iter().any(|image| gives(image, label)) {
            let reason = format!("`{label}` has placeholders that no image pattern has");
            return Err((key.into(), reason));
        }
    }
    Ok(labels)
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
            check_path(&format!("splits.{name}"), text)?;
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
