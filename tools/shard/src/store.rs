//! Opens the dataset that a command line names.

use std::io;
use std::path::Path;

use shard_format::{Access, Dataset, Folder, Storage};
use shard_store::{AccessMode, StoreError, StoreOptions, is_url};

use crate::cli::{AccessArgument, DatasetArguments, StoreArguments};

const GIB: f64 = (1_u64 << 30) as f64;

/// Opens the dataset of a reading command.
///
/// # Errors
/// See [`StoreError`].
pub(crate) fn open(arguments: &DatasetArguments) -> Result<Dataset, StoreError> {
    shard_store::open(&arguments.dataset, &options(&arguments.store)?)
}

/// The environment's options, with those of the command line over them.
///
/// # Errors
/// An environment variable means nothing.
pub(crate) fn options(arguments: &StoreArguments) -> Result<StoreOptions, StoreError> {
    let mut options = StoreOptions::from_environment()?;
    if let Some(access) = arguments.access {
        options.access = match access {
            AccessArgument::Auto => AccessMode::Auto,
            AccessArgument::Map => AccessMode::Map,
            AccessArgument::Pread => AccessMode::Read,
        };
    }
    if let Some(dir) = &arguments.cache_dir {
        options.cache_dir = Some(dir.clone());
    }
    if let Some(gib) = arguments.cache_gib {
        options.cache_bytes = (gib * GIB) as u64;
    }
    Ok(options)
}

/// Reads a small file that lies beside the index, at most `limit` bytes of it.
///
/// # Errors
/// There is none, it is larger, or it cannot be read.
pub(crate) fn read_beside_index(
    location: &Path,
    options: &StoreOptions,
    file: &str,
    limit: u64,
) -> io::Result<Vec<u8>> {
    if is_url(location) {
        return read_remote(location, options, file, limit);
    }
    let folder = Folder { dir: location.into(), access: Access::Read };
    folder.read(file, limit)
}

#[cfg(feature = "remote")]
fn read_remote(url: &Path, options: &StoreOptions, file: &str, limit: u64) -> io::Result<Vec<u8>> {
    let remote = shard_store::Remote::connect(url, options).map_err(io::Error::other)?;
    remote.read(file, limit)
}

#[cfg(not(feature = "remote"))]
fn read_remote(url: &Path, _: &StoreOptions, _: &str, _: u64) -> io::Result<Vec<u8>> {
    Err(io::Error::other(StoreError::WithoutRemote { url: url.into() }))
}
