//! An opened domain: the samples of several shard folders in one keyed order.

use std::path::{Path, PathBuf};

use shard_format::Dataset;
use shard_store::{StoreOptions, is_url};

use crate::error::LoaderError;
use crate::options::DomainSource;
use crate::permutation::permuted;
use crate::random::epoch_state;

/// The samples of one domain.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) name: String,
    folders: Vec<Folder>,
    /// Samples in all folders, at least 1: a dataset without samples cannot be opened.
    len: usize,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    dataset: Dataset,
    /// The domain's number of the folder's first sample.
    first: usize,
}

/// The place of one sample in the endless stream of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) index: u64,
    /// The sample's number within the domain.
    pub(crate) sample: usize,
}

/// A sample in its own folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<'a> {
    pub(crate) path: &'a Path,
    pub(crate) dataset: &'a Dataset,
    /// The sample's place in the folder.
    pub(crate) sample: usize,
}

impl Domain {
    fn open(source: &DomainSource, store: &StoreOptions) -> Result<Self, LoaderError> {
        let mut folders = Vec::with_capacity(source.shards.len());
        let mut len = 0;
        for path in &source.shards {
            let domain = || source.name.clone();
            if !is_url(path) && !path.is_dir() {
                return Err(LoaderError::FolderMissing { path: path.clone(), domain: domain() });
            }
            let dataset = shard_store::open(path, store).map_err(|error| LoaderError::Open {
                path: path.clone(),
                domain: domain(),
                source: Box::new(error),
            })?;
            let first = len;
            len += dataset.len();
            folders.push(Folder { path: path.clone(), dataset, first });
        }
        Ok(Self { name: source.name.clone(), folders, len })
    }

    /// Where sample `slot` of batch `batch` comes from, with `per_batch` samples a batch.
    ///
    /// The domain's stream is one keyed permutation of its samples per epoch, one after the other.
    pub(crate) fn position(
        &self,
        seed: u64,
        batch: u64,
        per_batch: usize,
        slot: usize,
    ) -> Position {
        // 128 bits: batch and per_batch are the caller's and may both be large.
        let number = u128::from(batch) * per_batch as u128 + slot as u128;
        let len = self.len as u128;
        let (epoch, index) = ((number / len) as u64, (number % len) as u64);
        let state = epoch_state(seed, &self.name, epoch);
        Position { epoch, index, sample: permuted(state, self.len as u64, index) as usize }
    }

    /// The folder that holds the domain's sample number `sample`.
    pub(crate) fn locate(&self, sample: usize) -> Located<'_> {
        let after = self.folders.partition_point(|folder| folder.first <= sample);
        let folder = &self.folders[after - 1];
        Located { path: &folder.path, dataset: &folder.dataset, sample: sample - folder.first }
    }
}

/// Opens all domains and checks that they speak of the same classes.
pub(crate) fn open_domains(
    sources: &[DomainSource],
    store: &StoreOptions,
) -> Result<Vec<Domain>, LoaderError> {
    let domains =
        sources.iter().map(|source| Domain::open(source, store)).collect::<Result<Vec<_>, _>>()?;
    let mut folders = domains.iter().flat_map(|domain| &domain.folders);
    if let Some(reference) = folders.next() {
        for folder in folders {
            check_same_classes(reference, folder)?;
        }
    }
    Ok(domains)
}

/// The format knows one ignore id, so class names are all that can differ.
fn check_same_classes(reference: &Folder, folder: &Folder) -> Result<(), LoaderError> {
    let (expected, found) = (&reference.dataset.index().dataset, &folder.dataset.index().dataset);
    let classes = expected.class_names.len().max(found.class_names.len());
    for train_id in 0..classes {
        let (wanted, got) = (expected.class_names.get(train_id), found.class_names.get(train_id));
        if wanted != got {
            let name = |class: Option<&String>| class.map_or("none", String::as_str).to_owned();
            return Err(LoaderError::ClassesDiffer {
                path: folder.path.clone(),
                train_id,
                found: name(got),
                reference: reference.path.clone(),
                expected: name(wanted),
            });
        }
    }
    Ok(())
}
