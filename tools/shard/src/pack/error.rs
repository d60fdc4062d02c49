//! Why nothing was packed.

use std::path::PathBuf;

use datasets::{DatasetError, SkipKind};
use shard_format::WriteError;

use super::journal::JournalError;
use super::pipeline::ThreadError;
use super::space::SpaceError;
use crate::audit::Audit;
use crate::json_file::FileError;

/// Why nothing was packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest or the dataset's folder cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The shards cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The disk is too small.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// Another run is going on or was left unfinished in the folder.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The audit or the facts of a part cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The threads cannot be started.
    #[error(transparent)]
    Threads(#[from] ThreadError),
    /// The file system failed on the way.
    #[error(
        "{}; hint: finished shards ({shards}) are kept, free some space if the disk is full and \
         run the same command again to go on",
        without_hint(source)
    )]
    Stopped {
        /// What failed.
        source: Box<Self>,
        /// Shards that are finished.
        shards: usize,
    },
    /// A check failed: too many samples had to be left out. No shard was kept.
    #[error(
        "{}: {} samples left out of {found}, expected at most {allowed}; the first: {first}; \
         hint: {} lists all, {}",
        place.display(), audit.skipped.len(), audit_path.display(), what_helps(audit)
    )]
    TooManySkipped {
        /// The dataset's folder, or that of the merged dataset.
        place: PathBuf,
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
    /// A check failed: no sample is good, however many may be left out.
    #[error(
        "{}: none of {found} samples can be packed, expected at least one; the first: {first}; \
         hint: {} lists all reasons, check that the manifest is that of this dataset",
        place.display(), audit_path.display()
    )]
    NothingPacked {
        /// The dataset's folder, or that of the merged dataset.
        place: PathBuf,
        /// Samples found, all bad.
        found: u64,
        /// The first reason.
        first: String,
        /// What `audit.json` holds.
        audit: Box<Audit>,
        /// Where the audit lies.
        audit_path: PathBuf,
    },
}

impl PackError {
    /// With the number of shards kept, where running again helps.
    pub(super) fn after(self, shards: usize) -> Self {
        match self {
            Self::Write(WriteError::Io { .. })
            | Self::File(FileError::Io { .. })
            | Self::Journal(JournalError::File(FileError::Io { .. })) => {
                Self::Stopped { source: Box::new(self), shards }
            }
            other => other,
        }
    }
}

/// What to do about samples that were left out.
fn what_helps(audit: &Audit) -> &'static str {
    let absent = [SkipKind::MissingImage.name(), SkipKind::MissingLabel.name()];
    if audit.skipped.iter().all(|skip| absent.contains(&skip.kind.as_str())) {
        "the copy of the dataset is incomplete: add what is missing, pack another split, or allow \
         more with --max-skipped"
    } else {
        "--max-skipped allows more"
    }
}

/// An error that gets another hint.
fn without_hint(error: &PackError) -> String {
    let text = error.to_string();
    text.split("; hint: ").next().unwrap_or_default().into()
}
