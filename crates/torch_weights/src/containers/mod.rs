//! The files that `torch.save` has written over the years: where the pickle and the storages lie.

mod legacy;
mod tar;
mod zip;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::pickle::{Node, Parsed, PickleError};

/// A kind of weights file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Zip archive, of PyTorch 1.6 and later.
    TorchZip,
    /// Pickles one after another, of PyTorch 0.1.10 to 1.5.
    TorchLegacy,
    /// Tar archive, of PyTorch before 0.1.10, such as `resnet50-19c8e357.pth` of torchvision.
    TorchTar,
    /// Safetensors.
    Safetensors,
}

impl Format {
    /// The kind that the first bytes of a file tell.
    pub(crate) fn detect(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
        if bytes.starts_with(b"PK\x03\x04") {
            Some(Self::TorchZip)
        } else if bytes.get(257..262) == Some(b"ustar") {
            Some(Self::TorchTar)
        } else if bytes.get(8) == Some(&b'{') && header.is_some_and(|n| n < bytes.len() as u64) {
            Some(Self::Safetensors)
        } else if bytes.first() == Some(&0x80) {
            Some(Self::TorchLegacy)
        } else {
            None
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TorchZip => "a PyTorch file (zip)",
            Self::TorchLegacy => "a PyTorch file (before 1.6)",
            Self::TorchTar => "a PyTorch file (tar, before 0.1.10)",
            Self::Safetensors => "a safetensors file",
        })
    }
}

/// A PyTorch file with its pickle parsed.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    /// The saved object.
    pub(crate) pickle: Parsed<'a>,
    /// Bytes of the storages by key.
    pub(crate) storages: BTreeMap<Cow<'a, str>, &'a [u8]>,
}

/// What is wrong with a PyTorch file.
#[derive(Debug)]
pub(crate) enum Fault {
    Pickle(PickleError),
    Container(String),
}

impl From<PickleError> for Fault {
    fn from(error: PickleError) -> Self {
        Self::Pickle(error)
    }
}

impl Fault {
    /// `found` in a file that is not as its writer left it.
    fn damaged(found: impl fmt::Display, expected: &str) -> Self {
        Self::Container(format!("found {found}, expected {expected}; {DAMAGED}"))
    }

    /// `found` in a file that may be whole and is not for us.
    fn foreign(found: impl fmt::Display, expected: &str, hint: &str) -> Self {
        Self::Container(format!("found {found}, expected {expected}; hint: {hint}"))
    }
}

/// What may have happened to a file that contradicts itself.
pub(crate) const DAMAGED: &str = "hint: the file may be truncated or damaged";

/// Opens a PyTorch file of the given kind.
pub(crate) fn open(format: Format, bytes: &[u8]) -> Result<Container<'_>, Fault> {
    match format {
        Format::TorchZip => zip::open(bytes),
        Format::TorchLegacy => legacy::open(bytes),
        Format::TorchTar => tar::open(bytes),
        Format::Safetensors => Err(Fault::damaged("a safetensors file", "a PyTorch file")),
    }
}

/// Refuses what a machine with the other order of bytes wrote.
fn require_little_endian(system: &Parsed<'_>) -> Result<(), Fault> {
    let entries = system.entries(system.root()).unwrap_or_default();
    match entries.get("little_endian") {
        Some(Node::Bool(true)) => Ok(()),
        Some(Node::Bool(false)) => Err(big_endian()),
        _ => Err(Fault::damaged("no order of bytes", "little_endian in its description")),
    }
}

fn big_endian() -> Fault {
    Fault::foreign(
        "big-endian",
        "little-endian",
        "load it with torch and save it on a machine of the usual order of bytes",
    )
}
