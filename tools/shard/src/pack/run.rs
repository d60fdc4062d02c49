//! One run of packing, from the first look at the output folder to the index.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use datasets::{IGNORE_ID, Pair};
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, INDEX_FILE, ShardEntry, WriteError, WriterOptions,
};
use tracing::{info, warn};

use super::findings::{Ledger, SkippedPair};
use super::fingerprint::{Fingerprint, PairBytes};
use super::journal::{Begun, FinishedShard, Journal, JournalError};
use super::part::{PART_FILE, PartFacts};
use super::pipeline::{Limits, run_in_order};
use super::sample::{Encoded, Failure, PairJobs, default_memory_bytes};
use super::space::estimate;
use super::{PackError, PackReport, Prepared};
use crate::audit::{AUDIT_FILE, Audit};
use crate::summary::{counted, printable};

/// A run that will fail for its skips goes on until it has this many to show.
const SKIPS_TO_SHOW: u64 = 100;

pub(super) fn pack(
    prepared: &Prepared,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<PackReport, PackError> {
    let (options, listing) = (&prepared.options, &prepared.listing);
    let (fingerprint, files) = Fingerprint::of(options, &prepared.manifest, listing)?;
    let (pairs, files) = (&listing.pairs[prepared.range()], &files[prepared.range()]);
    let is_fresh = !Journal::exists(&options.out);
    if is_fresh {
        // Before anything is written.
        DatasetWriter::check_folder(&options.out, &prepared.manifest.name)?;
        check_space(prepared, pairs)?;
    }
    let index = options.out.join(INDEX_FILE);
    let Begun { mut journal, resumed, shards } = match Journal::begin(&options.out, &fingerprint) {
        Err(JournalError::OtherRun { .. } | JournalError::OtherTimes { .. }) if index.exists() => {
            return Err(WriteError::Exists { path: index }.into());
        }
        begun => begun?,
    };
    if index.exists() {
        journal.remove()?;
        // Without its own journal, the dataset is that of another run.
        return if resumed {
            finished(prepared)
        } else {
            Err(WriteError::Exists { path: index }.into())
        };
    }
    let (writer, shards) = if is_fresh && !resumed {
        let info = info(prepared);
        (DatasetWriter::create(&options.out, info, writer_options(prepared))?, shards)
    } else {
        resumed_writer(prepared, &mut journal, shards)?
    };
    let done = shards.last().map_or(0, |shard| shard.pairs);
    // A journal can be altered; its hashes vouch for the shards, not for this number.
    let done = usize::try_from(done).unwrap_or(usize::MAX).min(pairs.len());
    if !is_fresh {
        check_space(prepared, &pairs[done..])?;
    }
    let run = Run {
        prepared,
        writer,
        journal,
        finished_shards: shards.len(),
        ledger: Ledger::after(shards),
        listed: Audit::of_listing(&prepared.manifest, listing, (&options.split, prepared.domain())),
    };
    run.go((pairs, files), done, fingerprint, progress)
}

fn check_space(prepared: &Prepared, pairs: &[Pair]) -> Result<(), PackError> {
    let options = &prepared.options;
    let needed = || estimate(&prepared.manifest, pairs, options.preset);
    Ok(options.space.check(&options.out, pairs.len(), needed)?)
}

/// The report of a run that was cut off after its index was written.
fn finished(prepared: &Prepared) -> Result<PackReport, PackError> {
    let out = &prepared.options.out;
    let dataset = Dataset::open(out).map_err(WriteError::from)?;
    info!("resuming: all {} samples are done", dataset.len());
    Ok(PackReport {
        index: Some(dataset.index().clone()),
        audit: Audit::load(out)?,
        audit_path: out.join(AUDIT_FILE),
    })
}

/// The writer of a run that goes on, and the finished shards that it goes on from.
fn resumed_writer(
    prepared: &Prepared,
    journal: &mut Journal,
    mut shards: Vec<FinishedShard>,
) -> Result<(DatasetWriter, Vec<FinishedShard>), PackError> {
    let out = &prepared.options.out;
    // A shard may be missing: removed by hand, by a run that failed its check and was cut off
    // while it removed them, or by a power failure.
    let is_there = |shard: &FinishedShard| {
        let metadata = std::fs::metadata(out.join(&shard.shard.file));
        metadata.is_ok_and(|metadata| metadata.len() == shard.shard.bytes)
    };
    shards.truncate(shards.iter().take_while(|shard| is_there(shard)).count());
    let writer = match resume_writer(prepared, &shards) {
        Err(WriteError::Changed { .. } | WriteError::Unreadable(_)) => {
            let intact = shards.iter().take_while(|shard| is_intact(out, &shard.shard)).count();
            let lost = shards.len() - intact;
            warn!(
                "{}: {} redone, as one was altered",
                out.display(),
                counted(lost, "finished shard")
            );
            shards.truncate(intact);
            resume_writer(prepared, &shards)?
        }
        writer => writer?,
    };
    journal.keep_shards(shards.len())?;
    let samples = shards.iter().map(|shard| shard.shard.samples as usize).sum();
    let (shards_done, samples) = (counted(shards.len(), "shard"), counted(samples, "sample"));
    info!("resuming: {shards_done} with {samples} done");
    Ok((writer, shards))
}

fn resume_writer(
    prepared: &Prepared,
    shards: &[FinishedShard],
) -> Result<DatasetWriter, WriteError> {
    let (out, preset) = (&prepared.options.out, prepared.options.preset);
    let entries = shards.iter().map(|shard| shard.shard.clone()).collect();
    DatasetWriter::resume(out, info(prepared), writer_options(prepared), preset, entries)
}

fn is_intact(out: &Path, shard: &ShardEntry) -> bool {
    let mut hasher = blake3::Hasher::new();
    let read = File::open(out.join(&shard.file)).and_then(|file| {
        hasher.update_reader(file)?;
        Ok(hasher.finalize())
    });
    read.is_ok_and(|hash| hash.to_hex().as_str() == shard.blake3)
}

fn writer_options(prepared: &Prepared) -> WriterOptions {
    WriterOptions { keep_finished_shards: true, ..prepared.options.writer }
}

fn info(prepared: &Prepared) -> DatasetInfo {
    DatasetInfo {
        name: prepared.manifest.name.clone(),
        split: prepared.options.split.clone(),
        domain: prepared.domain().into(),
        class_names: prepared.manifest.classes.clone(),
        ignore_id: IGNORE_ID,
        mapping: prepared.manifest.mapping_name().into(),
        license: prepared.manifest.license.clone(),
    }
}

/// A run that is going on.
struct Run<'a> {
    prepared: &'a Prepared,
    writer: DatasetWriter,
    journal: Journal,
    finished_shards: usize,
    ledger: Ledger,
    /// The audit of the whole split before any pair was read.
    listed: Audit,
}

