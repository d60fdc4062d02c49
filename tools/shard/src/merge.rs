//! Joins parts of a split into one dataset, byte for byte the one that a single run makes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datasets::{IGNORE_ID, Tally};
use shard_format::{
    Access, Dataset, DatasetInfo, DatasetWriter, Decoder, Folder, INDEX_FILE, ReadError, Window,
    WriteError, WriterOptions,
};

use crate::audit::{AUDIT_FILE, Audit};
use crate::pack::findings::{Findings, PackedImage, PairHashes, SkippedPair};
use crate::pack::fingerprint::Fingerprint;
use crate::pack::journal::{Begun, Journal};
use crate::pack::part::PartFacts;
use crate::pack::run::{allowed, failed_check};
use crate::pack::{
    FileError, JournalError, PackError, PackReport, Part, Space, SpaceError, refuse_finished,
};

/// Missing parts named in a message.
const PARTS_SHOWN: usize = 10;

/// What to join, and where to.
#[derive(Debug, Clone)]
pub struct MergeOptions {
    /// Folders of all parts, in any order.
    pub parts: Vec<PathBuf>,
    /// Folder for the shards; created if need be.
    pub out: PathBuf,
    /// Share of samples that may have been left out of all parts together, 0 to 1; `None` takes the
    /// smallest that a part was packed with.
    pub max_skipped: Option<f64>,
    /// How much room there is for the shards.
    pub space: Space,
}

/// Why nothing was merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The dataset cannot be written, or too many samples were left out.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A part's shards cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The folder is no part.
    #[error(
        "{}: no part.json, expected a part of a split; hint: parts are what `shard pack --part` \
         writes, and are complete once it ends",
        dir.display()
    )]
    NoPart {
        /// The folder.
        dir: PathBuf,
    },
    /// Two parts are not of the same split, packed in the same way.
    #[error(
        "{}: differs from {} in {}, expected parts of one split packed in the same way; hint: pack \
         the part again with the options of the others",
        dir.display(), first.display(), differences.join(", ")
    )]
    Unlike {
        /// One part.
        dir: PathBuf,
        /// Another one.
        first: PathBuf,
        /// What differs, in words.
        differences: Vec<String>,
    },
    /// The same part was named twice.
    #[error("{}: is part {part}, as is {}, expected each part once", dir.display(), first.display())]
    Twice {
        /// One folder.
        dir: PathBuf,
        /// The other one.
        first: PathBuf,
        /// Which part they are.
        part: Part,
    },
    /// Not all parts were named.
    #[error(
        "{}: is one of {count} parts, but of these {missing} not named; hint: name the folders of \
         all parts",
        dir.display()
    )]
    Missing {
        /// One of the parts that were named.
        dir: PathBuf,
        /// How many there should be.
        count: u32,
        /// Which are missing, in words.
        missing: String,
    },
    /// What a part says of itself is not so.
    #[error(
        "{}: {what} {found}, expected {expected} as part.json has it; hint: pack the part again",
        dir.display()
    )]
    Contradiction {
        /// The part.
        dir: PathBuf,
        /// What does not fit.
        what: &'static str,
        /// In the shards.
        found: String,
        /// In `part.json`.
        expected: String,
    },
}

macro_rules! from_by_pack_error {
    ($($error:ty),*) => {$(
        impl From<$error> for MergeError {
            fn from(error: $error) -> Self {
                Self::Pack(error.into())
            }
        }
    )*};
}
from_by_pack_error!(FileError, JournalError, SpaceError, WriteError);

