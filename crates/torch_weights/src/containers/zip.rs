//! The zip archive: `data.pkl`, and one stored entry per storage under `data/`.
//!
//! Source: `_save` in `torch/serialization.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rawzip::{CompressionMethod, ZipArchive};

use super::{Container, Fault};
use crate::pickle::{References, parse};

const PICKLE: &str = "data.pkl";

pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Fault> {
    let entries = entries(bytes)?;
    // All entries lie in a folder with a name of the writer's choice.
    let folder = entries
        .keys()
        .filter_map(|name| name.strip_suffix(PICKLE))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .min_by_key(|folder| folder.len())
        .ok_or("a zip archive without data.pkl, expected what torch.save writes")?;
    let entry = |name: &str| entries.get(&format!("{folder}{name}")).copied();
    match entry("byteorder") {
        None | Some(b"little") => {}
        Some(_) => return Err("big-endian, expected little-endian".into()),
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

/// The entries by name, none of them compressed.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, &[u8]>, Fault> {
    let damaged = |error: rawzip::Error| Fault::Container(format!("damaged zip archive: {error}"));
    let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
    let mut found = BTreeMap::new();
    let mut walk = archive.entries();
    while let Some(record) = walk.next_entry().map_err(damaged)? {
        let name = str::from_utf8(record.file_path().as_bytes())
            .ok()
            .ok_or_else(|| Fault::from("damaged zip archive: a name is not UTF-8"))?;
        if record.compression_method() != CompressionMethod::STORE {
            return Err(Fault::Container(format!(
                "entry {name} is compressed, which torch.save never does; hint: unpack the \
                 archive and pack it again without compression"
            )));
        }
        let entry = archive.get_entry(record.wayfinder()).map_err(damaged)?;
        let (start, end) = entry.compressed_data_range();
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let data = range
            .and_then(|(start, end)| bytes.get(start..end))
            .ok_or("damaged zip archive: an entry lies outside the file")?;
        // 0 stands for none where the writer was told to leave it out.
        if record.crc32() != 0 && record.crc32() != rawzip::crc32(data) {
            return Err(Fault::Container(format!("entry {name} does not match its checksum")));
        }
        found.insert(name.to_owned(), data);
    }
    Ok(found)
}