impl Run<'_> {
    /// Packs the pairs that are not done, and finishes the dataset.
    fn go(
        mut self,
        (pairs, files): (&[Pair], &[PairBytes]),
        done: usize,
        fingerprint: Fingerprint,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<PackReport, PackError> {
        let options = &self.prepared.options;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let limits = Limits {
            threads: options.threads.unwrap_or_else(cores),
            bytes: options.memory_bytes.unwrap_or_else(default_memory_bytes),
        };
        let count = AtomicU64::new(done as u64);
        progress(done as u64, pairs.len() as u64);
        let on_pair = || {
            progress(count.fetch_add(1, Ordering::Relaxed) + 1, pairs.len() as u64);
        };
        let jobs = PairJobs { prepared: self.prepared, pairs, files, on_pair: &on_pair };
        let allowed = allowed(options.max_skipped, &self.listed);
        let enough_to_fail = allowed.max(SKIPS_TO_SHOW);
        let mut complete = true;
        let taken = run_in_order(&jobs, done..pairs.len(), limits, |pair, encoded| {
            self.take(pair, encoded)?;
            complete = self.skips() <= enough_to_fail;
            let flow = if complete { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            Ok::<_, PackError>(flow)
        });
        let shards = self.finished_shards;
        taken
            .and_then(|()| self.finish(fingerprint, (pairs.len(), allowed, complete)))
            .map_err(|error| error.after(shards))
    }

    /// Takes what came of a pair, in order.
    fn take(&mut self, pair: usize, encoded: Result<Encoded, Failure>) -> Result<(), PackError> {
        let Encoded { sample, counted } = match encoded {
            Ok(encoded) => encoded,
            Err(Failure::Skip(skipped)) => {
                self.ledger.skip(skipped.into());
                return Ok(());
            }
            Err(Failure::Write(error)) => return Err(error.into()),
        };
        if let Some(first) = self.ledger.packed_image(&counted.hashes.image) {
            let skipped = SkippedPair::duplicate(&counted.source, counted.hashes, first);
            self.ledger.skip(skipped);
            return Ok(());
        }
        // The shard that a sample closes does not hold it: all pairs before this one are done.
        if let Some(shard) = self.writer.make_room(&sample)? {
            self.journal.add(&self.ledger.finish_shard(shard, pair as u64))?;
            self.finished_shards += 1;
        }
        self.writer.push(sample)?;
        self.ledger.pack(counted);
        Ok(())
    }

    /// Samples left out so far.
    fn skips(&self) -> u64 {
        self.listed.skipped.len() as u64 + self.ledger.skips()
    }

    /// Writes audit, part and index, in this order: the index makes the dataset. The journal goes
    /// last; as long as it is there, any of this can be done again.
    fn finish(
        self,
        fingerprint: Fingerprint,
        (pairs, allowed, complete): (usize, u64, bool),
    ) -> Result<PackReport, PackError> {
        let Self { prepared, writer, journal, listed, .. } = self;
        let options = &prepared.options;
        let findings = self.ledger.total();
        let mut audit = listed.clone().with(findings.clone(), complete);
        audit.part = options.part;
        audit.pairs_found = pairs as u64;
        let audit_path = audit.write(&options.out)?;
        let is_empty = audit.packed == 0;
        if audit.skipped.len() as u64 > allowed || (is_empty && options.part.is_none()) {
            writer.abandon()?;
            // Of a run that was cut off at its end, with more skips allowed.
            drop(std::fs::remove_file(options.out.join(PART_FILE)));
            journal.remove()?;
            let found = listed.found();
            let place = options.root.clone();
            return Err(failed_check(place, (found, allowed), audit, audit_path));
        }
        if let Some(part) = options.part {
            let max_skipped = options.max_skipped;
            PartFacts { part, fingerprint, max_skipped, listed, findings }.write(&options.out)?;
        }
        let index = if is_empty {
            writer.abandon()?;
            None
        } else {
            Some(writer.finish()?)
        };
        journal.remove()?;
        Ok(PackReport { index, audit, audit_path })
    }
}

/// Samples that may be left out of all that were listed.
pub(crate) fn allowed(max_skipped: f64, listed: &Audit) -> u64 {
    (max_skipped * listed.found() as f64).floor() as u64
}

/// The failed check of a run that left out too many, or all.
pub(crate) fn failed_check(
    place: PathBuf,
    (found, allowed): (u64, u64),
    audit: Audit,
    audit_path: PathBuf,
) -> PackError {
    let first = audit.skipped.first();
    // The message has a hint of its own.
    let cause = |reason: &str| reason.split("; hint: ").next().unwrap_or_default().to_owned();
    let first = first.map(|skip| printable(&format!("{} ({})", skip.path, cause(&skip.reason))));
    let first = first.unwrap_or_else(|| "every sample is known to be bad".into());
    let audit = Box::new(audit);
    // A part of bad samples alone says nothing of the whole.
    if audit.packed == 0 && audit.complete && audit.part.is_none() {
        return PackError::NothingPacked { place, found, first, audit, audit_path };
    }
    PackError::TooManySkipped { place, found, allowed, first, audit, audit_path }
}
