//! Opens packed datasets wherever they lie: in a folder, on a network file system, behind a URL.
//!
//! [`open`] takes a location as a user writes it and gives back a
//! [`Dataset`](shard_format::Dataset).
//!
//! - A folder on a local disk is memory-mapped. On a network file system it is read by `pread`,
//!   because there a fault in a memory map kills the process instead of returning an error.
//! - A URL (`s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
//!   `http://host/path`, `https://host/path`) is read by ranges, through a disk cache that
//!   processes share. `Remote` says more; it needs the feature `remote`, which is on by default.
//!
//! `s3://` is tested against an S3 server and `http://` against web servers of good and bad
//! manners. `gs://` and `az://` are tested as far as a plain web server goes (connecting, reading
//! by ranges, servers that are down), not against the services, their credentials or
//! emulators of them; nor is the encryption of `https://`.
#![forbid(unsafe_code)]

mod error;
mod file_system;
mod location;
mod options;
#[cfg(feature = "remote")]
mod remote;
mod stats;

pub use error::StoreError;
pub use location::{is_url, open, open_counted};
pub use options::{AccessMode, StoreOptions};
#[cfg(feature = "remote")]
pub use remote::Remote;
pub use stats::{Stats, StoreCounters};
