//! Describes a packed dataset, as tables or as JSON.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use shard_format::{Dataset, DatasetIndex, IGNORE_BIT, ReadError};

use crate::summary::{bytes_shown, table};

/// Samples listed in the table; JSON lists all.
const ROWS: usize = 20;

/// A packed dataset, described.
#[derive(Debug, Serialize)]
pub struct Description {
    /// The content of `index.json`.
    pub index: DatasetIndex,
    /// Every sample, in the order of the shards.
    pub samples: Vec<SampleRow>,
}

/// One sample, described.
#[derive(Debug, Serialize)]
pub struct SampleRow {
    /// Unique in the dataset.
    pub id: String,
    /// Path of the image below the source dataset's folder.
    pub source: String,
    /// Visual domain.
    pub domain: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Size of the sample in its shard, in bytes.
    pub stored_bytes: u64,
    /// Train ids that occur.
    pub train_ids: Vec<u8>,
    /// Whether some pixels count for nothing.
    pub has_ignored_pixels: bool,
}

/// Describes the dataset in `dir`.
///
/// # Errors
/// It cannot be opened.
pub fn describe(dir: &Path) -> Result<Description, ReadError> {
    let dataset = Dataset::open(dir)?;
    let samples = (0..dataset.len()).map(|index| {
        let info = dataset.sample(index);
        let present = dataset.class_presence(index).iter().fold(0, |all, tile| all | tile);
        SampleRow {
            id: info.id.clone(),
            source: info.source.clone(),
            domain: info.domain.clone(),
            width: info.width,
            height: info.height,
            stored_bytes: info.stored_bytes,
            train_ids: (0..31).filter(|train_id| present & (1 << train_id) != 0).collect(),
            has_ignored_pixels: present & IGNORE_BIT != 0,
        }
    });
    Ok(Description { samples: samples.collect(), index: dataset.index().clone() })
}

/// The description as tables for a terminal.
pub fn shown(description: &Description) -> String {
    let DatasetIndex { dataset, preset, samples, shards, format_version, .. } = &description.index;
    let total = shards.iter().map(|shard| shard.bytes).sum();
    let pixels: u64 = description
        .samples
        .iter()
        .map(|sample| u64::from(sample.width) * u64::from(sample.height))
        .sum();
    let facts = [
        ("dataset", format!("{} (split {})", dataset.name, dataset.split)),
        ("domain", dataset.domain.clone()),
        ("mapping", dataset.mapping.clone()),
        ("license", dataset.license.clone()),
        ("classes", dataset.class_names.join(", ")),
        ("preset", format!("{preset}, format version {format_version}")),
        ("samples", samples.to_string()),
        ("pixels", format!("{:.1} million", pixels as f64 / 1e6)),
        ("size", format!("{} in {} shards", bytes_shown(total), shards.len())),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{name:<8}  {value}");
    }
    let shards = shards
        .iter()
        .map(|shard| [shard.file.clone(), shard.samples.to_string(), bytes_shown(shard.bytes)]);
    text.push('\n');
    text.push_str(&table(["shard", "samples", "size"], shards.collect()));
    let rows = description.samples.iter().take(ROWS).map(|sample| {
        [
            sample.id.clone(),
            format!("{}x{}", sample.width, sample.height),
            bytes_shown(sample.stored_bytes),
            ids_shown(sample),
        ]
    });
    text.push('\n');
    text.push_str(&table(["sample", "pixels", "size", "train ids"], rows.collect()));
    let more = description.samples.len().saturating_sub(ROWS);
    if more > 0 {
        _ = writeln!(text, "and {more} more; --json lists all");
    }
    text
}

fn ids_shown(sample: &SampleRow) -> String {
    let ids = sample.train_ids.iter().map(u8::to_string);
    let ignored = sample.has_ignored_pixels.then(|| "ignore".to_owned());
    ids.chain(ignored).collect::<Vec<_>>().join(" ")
}
