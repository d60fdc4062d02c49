//! What can go wrong before a dataset is open.

use std::path::PathBuf;

use shard_format::ReadError;

/// Why a dataset could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The dataset itself cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An environment variable has a value that means nothing.
    #[error("{variable}: {found:?}, expected {expected}")]
    Environment {
        /// Name of the variable.
        variable: &'static str,
        /// Its value.
        found: String,
        /// The values allowed.
        expected: &'static str,
    },
    /// The location is a URL that cannot be used.
    #[error("{}: {found}, expected {expected}", url.display())]
    Url {
        /// The location.
        url: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The programs were built without the feature that reads URLs.
    #[error("{}: a URL, expected a folder, because this build cannot read URLs; hint: build with the feature `remote`, or copy the dataset into a folder", url.display())]
    WithoutRemote {
        /// The location.
        url: PathBuf,
    },
    /// The connection to an object store could not be set up.
    #[error("{}: cannot set up the connection: {reason}; hint: check the environment variables of the store (AWS_*, GOOGLE_*, AZURE_*)", url.display())]
    Connect {
        /// The location.
        url: PathBuf,
        /// What the object store's library says.
        reason: String,
    },
}