/// Joins parts; `progress` is told how many samples of how many are done.
///
/// # Errors
/// See [`MergeError`]. No index is left behind, and so nothing that reads as a dataset.
pub fn merge(
    options: &MergeOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<PackReport, MergeError> {
    let out = &options.out;
    refuse_finished(out)?;
    let parts = open_parts(&options.parts)?;
    let first = &parts[0].facts;
    let shards = || parts.iter().filter_map(|part| part.dataset.as_ref());
    let samples: usize = shards().map(Dataset::len).sum();
    let entries = shards().flat_map(|dataset| &dataset.index().shards);
    let is_fresh = !Journal::exists(out);
    if is_fresh {
        DatasetWriter::check_folder(out, &first.listed.dataset)?;
        options.space.check(out, samples, || entries.map(|shard| shard.bytes).sum())?;
    }
    let of_merge = first.fingerprint.of_all_parts();
    let of_merge = Fingerprint { packer: format!("{}, merging", of_merge.packer), ..of_merge };
    let Begun { journal, resumed, .. } = Journal::begin(out, &of_merge)?;
    let index = out.join(INDEX_FILE);
    if index.exists() {
        journal.remove()?;
        if !resumed {
            return Err(WriteError::Exists { path: index }.into());
        }
        // The last run was cut off behind its end.
        let index = Some(Dataset::open(out)?.index().clone());
        return Ok(PackReport {
            index,
            audit: Audit::load(out)?,
            audit_path: out.join(AUDIT_FILE),
        });
    }
    let merged = Merge { options, parts: &parts, is_fresh: is_fresh && !resumed }.go(progress);
    // Whatever came of it: nothing is left to go on with.
    let removed = journal.remove();
    let report = merged?;
    removed?;
    Ok(report)
}

/// A part that is open.
struct OpenPart {
    dir: PathBuf,
    facts: PartFacts,
    /// None if the part has no sample.
    dataset: Option<Dataset>,
}

/// Opens all parts, checks that they belong together, and puts them in order.
fn open_parts(dirs: &[PathBuf]) -> Result<Vec<OpenPart>, MergeError> {
    let mut parts: BTreeMap<u32, OpenPart> = BTreeMap::new();
    let mut first: Option<(PathBuf, PartFacts)> = None;
    for dir in dirs {
        let part = open_part(dir)?;
        let (first_dir, first) = first.get_or_insert_with(|| (dir.clone(), part.facts.clone()));
        let mut differences =
            first.fingerprint.of_all_parts().differences(&part.facts.fingerprint.of_all_parts());
        let counts = [first.part.count, part.facts.part.count];
        if counts[0] != counts[1] {
            differences.push(format!("number of parts ({} and {})", counts[0], counts[1]));
        }
        if differences.is_empty() && first.listed != part.facts.listed {
            differences.push("what was found in the dataset's folder".into());
        }
        if !differences.is_empty() {
            let (dir, first) = (dir.clone(), first_dir.clone());
            return Err(MergeError::Unlike { dir, first, differences });
        }
        let number = part.facts.part.number;
        if let Some(same) = parts.get(&number) {
            let (dir, first, part) = (dir.clone(), same.dir.clone(), part.facts.part);
            return Err(MergeError::Twice { dir, first, part });
        }
        parts.insert(number, part);
    }
    let Some((dir, facts)) = first else {
        return Err(MergeError::NoPart { dir: PathBuf::from(".") });
    };
    let count = facts.part.count;
    let named: BTreeSet<u32> = parts.keys().copied().collect();
    if let Some(missing) = missing_shown(count, &named) {
        return Err(MergeError::Missing { dir, count, missing });
    }
    Ok(parts.into_values().collect())
}

/// Which parts are missing, in words.
fn missing_shown(count: u32, named: &BTreeSet<u32>) -> Option<String> {
    let missing = (count as usize).saturating_sub(named.len());
    let shown: Vec<String> = (1..=count)
        .filter(|number| !named.contains(number))
        .take(PARTS_SHOWN)
        .map(|number| number.to_string())
        .collect();
    let more = missing.saturating_sub(shown.len());
    match (shown.len(), more) {
        (0, _) => None,
        (1, 0) => Some(format!("{} is", shown[0])),
        (_, 0) => Some(format!("{} are", shown.join(", "))),
        _ => Some(format!("{} and {more} more are", shown.join(", "))),
    }
}

fn open_part(dir: &Path) -> Result<OpenPart, MergeError> {
    let facts = PartFacts::load(dir).map_err(|error| match error {
        FileError::Io { source, .. }
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            MergeError::NoPart { dir: dir.into() }
        }
        other => other.into(),
    })?;
    // An unfinished part has a journal and may have no index.
    if Journal::exists(dir) {
        return Err(MergeError::NoPart { dir: dir.into() });
    }
    let dataset = match facts.findings.packed {
        0 => None,
        // Parts come from other machines, often by way of a network file system: never map them.
        _ => Some(Dataset::open_in(Arc::new(Folder { dir: dir.into(), access: Access::Read }))?),
    };
    if let Some(dataset) = &dataset {
        let contradiction = |what, found: String, expected: String| {
            Err(MergeError::Contradiction { dir: dir.into(), what, found, expected })
        };
        let (found, expected) = (dataset.len() as u64, facts.findings.packed);
        if found != expected {
            return contradiction("samples", found.to_string(), expected.to_string());
        }
        let (found, expected) = (&dataset.index().dataset, info(&facts.listed));
        if *found != expected {
            return contradiction("dataset", found.name.clone(), expected.name);
        }
        let (found, expected) = (dataset.index().preset, facts.fingerprint.preset);
        if found != expected {
            return contradiction("preset", found.to_string(), expected.to_string());
        }
    }
    Ok(OpenPart { dir: dir.into(), facts, dataset })
}

/// What the shards say of the dataset.
fn info(listed: &Audit) -> DatasetInfo {
    DatasetInfo {
        name: listed.dataset.clone(),
        split: listed.split.clone(),
        domain: listed.domain.clone(),
        class_names: listed.classes.iter().map(|class| class.name.clone()).collect(),
        ignore_id: IGNORE_ID,
        mapping: listed.mapping.clone(),
        license: listed.license.clone(),
    }
}

