//! Packs one split of a dataset: decodes and encodes on all cores, writes in the listing's order.

mod error;
pub(crate) mod findings;
pub(crate) mod fingerprint;
pub(crate) mod journal;
pub(crate) mod part;
pub(crate) mod pipeline;
pub(crate) mod run;
mod sample;
pub(crate) mod space;

use std::path::{Path, PathBuf};

use datasets::{Listing, Manifest};
use shard_format::{DatasetIndex, INDEX_FILE, Preset, WriteError, WriterOptions};

pub use self::error::PackError;
use self::journal::Journal;
pub use self::journal::JournalError;
pub use self::part::{PART_FILE, Part};
pub use self::pipeline::ThreadError;
pub use self::space::{Space, SpaceError};
use crate::audit::Audit;
pub use crate::json_file::FileError;

/// What to pack, and how.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// The dataset's manifest: a file, or the name of a built-in one.
    pub manifest: PathBuf,
    /// The reading of its labels; `None` takes the usual one.
    pub reading: Option<String>,
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
    /// The part of the split; `None` takes all of it.
    pub part: Option<Part>,
    /// Share of samples that may be left out, 0 to 1; of all samples, also where a part is packed.
    pub max_skipped: f64,
    /// Threads; `None` takes one per core.
    pub threads: Option<usize>,
    /// Memory for pairs under way in bytes; `None` takes 2 GiB, or a quarter of the machine's
    /// memory where that is less. A pair that needs more is packed alone.
    pub memory_bytes: Option<u64>,
    /// Largest size of a shard. Finished shards are kept when a run fails, whatever is said here.
    pub writer: WriterOptions,
    /// How much room there is for the shards.
    pub space: Space,
}

impl PackOptions {
    /// The default preset, threads, memory, shard size and share of skips.
    pub fn new(
        manifest: impl Into<PathBuf>,
        root: impl Into<PathBuf>,
        split: impl Into<String>,
        out: impl Into<PathBuf>,
    ) -> Self {
        Self {
            manifest: manifest.into(),
            reading: None,
            root: root.into(),
            split: split.into(),
            out: out.into(),
            domain: None,
            preset: Preset::Default,
            part: None,
            max_skipped: 0.01,
            threads: None,
            memory_bytes: None,
            writer: WriterOptions::default(),
            space: Space::FileSystem,
        }
    }
}

/// What came of packing.
#[derive(Debug, Clone, PartialEq)]
pub struct PackReport {
    /// The dataset's index as written; none for a part that has no sample.
    pub index: Option<DatasetIndex>,
    /// What `audit.json` holds.
    pub audit: Audit,
    /// Where the audit lies.
    pub audit_path: PathBuf,
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

/// Packs one split; `progress` is told how many pairs of how many are done, from any thread.
///
/// The shards depend on the files and options alone, not on the number of threads, on memory, or
/// on how often the run was cut off and begun again.
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
    refuse_finished(&options.out)?;
    let mut manifest = Manifest::resolve(&options.manifest)?;
    if let Some(reading) = &options.reading {
        manifest = manifest.with_reading(reading)?;
    }
    let listing = manifest.list(&options.root, &options.split)?;
    Ok(Prepared { manifest, listing, options: options.clone() })
}

/// Refuses a folder with a finished dataset or part. With a journal it is not known yet whether
/// the last run was cut off at the very end.
pub(crate) fn refuse_finished(out: &Path) -> Result<(), PackError> {
    let finished = [INDEX_FILE, PART_FILE].map(|file| out.join(file));
    match finished.into_iter().find(|path| path.exists()) {
        Some(path) if !Journal::exists(out) => Err(WriteError::Exists { path }.into()),
        _ => Ok(()),
    }
}

impl Prepared {
    /// Number of pairs that will be read: those of the part, if there is one.
    pub fn pairs(&self) -> u64 {
        self.range().len() as u64
    }

    /// Packs what was listed; see [`pack`].
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn pack(self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<PackReport, PackError> {
        run::pack(&self, progress)
    }

    fn domain(&self) -> &str {
        self.options.domain.as_ref().unwrap_or(&self.manifest.name)
    }

    fn range(&self) -> std::ops::Range<usize> {
        let pairs = self.listing.pairs.len();
        self.options.part.map_or(0..pairs, |part| part.range(pairs))
    }
}
