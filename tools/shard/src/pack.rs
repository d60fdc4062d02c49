//! Packs one split of a dataset: decodes and encodes on all cores, writes in the listing's order.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use datasets::{DatasetError, Listing, Manifest, Pair, SkipKind, Tally};
use rayon::prelude::*;
use shard_format::{
    DatasetIndex, DatasetInfo, DatasetWriter, EncodedSample, INDEX_FILE, LabelMap, Preset,
    RgbImage, SampleMeta, WriteError, WriterOptions, encode_sample,
};

use crate::audit::{Audit, ClassCount, SkippedSample};

/// Samples under way per thread: enough to keep threads busy, few enough to bound memory.
const SAMPLES_PER_THREAD: usize = 4;

/// A run that will fail for its skips goes on until it has this many to show.
const SKIPS_TO_SHOW: u64 = 100;

/// What to pack, and how.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// The dataset's manifest.
    pub manifest: PathBuf,
    /// The dataset's folder.
    pub root: PathBuf,
    /// The split.
    pub split: String,
    /// Folder for the shards; created if need be.
    pub out: PathBuf,
    /// Name of the visual domain; `None` takes the manifest's name.
    pub domain: Option<String>,
    /// How hard to compress.
    pub preset: Preset,
    /// Share of samples that may be left out, 0 to 1.
    pub max_skipped: f64,
    /// Threads; `None` takes one per core.
    pub threads: Option<usize>,
    /// Largest size of a shard.
    pub writer: WriterOptions,
}

impl PackOptions {
    /// The default preset, threads, shard size and share of skips.
    pub fn new(
        manifest: impl Into<PathBuf>,
        root: impl Into<PathBuf>,
        split: impl Into<String>,
        out: impl Into<PathBuf>,
    ) -> Self {
        Self {
            manifest: manifest.into(),
            root: root.into(),
            split: split.into(),
            out: out.into(),
            domain: None,
            preset: Preset::Default,
            max_skipped: 0.01,
            threads: None,
            writer: WriterOptions::default(),
        }
    }
}

/// What came of packing.
#[derive(Debug, Clone, PartialEq)]
pub struct PackReport {
    /// The dataset's index as written.
    pub index: DatasetIndex,
    /// What `audit.json` holds.
    pub audit: Audit,
    /// Where the audit lies.
    pub audit_path: PathBuf,
}

/// Why nothing was packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest or the dataset's folder cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The shards cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The audit cannot be written.
    #[error("{}: the audit cannot be written: {source}", dir.display())]
    Audit {
        /// The folder of the shards.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// A check failed: too many samples had to be left out. No shard was kept.
    #[error(
        "{}: {} samples left out of {found}, expected at most {allowed}; the first: {first}; \
         hint: {} lists all, --max-skipped allows more",
        root.display(), audit.skipped.len(), audit_path.display()
    )]
    TooManySkipped {
        /// The dataset's folder.
        root: PathBuf,
        /// Samples found, good and bad.
        found: u64,
        /// How many might have been left out.
        allowed: u64,
        /// The first reason.
        first: String,
        /// What `audit.json` holds.
        audit: Box<Audit>,
        /// Where the audit lies.
        audit_path: PathBuf,
    },
}

/// A split that was listed and is ready to be packed.
#[derive(Debug)]
pub struct Prepared {
    /// The dataset's manifest.
    pub manifest: Manifest,
    /// The files of the split.
    pub listing: Listing,
    options: PackOptions,
}