/// A merge that is going on.
struct Merge<'a> {
    options: &'a MergeOptions,
    /// In order.
    parts: &'a [OpenPart],
    /// Whether no merge was begun in the folder before.
    is_fresh: bool,
}

impl Merge<'_> {
    fn go(self, progress: &dyn Fn(u64, u64)) -> Result<PackReport, MergeError> {
        let out = &self.options.out;
        let mut writer = self.open_writer()?;
        let findings = self.copy_all(&mut writer, progress)?;
        let listed = &self.parts[0].facts.listed;
        let audit = listed.clone().with(findings, true);
        let audit_path = audit.write(out)?;
        let of_parts = self.parts.iter().map(|part| part.facts.max_skipped);
        let max_skipped = self.options.max_skipped.unwrap_or(of_parts.fold(1.0, f64::min));
        let allowed = allowed(max_skipped, listed);
        if audit.skipped.len() as u64 > allowed || audit.packed == 0 {
            writer.abandon()?;
            let counts = (listed.found(), allowed);
            return Err(failed_check(out.clone(), counts, audit, audit_path).into());
        }
        let index = Some(writer.finish()?);
        Ok(PackReport { index, audit, audit_path })
    }

    fn open_writer(&self) -> Result<DatasetWriter, WriteError> {
        let first = &self.parts[0].facts;
        let max_shard_bytes = first.fingerprint.max_shard_bytes;
        let options = WriterOptions { max_shard_bytes, ..WriterOptions::default() };
        let (out, info) = (&self.options.out, info(&first.listed));
        if self.is_fresh {
            DatasetWriter::create(out, info, options)
        } else {
            // Removes what a merge that was killed has left.
            DatasetWriter::resume(out, info, options, first.fingerprint.preset, Vec::new())
        }
    }

    /// Copies the records of all parts, but for images that an earlier part has.
    fn copy_all(
        &self,
        writer: &mut DatasetWriter,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Findings, MergeError> {
        let datasets = self.parts.iter().filter_map(|part| part.dataset.as_ref());
        let total: usize = datasets.map(Dataset::len).sum();
        let mut done = 0;
        let mut findings = Findings::default();
        // Each image that was copied, by its hash.
        let mut copied: BTreeMap<String, PackedImage> = BTreeMap::new();
        for part in self.parts {
            let mut of_part = part.facts.findings.clone();
            let samples = part
                .dataset
                .iter()
                .flat_map(|dataset| (0..dataset.len()).map(move |sample| (dataset, sample)));
            for (dataset, sample) in samples {
                let info = dataset.sample(sample);
                let hashes = PairHashes::of(&info.image_blake3, &info.label_blake3);
                if let Some(first) = copied.get(&hashes.image) {
                    of_part.remove(&info.source, &tally(dataset, sample, part)?);
                    of_part.skipped.push(SkippedPair::duplicate(&info.source, hashes, first));
                } else {
                    writer.push(dataset.encoded(sample)?)?;
                    let (source, label_blake3) = (info.source.clone(), hashes.label);
                    copied.insert(hashes.image, PackedImage { source, label_blake3 });
                }
                done += 1;
                progress(done, total as u64);
            }
            // The first of several equal images may lie in an earlier part.
            for skipped in &mut of_part.skipped {
                let Some(hashes) = &skipped.duplicate else { continue };
                if let Some(first) = copied.get(&hashes.image) {
                    let path = &skipped.sample.path;
                    *skipped = SkippedPair::duplicate(path, hashes.clone(), first);
                }
            }
            // The listing's order.
            of_part.skipped.sort_by(|a, b| a.sample.path.cmp(&b.sample.path));
            findings.merge(of_part);
        }
        Ok(findings)
    }
}

/// The classes of one sample.
fn tally(dataset: &Dataset, sample: usize, part: &OpenPart) -> Result<Tally, ReadError> {
    let info = dataset.sample(sample);
    let window = Window { x: 0, y: 0, width: info.width, height: info.height };
    let labels = dataset.read_labels(sample, window, &mut Decoder::new())?;
    let mut tally = Tally::new(part.facts.listed.classes.len());
    tally.add(&labels.train_ids);
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_named_up_to_a_point() {
        let named = BTreeSet::from([1, 3]);
        assert_eq!(missing_shown(2, &BTreeSet::from([1, 2])), None);
        assert_eq!(missing_shown(3, &named).unwrap(), "2 is");
        assert_eq!(missing_shown(5, &named).unwrap(), "2, 4, 5 are");
        let many = missing_shown(4_000_000_000, &named).unwrap();
        assert_eq!(many, "2, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 3999999988 more are");
    }
}
