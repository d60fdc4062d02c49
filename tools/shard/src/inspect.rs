//! Describes a packed dataset, as tables or as JSON.

use std::fmt::Write;

use serde::Serialize;
use shard_format::{Codec, Dataset, DatasetIndex, IGNORE_BIT};

use crate::summary::{bytes_shown, counted, printable, table};

/// A packed dataset, described.
#[derive(Debug, Serialize)]
pub struct Description {
    /// The content of `index.json`.
    pub index: DatasetIndex,
    /// Pixels of all samples.
    pub pixels: u64,
    /// The first samples, or all, in the order of the shards.
    pub samples: Vec<SampleRow>,
}

/// One sample, described.
#[derive(Debug, Serialize)]
pub struct SampleRow {
    /// Unique in the dataset.
    pub id: String,
    /// Path of the image below the source dataset's folder.
    pub source: String,
    /// Path of the label file below the source dataset's folder; empty in format version 1.
    pub label_source: String,
    /// BLAKE3 hash of the source image file; absent in format version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_blake3: Option<String>,
    /// BLAKE3 hash of the source label file; absent in format version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_blake3: Option<String>,
    /// Visual domain.
    pub domain: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Size of the sample in its shard, in bytes.
    pub stored_bytes: u64,
    /// How the image is stored.
    pub codec: Codec,
    /// Train ids that occur.
    pub train_ids: Vec<u8>,
    /// Whether some pixels count for nothing.
    pub has_ignored_pixels: bool,
}

/// Describes a dataset and its first `rows` samples.
pub fn describe(dataset: &Dataset, rows: usize) -> Description {
    let area = |index| {
        let info = dataset.sample(index);
        u64::from(info.width) * u64::from(info.height)
    };
    Description {
        index: dataset.index().clone(),
        pixels: (0..dataset.len()).map(area).sum(),
        samples: (0..dataset.len().min(rows)).map(|index| sample_row(dataset, index)).collect(),
    }
}

fn sample_row(dataset: &Dataset, index: usize) -> SampleRow {
    let info = dataset.sample(index);
    let present = dataset.class_presence(index).iter().fold(0, |all, tile| all | tile);
    SampleRow {
        id: info.id.clone(),
        source: info.source.clone(),
        label_source: info.label_source.clone(),
        image_blake3: hash_shown(&info.image_blake3),
        label_blake3: hash_shown(&info.label_blake3),
        domain: info.domain.clone(),
        width: info.width,
        height: info.height,
        stored_bytes: info.stored_bytes,
        codec: dataset.codec(index),
        train_ids: (0..31).filter(|train_id| present & (1 << train_id) != 0).collect(),
        has_ignored_pixels: present & IGNORE_BIT != 0,
    }
}

/// The hash in hexadecimal digits; zeros stand for none.
fn hash_shown(hash: &[u8; 32]) -> Option<String> {
    (*hash != [0; 32]).then(|| blake3::Hash::from_bytes(*hash).to_hex().to_string())
}

/// The description as tables for a terminal.
pub fn shown(description: &Description) -> String {
    let DatasetIndex { dataset, preset, samples, shards, format_version, .. } = &description.index;
    let total = shards.iter().map(|shard| shard.bytes).sum();
    let facts = [
        ("dataset", format!("{} (split {})", dataset.name, dataset.split)),
        ("domain", dataset.domain.clone()),
        ("mapping", dataset.mapping.clone()),
        ("license", dataset.license.clone()),
        ("classes", dataset.class_names.join(", ")),
        ("preset", format!("{preset}, format version {format_version}")),
        ("samples", samples.to_string()),
        ("pixels", pixels_shown(description.pixels)),
        ("size", format!("{} in {}", bytes_shown(total), counted(shards.len(), "shard"))),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{name:<8}  {}", printable(&value));
    }
    let shards = shards
        .iter()
        .map(|shard| [shard.file.clone(), shard.samples.to_string(), bytes_shown(shard.bytes)]);
    text.push('\n');
    text.push_str(&table(["shard", "samples", "size"], shards.collect()));
    if description.samples.is_empty() {
        return text;
    }
    let rows = description.samples.iter().map(|sample| {
        [
            sample.id.clone(),
            format!("{}x{}", sample.width, sample.height),
            sample.domain.clone(),
            bytes_shown(sample.stored_bytes),
            sample.codec.to_string(),
            ids_shown(sample),
        ]
    });
    text.push('\n');
    let header = ["sample", "pixels", "domain", "size", "codec", "train ids"];
    text.push_str(&table(header, rows.collect()));
    let more = samples - description.samples.len() as u64;
    if more > 0 {
        _ = writeln!(text, "and {more} more; --samples all lists all");
    }
    text
}

fn pixels_shown(pixels: u64) -> String {
    if pixels < 1_000_000 {
        return pixels.to_string();
    }
    format!("{:.1} million", pixels as f64 / 1e6)
}

fn ids_shown(sample: &SampleRow) -> String {
    let ids = sample.train_ids.iter().map(u8::to_string);
    let ignored = sample.has_ignored_pixels.then(|| "ignore".to_owned());
    ids.chain(ignored).collect::<Vec<_>>().join(" ")
}
