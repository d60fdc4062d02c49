//! Pickles one after another: magic number, version, system, object, keys, and then the storages.
//!
//! Source: `_legacy_save` and `_legacy_load` in `torch/serialization.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Container, Fault, require_little_endian};
use crate::pickle::{Node, Parsed, PickleError, References, parse};
use crate::shown::shown;

/// 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Fault> {
    let mut rest = bytes;
    let magic = next(&mut rest, &References::Refused)?;
    if !matches!(magic.root(), Node::Long(magic) if **magic == MAGIC) {
        return Err(Fault::foreign(
            "a pickle without PyTorch's magic number",
            "what torch.save writes",
            "load it with the program that wrote it, and save its state_dict with torch",
        ));
    }
    if !matches!(next(&mut rest, &References::Refused)?.root(), Node::Int(VERSION)) {
        return Err(Fault::damaged("another version of the format", "1001, the only one"));
    }
    require_little_endian(&next(&mut rest, &References::Refused)?)?;
    let pickle = next(&mut rest, &References::Storages)?;
    let keys = next(&mut rest, &References::Refused)?;
    let sizes = sizes(&pickle);
    let no_list = || Fault::damaged("no list of storages", "one after the pickle");
    let mut storages = BTreeMap::new();
    for key in keys.items(keys.root()).ok_or_else(no_list)? {
        let key = match key {
            Node::Text(key) => Cow::Borrowed(*key),
            Node::Int(key) => Cow::Owned(key.to_string()),
            _ => return Err(Fault::damaged("a storage's key of another kind", "text or a number")),
        };
        let truncated = || {
            let found = format_args!("the end of the file before that of storage {}", shown(&key));
            Fault::damaged(found, "all its elements")
        };
        let size = *sizes.get(&key).ok_or_else(|| {
            let found = format_args!("storage {} without a tensor", shown(&key));
            Fault::damaged(found, "one that says how large an element is")
        })?;
        let (count, after) = rest.split_first_chunk().ok_or_else(truncated)?;
        let length = usize::try_from(u64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(size))
            .ok_or_else(truncated)?;
        let (data, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        storages.insert(key, data);
        rest = after;
    }
    Ok(Container { pickle, storages })
}

/// Bytes of one element of each storage that the pickle refers to.
fn sizes<'a>(pickle: &Parsed<'a>) -> BTreeMap<Cow<'a, str>, usize> {
    let storages = pickle.nodes().iter().filter_map(|node| match node {
        Node::Storage(storage) => Some(storage),
        _ => None,
    });
    storages
        .map(|storage| (storage.key.clone(), storage.element.map_or(1, |element| element.size())))
        .collect()
}

/// Parses the pickle that `rest` begins with, and moves on.
fn next<'a>(
    rest: &mut &'a [u8],
    references: &References<'a, '_>,
) -> Result<Parsed<'a>, PickleError> {
    let parsed = parse(rest, references)?;
    *rest = rest.get(parsed.length..).unwrap_or_default();
    Ok(parsed)
}
