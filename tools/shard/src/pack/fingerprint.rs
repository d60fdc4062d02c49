//! What decides the bytes of a dataset: two runs with equal fingerprints write the same shards.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use blake3::Hasher;
use datasets::{DatasetError, Listing, Manifest, Pair};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shard_format::{FORMAT_VERSION, Preset};

use super::PackOptions;
use super::part::Part;

/// What decides the bytes of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Version of this program.
    pub(crate) packer: String,
    pub(crate) format_version: u32,
    pub(crate) dataset: String,
    pub(crate) split: String,
    pub(crate) mapping: String,
    /// BLAKE3 over the manifest, the reading and the split's list.
    pub(crate) manifest: String,
    pub(crate) domain: String,
    pub(crate) preset: Preset,
    pub(crate) max_shard_bytes: u64,
    pub(crate) part: Option<Part>,
    /// BLAKE3 over ids, paths and sizes of all pairs, and over what was left out of them.
    pub(crate) files: String,
    /// BLAKE3 over the files' times of modification.
    pub(crate) times: String,
}

/// Sizes of a pair's files in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PairBytes {
    pub(crate) image: u64,
    pub(crate) label: u64,
}

impl Fingerprint {
    /// The fingerprint of a run, and the sizes of all pairs' files.
    pub(crate) fn of(
        options: &PackOptions,
        manifest: &Manifest,
        listing: &Listing,
    ) -> Result<(Self, Vec<PairBytes>), DatasetError> {
        let facts: Vec<[FileFacts; 2]> = listing.pairs.par_iter().map(facts_of_pair).collect();
        let mut files = Hasher::new();
        let mut times = Hasher::new();
        for (pair, facts) in listing.pairs.iter().zip(&facts) {
            hash_texts(&mut files, &[&pair.id, &pair.image_relative, &pair.label_relative]);
            for file in facts {
                files.update(&file.bytes.to_le_bytes());
                times.update(&file.modified_ns.to_le_bytes());
            }
        }
        for skip in &listing.skipped {
            hash_texts(&mut files, &[&skip.path, skip.kind.name(), &skip.reason]);
        }
        for text in listing.excluded.iter().chain(&listing.notes) {
            hash_texts(&mut files, &[text]);
        }
        let fingerprint = Self {
            packer: env!("CARGO_PKG_VERSION").into(),
            format_version: FORMAT_VERSION,
            dataset: manifest.name.clone(),
            split: options.split.clone(),
            mapping: manifest.mapping_name().into(),
            manifest: manifest.fingerprint(&options.split)?,
            domain: options.domain.as_ref().unwrap_or(&manifest.name).clone(),
            preset: options.preset,
            max_shard_bytes: options.writer.max_shard_bytes,
            part: options.part,
            files: files.finalize().to_hex().to_string(),
            times: times.finalize().to_hex().to_string(),
        };
        let bytes =
            facts.iter().map(|[image, label]| PairBytes { image: image.bytes, label: label.bytes });
        Ok((fingerprint, bytes.collect()))
    }

    /// In words, what differs from `now`; empty if nothing does.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let part = |part: Option<Part>| part.map_or("none".to_owned(), |part| part.to_string());
        let shown = [
            ("version of shard", self.packer.clone(), now.packer.clone()),
            ("format version", self.format_version.to_string(), now.format_version.to_string()),
            ("dataset", self.dataset.clone(), now.dataset.clone()),
            ("split", self.split.clone(), now.split.clone()),
            ("label mapping", self.mapping.clone(), now.mapping.clone()),
            ("domain", self.domain.clone(), now.domain.clone()),
            ("preset", self.preset.to_string(), now.preset.to_string()),
            ("bytes in a shard", self.max_shard_bytes.to_string(), now.max_shard_bytes.to_string()),
            ("part", part(self.part), part(now.part)),
        ];
        for (name, there, now) in shown {
            if there != now {
                differences.push(format!("{name} ({there} there, {now} now)"));
            }
        }
        let hashes = [
            ("content of the manifest or its list", &self.manifest, &now.manifest),
            ("names or sizes of the dataset's files", &self.files, &now.files),
            ("times of the dataset's files", &self.times, &now.times),
        ];
        let changed = hashes.into_iter().filter(|(_, there, now)| there != now);
        differences.extend(changed.map(|(name, ..)| name.to_owned()));
        differences
    }

    /// Whether `now` is the same but for the files' times of modification.
    pub(crate) fn differs_in_times_alone(&self, now: &Self) -> bool {
        let with_times = Self { times: now.times.clone(), ..self.clone() };
        self != now && with_times == *now
    }

    /// The fingerprint of all parts together. Copies of a dataset on several machines may differ
    /// in their files' times.
    pub(crate) fn of_all_parts(&self) -> Self {
        Self { part: None, times: String::new(), ..self.clone() }
    }
}

/// Size and time of a file; zeros if it cannot be looked at, which reading it will tell.
#[derive(Debug, Clone, Copy, Default)]
struct FileFacts {
    bytes: u64,
    /// Since 1970, in nanoseconds.
    modified_ns: i128,
}

fn facts_of_pair(pair: &Pair) -> [FileFacts; 2] {
    [facts(&pair.image), facts(&pair.label)]
}

fn facts(path: &Path) -> FileFacts {
    let Ok(metadata) = fs::metadata(path) else { return FileFacts::default() };
    let since_1970 = metadata.modified().map(|time| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    });
    FileFacts { bytes: metadata.len(), modified_ns: since_1970.unwrap_or(0) }
}

/// Hashes texts so that no two lists of texts look alike.
fn hash_texts(hasher: &mut Hasher, texts: &[&str]) {
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
}
