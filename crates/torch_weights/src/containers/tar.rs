//! The tar archive: `sys_info`, `storages`, `tensors` and `pickle`.
//!
//! `storages` and `tensors` each begin with a pickled count; then come, for each, a pickled tuple
//! and binary fields.
//!
//! Source: `legacy_load` in `torch/serialization.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Container, Fault, require_little_endian};
use crate::element::Element;
use crate::pickle::{Global, Node, Parsed, PickleError, References, parse};
use crate::shown::shown;
use crate::view::{MAX_AXES, Storage, View};

const BLOCK: usize = 512;

/// Bytes and element type of the storages by key.
type Storages<'a> = BTreeMap<i64, (Element, &'a [u8])>;

pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Fault> {
    let entries = entries(bytes)?;
    let entry = |name: &str| {
        let missing = || {
            Fault::foreign(
                format_args!("a tar archive without {name}"),
                "sys_info, storages, tensors and pickle, as torch wrote before 0.1.10",
                "it may be truncated, or hold a weights file; unpack it and look",
            )
        };
        entries.get(name).copied().ok_or_else(missing)
    };
    require_little_endian(&parse(entry("sys_info")?, &References::Refused)?)?;
    let storages = read_storages(entry("storages")?)?;
    let tensors = read_tensors(entry("tensors")?, &storages)?;
    let pickle = parse(entry("pickle")?, &References::Tensors(&tensors))?;
    let storages =
        storages.iter().map(|(key, (_, data))| (Cow::Owned(key.to_string()), *data)).collect();
    Ok(Container { pickle, storages })
}

/// The plain files of the archive by name.
fn entries(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>, Fault> {
    let mut found = BTreeMap::new();
    let mut rest = bytes;
    // Two blocks of zeros end the archive.
    while let Some((header, after)) = rest.split_first_chunk::<BLOCK>()
        && header[0] != 0
    {
        let at = bytes.len() - rest.len();
        let unreadable = |what: &'static str| {
            let found = format!("a tar header at byte {at} with an unreadable {what}");
            move || Fault::damaged(found, "the header of a file")
        };
        let name = text(&header[..100]).ok_or_else(unreadable("name"))?;
        let size = text(&header[124..136]).map(str::trim).ok_or_else(unreadable("size"))?;
        let size = usize::from_str_radix(size, 8).ok().ok_or_else(unreadable("size"))?;
        let (data, _) = after.split_at_checked(size).ok_or_else(|| {
            let found = format_args!("{} bytes of {}", after.len(), shown(name));
            Fault::damaged(found, &format!("{size} as its tar header says"))
        })?;
        // Others are folders and remarks on the next file.
        if matches!(header[156], 0 | b'0') {
            found.insert(name.strip_prefix("./").unwrap_or(name), data);
        }
        rest = after.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    Ok(found)
}

/// Text up to the first zero.
fn text(field: &[u8]) -> Option<&str> {
    str::from_utf8(field.split(|&byte| byte == 0).next()?).ok()
}

fn read_storages(bytes: &[u8]) -> Result<Storages<'_>, Fault> {
    let mut cursor = Cursor { rest: bytes };
    let mut storages = Storages::new();
    for _ in 0..cursor.count()? {
        let fields = cursor.pickle()?;
        let wrong = || Fault::damaged("no description of a storage", "its key, place and class");
        let Some([Node::Int(key), _, Node::Global(Global::Storage(Some(element)))]) =
            fields.fields(fields.root())
        else {
            return Err(wrong());
        };
        let length = cursor.size()?.checked_mul(element.size()).ok_or_else(wrong)?;
        storages.insert(*key, (*element, cursor.take(length)?));
    }
    let views = cursor.pickle()?;
    let no_list = || Fault::damaged("no list of views of storages", "one after the storages");
    for view in views.items(views.root()).ok_or_else(no_list)? {
        let wrong = || Fault::damaged("a view of no storage", "a range of one in the file");
        let Some([Node::Int(key), Node::Int(root), Node::Int(start), Node::Int(length)]) =
            views.fields(view)
        else {
            return Err(wrong());
        };
        let (element, data) = storages.get(root).copied().ok_or_else(wrong)?;
        let bytes = |count: &i64| usize::try_from(*count).ok()?.checked_mul(element.size());
        let range = bytes(start).and_then(|start| Some(start..start.checked_add(bytes(length)?)?));
        let data = range.and_then(|range| data.get(range)).ok_or_else(wrong)?;
        storages.insert(*key, (element, data));
    }
    Ok(storages)
}

fn read_tensors<'a>(
    bytes: &'a [u8],
    storages: &Storages<'_>,
) -> Result<BTreeMap<i64, View<'a>>, Fault> {
    let mut cursor = Cursor { rest: bytes };
    let mut tensors = BTreeMap::new();
    for _ in 0..cursor.count()? {
        let fields = cursor.pickle()?;
        let Some([Node::Int(key), Node::Int(storage), _]) = fields.fields(fields.root()) else {
            return Err(Fault::damaged("no description of a tensor", "its key, storage and class"));
        };
        // The rank was once written as eight bytes.
        let axes = cursor.size()? & 0xffff_ffff;
        if axes > MAX_AXES {
            return Err(Fault::damaged(
                format_args!("{axes} axes"),
                &format!("at most {MAX_AXES}"),
            ));
        }
        let shape = (0..axes).map(|_| cursor.size()).collect::<Result<_, _>>()?;
        let strides = (0..axes).map(|_| cursor.size()).collect::<Result<_, _>>()?;
        let offset = cursor.size()?;
        let &(element, data) = storages
            .get(storage)
            .ok_or_else(|| Fault::damaged("a tensor without its storage", "one in the file"))?;
        let storage = Storage {
            key: Cow::Owned(storage.to_string()),
            element: Some(element),
            length: data.len() / element.size(),
            start: 0,
        };
        tensors.insert(*key, View { storage, element, offset, shape, strides });
    }
    Ok(tensors)
}

/// Pickles and numbers one after another.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn pickle(&mut self) -> Result<Parsed<'a>, PickleError> {
        let parsed = parse(self.rest, &References::Refused)?;
        self.rest = self.rest.get(parsed.length..).unwrap_or_default();
        Ok(parsed)
    }

    /// A pickled count; a wrong one ends with the bytes.
    fn count(&mut self) -> Result<usize, Fault> {
        let count = match self.pickle()?.root() {
            Node::Int(count) => usize::try_from(*count).ok(),
            _ => None,
        };
        count.ok_or_else(|| Fault::damaged("no count", "one before what it counts"))
    }

    /// A number of eight bytes.
    fn size(&mut self) -> Result<usize, Fault> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(ends)?;
        self.rest = rest;
        usize::try_from(u64::from_le_bytes(*number))
            .ok()
            .ok_or_else(|| Fault::damaged("a size beyond all memory", "one of this machine's"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(ends)?;
        self.rest = rest;
        Ok(bytes)
    }
}

fn ends() -> Fault {
    Fault::damaged("the end of an archived file", "more numbers")
}
