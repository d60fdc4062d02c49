//! An opened domain: the samples of several shard folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shard_format::{Dataset, SampleInfo};
use shard_store::{Stats, StoreCounters, StoreOptions, is_url};

use crate::class_uniform::ClassTable;
use crate::error::LoaderError;
use crate::options::StreamSource;

/// The samples of one domain.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) name: String,
    folders: Vec<Folder>,
    /// Samples in all folders, at least 1: a dataset without samples cannot be opened.
    len: usize,
}

/// A dataset of a domain.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    dataset: Dataset,
    counters: StoreCounters,
    /// The domain's number of the folder's first sample.
    first: usize,
}

/// A sample in its own folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<'a> {
    pub(crate) path: &'a Path,
    pub(crate) dataset: &'a Dataset,
    /// The sample's place in the folder.
    pub(crate) sample: usize,
}

impl Located<'_> {
    pub(crate) fn info(&self) -> &SampleInfo {
        self.dataset.sample(self.sample)
    }
}

impl Domain {
    /// A domain of opened datasets, at least one.
    pub(crate) fn new(name: String, datasets: Vec<(PathBuf, Dataset, StoreCounters)>) -> Self {
        let mut len = 0;
        let folders = datasets.into_iter().map(|(path, dataset, counters)| {
            let first = len;
            len += dataset.len();
            Folder { path, dataset, counters, first }
        });
        let folders = folders.collect();
        Self { name, folders, len }
    }

    fn open(source: &StreamSource, store: &StoreOptions) -> Result<Self, LoaderError> {
        let mut datasets = Vec::with_capacity(source.shards.len());
        for path in &source.shards {
            let domain = || source.name.clone();
            if !is_url(path) && !path.is_dir() {
                return Err(LoaderError::FolderMissing { path: path.clone(), domain: domain() });
            }
            let (dataset, counters) = shard_store::open_counted(path, store).map_err(|error| {
                LoaderError::Open { path: path.clone(), domain: domain(), source: Box::new(error) }
            })?;
            datasets.push((path.clone(), dataset, counters));
        }
        Ok(Self::new(source.name.clone(), datasets))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The folder that holds the domain's sample number `sample`.
    pub(crate) fn locate(&self, sample: usize) -> Located<'_> {
        let after = self.folders.partition_point(|folder| folder.first <= sample);
        let folder = &self.folders[after - 1];
        Located { path: &folder.path, dataset: &folder.dataset, sample: sample - folder.first }
    }

    /// Where each class occurs, from the shards' directories.
    pub(crate) fn class_table(&self) -> ClassTable {
        let presences = self.folders.iter().flat_map(|folder| {
            (0..folder.dataset.len()).map(|sample| folder.dataset.class_presence(sample))
        });
        ClassTable::new(presences)
    }

    /// What the connections of all folders have done.
    pub(crate) fn store_stats(&self) -> Stats {
        let each = self.folders.iter().map(|folder| folder.counters.stats());
        each.fold(Stats::default(), |sum, stats| sum.plus(&stats))
    }
}

/// Opens the domain of each source, one for all streams of a name, and checks that all speak of the
/// same classes.
pub(crate) fn open_domains(
    sources: &[StreamSource],
    store: &StoreOptions,
) -> Result<Vec<Arc<Domain>>, LoaderError> {
    let mut domains: Vec<Arc<Domain>> = Vec::with_capacity(sources.len());
    for source in sources {
        let domain = match domains.iter().find(|domain| domain.name == source.name) {
            Some(domain) => Arc::clone(domain),
            None => Arc::new(Domain::open(source, store)?),
        };
        domains.push(domain);
    }
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
