//! The zip archive: `data.pkl`, and one stored entry per storage under `data/`.
//!
//! Source: `_save` in `torch/serialization.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use rawzip::{CompressionMethod, ZipArchive};

use super::{Container, Fault, big_endian};
use crate::pickle::{References, parse};
use crate::shown::{shown, shown_message};

const PICKLE: &str = "data.pkl";

pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Fault> {
    let entries = entries(bytes)?;
    // All entries lie in a folder with a name of the writer's choice.
    let folder = entries
        .keys()
        .filter_map(|name| name.strip_suffix(PICKLE))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .min_by_key(|folder| folder.len())
        .ok_or_else(|| {
            Fault::foreign(
                "a zip archive without data.pkl",
                "what torch.save writes",
                "an archive of several files has to be unpacked first",
            )
        })?;
    let entry = |name: &str| entries.get(&format!("{folder}{name}")).copied();
    match entry("byteorder") {
        None | Some(b"little") => {}
        Some(_) => return Err(big_endian()),
    }
    let pickle = parse(entry(PICKLE).unwrap_or_default(), &References::Storages)?;
    let prefix = format!("{folder}data/");
    let storages = entries
        .iter()
        .filter_map(|(name, data)| {
            Some((Cow::Owned(name.strip_prefix(&prefix)?.to_owned()), *data))
        })
        .collect();
    Ok(Container { pickle, storages })
}

/// The entries by name, none of them compressed, no two of which share bytes.
///
/// A directory may name one entry as often as it likes, and each would be read for its checksum.
/// So all ranges are known before the first is read.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, &[u8]>, Fault> {
    let mut found = BTreeMap::new();
    let mut ranges = Vec::new();
    for (name, entry) in directory(bytes)? {
        ranges.push((entry.range.clone(), name.clone()));
        if found.insert(name.clone(), entry).is_some() {
            let found = format_args!("entry {} twice in the zip archive", shown(&name));
            return Err(Fault::damaged(found, "one of each name"));
        }
    }
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    for [(before, first), (after, second)] in ranges.array_windows() {
        if after.start < before.end {
            let found = format_args!("entries {} and {}", shown(first), shown(second));
            return Err(Fault::damaged(found, "no bytes that are of both"));
        }
    }
    found
        .into_iter()
        .map(|(name, entry)| {
            let data = bytes.get(entry.range).unwrap_or_default();
            // 0 stands for none where the writer was told to leave it out.
            if entry.checksum != 0 && entry.checksum != rawzip::crc32(data) {
                let found =
                    format_args!("entry {}, which does not match its checksum", shown(&name));
                return Err(Fault::damaged(found, "bytes that do"));
            }
            Ok((name, data))
        })
        .collect()
}

/// A line of the archive's directory.
struct Entry {
    range: Range<usize>,
    checksum: u32,
}

/// The lines of the directory, of which nothing but names and places has been read.
fn directory(bytes: &[u8]) -> Result<Vec<(String, Entry)>, Fault> {
    let damaged = |error: rawzip::Error| {
        let found = format_args!("a damaged zip archive ({})", shown_message(&error.to_string()));
        Fault::damaged(found, "what torch.save writes")
    };
    let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
    let mut lines = Vec::new();
    let mut walk = archive.entries();
    while let Some(record) = walk.next_entry().map_err(damaged)? {
        let path = record.file_path();
        let name = str::from_utf8(path.as_bytes())
            .ok()
            .ok_or_else(|| Fault::damaged("a name in the zip archive that is not UTF-8", "text"))?;
        if record.compression_method() != CompressionMethod::STORE {
            return Err(Fault::foreign(
                format_args!("compressed entry {}", shown(name)),
                "one that is not, as torch.save writes",
                "unpack the archive and pack it again without compression",
            ));
        }
        let entry = archive.get_entry(record.wayfinder()).map_err(damaged)?;
        let (start, end) = entry.compressed_data_range();
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let range = range.map(|(start, end)| start..end);
        let range = range.filter(|range| bytes.get(range.clone()).is_some()).ok_or_else(|| {
            let found = format_args!("entry {} outside the zip archive", shown(name));
            Fault::damaged(found, "all of it inside")
        })?;
        lines.push((name.to_owned(), Entry { range, checksum: record.crc32() }));
    }
    Ok(lines)
}
