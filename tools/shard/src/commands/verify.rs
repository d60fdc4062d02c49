//! `shard verify`.

use std::io::Write;
use std::path::Path;

use shard_format::{Dataset, ReadError};
use shard_store::{StoreError, StoreOptions};
use terminal::{Bar, Outcome};
use tracing::warn;

use crate::audit::AUDIT_FILE;
use crate::cli::VerifyArguments;
use crate::store;
use crate::summary::{counted, printable};
use crate::verify::{AuditFile, Checks, Finding, Source, verify};

/// No honest audit is larger.
const MAX_AUDIT_BYTES: u64 = 1 << 28;

pub(super) fn run(arguments: &VerifyArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let location = &arguments.dataset.dataset;
    let options = store::options(&arguments.dataset.store)?;
    let dataset = match shard_store::open(location, &options) {
        Ok(dataset) => dataset,
        Err(StoreError::Read(damage)) if is_damage(&damage) => {
            writeln!(out, "{}", printable(&damage.to_string()))?;
            return Ok(Outcome::CheckFailed);
        }
        Err(failure) => return Err(failure.into()),
    };
    let deep = arguments.deep.then(|| read_audit(location, &options));
    let manifest = arguments.manifest.as_deref();
    let source = match &arguments.against_source {
        Some(root) => {
            let manifest = manifest.map(|path| (path, arguments.reading.as_deref()));
            Some(Source::new(&dataset, location, root, manifest)?)
        }
        None => None,
    };
    if source.as_ref().is_some_and(|source| !source.compares_labels()) {
        warn!("no built-in manifest has this mapping; --manifest compares the labels, too");
    }
    let checks = Checks { deep, source };
    let bar = Bar::new("verifying", "samples", dataset.len() as u64);
    let findings = verify(&dataset, &checks, &|done, total| bar.advance_to(done, total))?;
    bar.finish();
    for finding in &findings {
        writeln!(out, "{}", printable(&finding.to_string()))?;
    }
    if findings.is_empty() {
        writeln!(out, "{}", intact(&dataset, location, &checks))?;
        return Ok(Outcome::Done);
    }
    let (problems, hint) = (counted(findings.len(), "problem"), hint(&findings));
    writeln!(out, "{}: {problems} found; hint: {hint}", location.display())?;
    Ok(Outcome::CheckFailed)
}

/// No dataset at all is an error; a damaged one is a failed check.
fn is_damage(error: &ReadError) -> bool {
    !matches!(
        error,
        ReadError::NoIndex { .. } | ReadError::Io { .. } | ReadError::NewerVersion { .. }
    )
}

fn read_audit(location: &Path, options: &StoreOptions) -> AuditFile {
    let bytes = store::read_beside_index(location, options, AUDIT_FILE, MAX_AUDIT_BYTES);
    let content = match bytes {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("not found".into()),
        Err(error) => Err(error.to_string()),
    };
    AuditFile { path: location.join(AUDIT_FILE), content: content.map(Box::new) }
}

/// Says what was checked, and so what was not.
fn intact(dataset: &Dataset, location: &Path, checks: &Checks) -> String {
    let mut checked = vec!["hashes and checksums"];
    if checks.deep.is_some() {
        checked.push("decoded content");
        checked.push("counts of the audit");
    }
    if let Some(source) = &checks.source {
        checked.push("hashes of the source files");
        checked.push(match source.compares_labels() {
            true => "pixels and labels of the source",
            false => "pixels of the source",
        });
    }
    format!(
        "{}: {} in {} are intact: {}",
        location.display(),
        counted(dataset.len(), "sample"),
        counted(dataset.shard_count(), "shard"),
        checked.join(", ")
    )
}

/// What to do about the gravest of the findings.
fn hint(findings: &[Finding]) -> &'static str {
    let has = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
    if has(|finding| matches!(finding, Finding::Stored(_))) {
        "copy the shards again, or pack the dataset again"
    } else if has(|finding| matches!(finding, Finding::Source { .. } | Finding::Undecodable { .. }))
    {
        "the source files changed since they were packed, or this is another copy of the dataset"
    } else {
        "copy audit.json again, or pack the dataset again"
    }
}
