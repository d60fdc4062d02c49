//! `shard pack`.

use std::io::Write;

use shard_format::{Preset, WriterOptions};
use terminal::{Bar, Outcome};
use tracing::{error, info, warn};

use crate::audit::Audit;
use crate::cli::PackArguments;
use crate::pack::{PackError, PackOptions, PackReport, Space, prepare};
use crate::summary::{pack_shown, printable};

/// Left-out samples named on the terminal; the audit lists all.
const SKIPS_SHOWN: usize = 5;

pub(super) fn run(arguments: &PackArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let prepared = prepare(&options(arguments))?;
    info!("licence of {}: {}", prepared.manifest.name, prepared.manifest.license);
    let bar = Bar::new("packing", "samples", prepared.pairs());
    let packed = prepared.pack(&|done, total| bar.advance_to(done, total));
    bar.finish();
    finish(packed, out)
}

fn options(arguments: &PackArguments) -> PackOptions {
    let source = &arguments.source;
    let preset = match (arguments.fast, arguments.raw, arguments.jpeg) {
        (_, _, true) => Preset::Jpeg,
        (_, true, _) => Preset::Raw,
        (true, ..) => Preset::Fast,
        _ => Preset::Default,
    };
    let mut writer = WriterOptions::default();
    if let Some(mib) = arguments.max_shard_mib {
        writer.max_shard_bytes = u64::from(mib) << 20;
    }
    PackOptions {
        reading: source.reading.clone(),
        domain: arguments.domain.clone(),
        preset,
        part: arguments.part,
        max_skipped: arguments.max_skipped,
        threads: arguments.threads.map(usize::from),
        memory_bytes: arguments.memory_mib.map(|mib| u64::from(mib) << 20),
        writer,
        space: space(arguments.skip_space_check),
        ..PackOptions::new(&source.manifest, &source.root, &source.split, &arguments.out)
    }
}

pub(super) fn space(skip_check: bool) -> Space {
    if skip_check { Space::Unchecked } else { Space::FileSystem }
}

/// Shows what packing or merging gave. Samples that are too many or all bad are a failed check,
/// not an error.
pub(super) fn finish(
    packed: Result<PackReport, PackError>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match packed {
        Ok(report) => {
            remark(&report.audit);
            out.write_all(pack_shown(&report).as_bytes())?;
            Ok(Outcome::Done)
        }
        Err(failure) => {
            let (PackError::TooManySkipped { audit, .. } | PackError::NothingPacked { audit, .. }) =
                &failure
            else {
                return Err(failure.into());
            };
            remark(audit);
            error!("{failure}");
            Ok(Outcome::CheckFailed)
        }
    }
}

/// What a person should know about a run, good or bad.
fn remark(audit: &Audit) {
    for note in &audit.notes {
        warn!("{note}");
    }
    for (name, images) in &audit.unknown_objects {
        let name = printable(name);
        warn!("objects `{name}` in {images} images are not in the manifest and were left out");
    }
    for skip in audit.skipped.iter().take(SKIPS_SHOWN) {
        warn!("left out: {}", printable(&format!("{}: {}", skip.path, skip.reason)));
    }
    let more = audit.skipped.len().saturating_sub(SKIPS_SHOWN);
    if more > 0 {
        warn!("and {more} more left out");
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(words: &str) -> PackOptions {
        let line = format!("shard pack --manifest m --root r --split s --out o {words}");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Pack(arguments) => options(&arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_flag_reaches_the_packer() {
        let all = parsed(
            "--threads 3 --memory-mib 5 --max-shard-mib 7 --max-skipped 0.25 --part 2/9 \
             --domain night --reading colour --skip-space-check",
        );
        assert_eq!((all.threads, all.memory_bytes), (Some(3), Some(5 << 20)));
        assert_eq!((all.writer.max_shard_bytes, all.max_skipped), (7 << 20, 0.25));
        assert_eq!((all.part, all.space), ("2/9".parse().ok(), Space::Unchecked));
        assert_eq!((all.domain, all.reading), (Some("night".into()), Some("colour".into())));
        let paths = [all.manifest, all.root, all.out];
        assert_eq!((paths, &*all.split), (["m", "r", "o"].map(Into::into), "s"));
        let presets = ["", "--fast", "--raw", "--jpeg"].map(|flag| parsed(flag).preset);
        assert_eq!(presets, [Preset::Default, Preset::Fast, Preset::Raw, Preset::Jpeg]);
    }

    #[test]
    fn without_flags_the_packer_decides() {
        let none = parsed("");
        assert_eq!((none.threads, none.memory_bytes, none.part), (None, None, None));
        assert_eq!((none.domain, none.reading), (None, None));
        assert_eq!((none.writer, none.space), (WriterOptions::default(), Space::FileSystem));
    }
}
