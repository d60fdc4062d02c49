//! Opens a dataset by the location that a user wrote.

use std::path::Path;
use std::sync::Arc;

use shard_format::{Dataset, Folder};

use crate::error::StoreError;
use crate::file_system;
use crate::options::StoreOptions;
use crate::stats::StoreCounters;

/// Opens the dataset at `location`, a folder or a URL; see the [crate]'s page.
///
/// # Errors
/// There is no dataset, it was altered, the URL or a setting is wrong, or the store cannot be
/// reached.
pub fn open(location: &Path, options: &StoreOptions) -> Result<Dataset, StoreError> {
    open_counted(location, options).map(|(dataset, _)| dataset)
}

/// As [`open`], and lends the counters of the connection.
///
/// # Errors
/// As [`open`].
pub fn open_counted(
    location: &Path,
    options: &StoreOptions,
) -> Result<(Dataset, StoreCounters), StoreError> {
    if is_url(location) {
        return open_url(location, options);
    }
    let access = file_system::access(options.access, location);
    let dataset = Dataset::open_in(Arc::new(Folder { dir: location.to_owned(), access }))?;
    Ok((dataset, StoreCounters::default()))
}

/// Whether `location` is a URL rather than a folder: whether it contains `://`.
pub fn is_url(location: &Path) -> bool {
    location.to_str().is_some_and(|text| text.contains("://"))
}

#[cfg(feature = "remote")]
fn open_url(url: &Path, options: &StoreOptions) -> Result<(Dataset, StoreCounters), StoreError> {
    let remote = crate::remote::Remote::connect(url, options)?;
    let counters = remote.counters();
    Ok((Dataset::open_in(Arc::new(remote))?, counters))
}

#[cfg(not(feature = "remote"))]
fn open_url(url: &Path, _options: &StoreOptions) -> Result<(Dataset, StoreCounters), StoreError> {
    Err(StoreError::WithoutRemote { url: url.to_owned() })
}