/// Packs one split; `progress` is told how many samples of how many are done, from any thread.
///
/// The shards depend on the files and options alone, not on the number of threads.
///
/// # Errors
/// See [`PackError`]. No index is left behind, and so nothing that reads as a dataset.
pub fn pack(
    options: &PackOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<PackReport, PackError> {
    prepare(options)?.pack(progress)
}

/// Reads the manifest and lists the split.
///
/// # Errors
/// The output folder holds a dataset already, or manifest or dataset folder cannot be used.
pub fn prepare(options: &PackOptions) -> Result<Prepared, PackError> {
    let index = options.out.join(INDEX_FILE);
    if index.exists() {
        return Err(WriteError::Exists { path: index }.into());
    }
    let manifest = Manifest::load(&options.manifest)?;
    let listing = manifest.list(&options.root, &options.split)?;
    Ok(Prepared { manifest, listing, options: options.clone() })
}

impl Prepared {
    /// Packs what was listed; see [`pack`].
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn pack(self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<PackReport, PackError> {
        let threads = self.options.threads.unwrap_or(0); // 0: one per core
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|source| PackError::Threads { threads, source })?;
        pool.install(|| self.pack_on_this_pool(progress))
    }

    fn pack_on_this_pool(
        &self,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<PackReport, PackError> {
        let (options, pairs) = (&self.options, &self.listing.pairs);
        let mut writer = DatasetWriter::create(&options.out, self.dataset_info(), options.writer)?;
        let mut audit = self.blank_audit();
        let found = pairs.len() as u64 + audit.skipped.len() as u64;
        let allowed = (options.max_skipped * found as f64).floor() as u64;
        let enough_to_fail = allowed.max(SKIPS_TO_SHOW);
        let mut tally = Tally::new(self.manifest.classes.len());
        let done = AtomicU64::new(0);
        let encode_all = |chunk: &[Pair]| -> Vec<Result<Encoded, Failure>> {
            let encode = |pair: &Pair| {
                let encoded = self.encode(pair);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress(done, pairs.len() as u64);
                encoded
            };
            chunk.par_iter().map(encode).collect()
        };
        let mut chunks = pairs.chunks(rayon::current_num_threads() * SAMPLES_PER_THREAD);
        let mut encoded = chunks.next().map(encode_all).unwrap_or_default();
        while !encoded.is_empty() && audit.skipped.len() as u64 <= enough_to_fail {
            // The next samples are encoded while these are written.
            let (next, pushed) = rayon::join(
                || chunks.next().map(encode_all).unwrap_or_default(),
                || push_all(encoded, &mut writer, &mut audit, &mut tally),
            );
            pushed?;
            encoded = next;
        }
        audit.complete = encoded.is_empty();
        self.count_classes(&mut audit, &tally);
        for skip in &audit.skipped {
            *audit.skipped_by_kind.entry(skip.kind.clone()).or_default() += 1;
        }
        let failed = audit.skipped.len() as u64 > allowed || audit.packed == 0;
        let audit_path = audit
            .write(&options.out)
            .map_err(|source| PackError::Audit { dir: options.out.clone(), source })?;
        if failed {
            let first = audit.skipped.first();
            let first = first.map(|skip| format!("{} ({})", skip.path, skip.reason));
            return Err(PackError::TooManySkipped {
                root: options.root.clone(),
                found,
                allowed,
                first: first.unwrap_or_else(|| "every sample is known to be bad".into()),
                audit: Box::new(audit),
                audit_path,
            });
        }
        let index = writer.finish()?;
        Ok(PackReport { index, audit, audit_path })
    }

    fn domain(&self) -> &str {
        self.options.domain.as_ref().unwrap_or(&self.manifest.name)
    }

    fn dataset_info(&self) -> DatasetInfo {
        DatasetInfo {
            name: self.manifest.name.clone(),
            split: self.options.split.clone(),
            domain: self.domain().into(),
            class_names: self.manifest.classes.clone(),
            ignore_id: datasets::IGNORE_ID,
            mapping: self.manifest.mapping_name().into(),
            license: self.manifest.license.clone(),
        }
    }

    /// Decodes, counts and encodes one pair.
    fn encode(&self, pair: &Pair) -> Result<Encoded, Failure> {
        let decoded = self.manifest.read_pair(pair).map_err(|error| {
            // The audit moves with the shards, so it names files below the dataset's folder.
            let root = self.options.root.join("").display().to_string();
            Failure::Skip(SkippedSample {
                path: pair.image_relative.clone(),
                kind: SkipKind::BadSample(error.kind()).name().into(),
                reason: error.to_string().replace(&root, ""),
            })
        })?;
        let mut tally = Tally::new(self.manifest.classes.len());
        tally.add(&decoded.train_ids);
        let (width, height) = (decoded.width, decoded.height);
        let meta = SampleMeta {
            id: pair.id.clone(),
            source: pair.image_relative.clone(),
            domain: self.domain().into(),
        };
        let image = RgbImage { width, height, pixels: decoded.rgb };
        let labels = LabelMap { width, height, train_ids: decoded.train_ids };
        let sample =
            encode_sample(&meta, &image, &labels, self.options.preset).map_err(Failure::Write)?;
        Ok(Encoded { sample, tally, unknown_objects: decoded.unknown_objects })
    }

    fn blank_audit(&self) -> Audit {
        let listing = &self.listing;
        let skipped = listing.skipped.iter().map(|skip| SkippedSample {
            path: skip.path.clone(),
            kind: skip.kind.name().into(),
            reason: skip.reason.clone(),
        });
        Audit {
            dataset: self.manifest.name.clone(),
            split: self.options.split.clone(),
            domain: self.domain().into(),
            mapping: self.manifest.mapping_name().into(),
            license: self.manifest.license.clone(),
            complete: false,
            pairs_found: listing.pairs.len() as u64,
            pairs_expected: listing.expected.clone(),
            packed: 0,
            skipped_by_kind: BTreeMap::new(),
            skipped: skipped.collect(),
            excluded: listing.excluded.clone(),
            unknown_objects: BTreeMap::new(),
            notes: listing.notes.clone(),
            classes: Vec::new(),
            ignored_pixels: 0,
        }
    }

    fn count_classes(&self, audit: &mut Audit, tally: &Tally) {
        let named = (0_u8..).zip(&self.manifest.classes).zip(&tally.classes);
        audit.classes = named
            .map(|((train_id, name), class)| ClassCount {
                train_id,
                name: name.clone(),
                pixels: class.pixels,
                images: class.images,
            })
            .collect();
        audit.ignored_pixels = tally.ignored.pixels;
    }
}

/// A sample ready to be written.
struct Encoded {
    sample: EncodedSample,
    tally: Tally,
    unknown_objects: Vec<String>,
}

/// Why a sample was not encoded.
enum Failure {
    /// The sample is bad: it is left out.
    Skip(SkippedSample),
    /// The run cannot go on.
    Write(WriteError),
}

fn push_all(
    encoded: Vec<Result<Encoded, Failure>>,
    writer: &mut DatasetWriter,
    audit: &mut Audit,
    tally: &mut Tally,
) -> Result<(), WriteError> {
    for sample in encoded {
        match sample {
            Ok(encoded) => {
                writer.push(encoded.sample)?;
                audit.packed += 1;
                tally.merge(&encoded.tally);
                for name in encoded.unknown_objects {
                    *audit.unknown_objects.entry(name).or_default() += 1;
                }
            }
            Err(Failure::Skip(skip)) => audit.skipped.push(skip),
            Err(Failure::Write(error)) => return Err(error),
        }
    }
    Ok(())
}
