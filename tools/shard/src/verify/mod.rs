//! Checks a packed dataset: its stored bytes, its content, its audit and its sources.

mod counts;
mod finding;
mod source;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use datasets::Tally;
use rayon::prelude::*;
use shard_format::{Dataset, Decoder, Depth, Problem, ReadError};

use crate::audit::Audit;
use crate::stats::{blank_tally, sample_tally};

pub use finding::{Finding, SourceFault};
pub use source::{Source, SourceError};

/// What to check beyond hashes and checksums.
#[derive(Debug)]
pub struct Checks {
    /// Decode everything, and compare the counts with these.
    pub deep: Option<AuditFile>,
    /// Compare with the files that were packed.
    pub source: Option<Source>,
}

/// `audit.json`, as far as there is one.
#[derive(Debug)]
pub struct AuditFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its content, or why there is none.
    pub content: Result<Box<Audit>, String>,
}

/// Checks `dataset` on all cores and returns all that is wrong, in the order of the shards;
/// `progress` is told how many samples of how many are done, from any thread.
///
/// Always checked: the BLAKE3 hash of every shard, the checksum of every tile, and that both
/// copies of every head agree.
///
/// # Errors
/// A shard cannot be read.
pub fn verify(
    dataset: &Dataset,
    checks: &Checks,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Vec<Finding>, ReadError> {
    let done = AtomicU64::new(0);
    let total = dataset.len() as u64;
    let check = |decoder: &mut Decoder, index: usize| {
        let checked = check_sample(dataset, index, checks, decoder);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        checked
    };
    let (shards, samples) = rayon::join(
        || hash_shards(dataset),
        || {
            let samples = (0..dataset.len()).into_par_iter();
            samples.map_init(Decoder::new, check).collect::<Result<Vec<_>, ReadError>>()
        },
    );
    let mut samples = samples?.into_iter();
    let mut findings = Vec::new();
    let mut tally = Some(blank_tally(dataset));
    for (problem, entry) in shards?.into_iter().zip(&dataset.index().shards) {
        findings.extend(problem.map(Finding::Stored));
        for sample in samples.by_ref().take(entry.samples as usize) {
            findings.extend(sample.findings);
            // Counts mean something only if every sample could be counted.
            tally = tally.zip(sample.tally).map(|(mut all, one)| {
                all.merge(&one);
                all
            });
        }
    }
    if let Some(audit) = &checks.deep {
        findings.extend(counts::compare(dataset, tally.as_ref(), audit));
    }
    Ok(findings)
}

/// What checking one sample gave.
struct Checked {
    findings: Vec<Finding>,
    /// Class counts, if they were wanted and the sample is whole.
    tally: Option<Tally>,
}

fn hash_shards(dataset: &Dataset) -> Result<Vec<Option<Problem>>, ReadError> {
    (0..dataset.shard_count()).into_par_iter().map(|shard| dataset.check_shard(shard)).collect()
}

fn check_sample(
    dataset: &Dataset,
    index: usize,
    checks: &Checks,
    decoder: &mut Decoder,
) -> Result<Checked, ReadError> {
    let depth = if checks.deep.is_some() { Depth::Content } else { Depth::Checksums };
    let problems = dataset.check_sample(index, depth, decoder)?;
    let whole = problems.is_empty();
    let mut findings: Vec<Finding> = problems.into_iter().map(Finding::Stored).collect();
    let tally = match checks.deep {
        Some(_) if whole => Some(sample_tally(dataset, index, decoder)?),
        _ => None,
    };
    // What is damaged here says nothing about the source.
    if let (Some(source), true) = (&checks.source, whole) {
        findings.extend(source.compare(dataset, index, decoder)?);
    }
    Ok(Checked { findings, tally })
}
