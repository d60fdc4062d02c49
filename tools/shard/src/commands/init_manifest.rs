//! `shard init-manifest`.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use datasets::draft_manifest;
use terminal::Outcome;
use tracing::info;

use crate::cli::InitManifestArguments;

pub(super) fn run(
    arguments: &InitManifestArguments,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    if let Some(path) = &arguments.out {
        // Before the folder is searched, which may take its time.
        refuse_existing(path)?;
    }
    let draft = draft_manifest(&arguments.root)?;
    for note in &draft.notes {
        info!("{note}");
    }
    match &arguments.out {
        None => out.write_all(draft.toml.as_bytes()).context("writing the manifest")?,
        Some(path) => {
            write_new(path, draft.toml.as_bytes())?;
            writeln!(out, "{}", path.display())?;
        }
    }
    Ok(Outcome::Done)
}

fn refuse_existing(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        bail!("{}: already exists; hint: choose another --out", path.display());
    }
    Ok(())
}

/// Writes a file that must not exist.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    match whole_file::write_new(path, bytes) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_existing(path),
        written => written.with_context(|| path.display().to_string()),
    }
}
