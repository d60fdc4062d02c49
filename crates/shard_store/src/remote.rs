//! Datasets behind a URL.

mod address;
mod background;
mod cache_block;
mod cache_names;
mod cache_size;
mod connect;
mod disk_cache;
mod fault;
mod fetch;
mod file;
mod flights;
mod observed;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shard_format::{ShardFile, Storage};

use crate::error::StoreError;
use crate::options::StoreOptions;
use crate::stats::{Counters, Stats, StoreCounters};
use address::Address;
use background::{Background, Gate};
use disk_cache::DiskCache;
use fault::Fault;
use fetch::Fetcher;
use file::RemoteFile;
use flights::Flights;

/// How many requests for blocks run at once.
const REQUESTS_AT_ONCE: usize = 16;

/// A connection to the folder of one dataset in an object store or on a web server.
///
/// Shards are fetched in blocks of 1 MiB, adjacent ones of one request together, by a few threads
/// that end with the connection and its open files. Fetched blocks go to the disk cache, which
/// any number of connections and processes may share: `remote-blocks` in
/// [`cache_dir`](StoreOptions::cache_dir). It never exceeds
/// [`cache_bytes`](StoreOptions::cache_bytes) by more than the blocks being written, and deletes
/// those that were used longest ago; files that it did not write are neither counted nor deleted.
/// Where it cannot be written, a warning is logged once and
/// reading goes on. Nothing is cached on disk from a server that gives neither ETag nor
/// modification time.
///
/// Refused and broken connections, silence, and the answers 408, 429 and 5xx count as passing: the
/// request is made again, after a break-off from the byte that was reached. An object that changes
/// while it is open is an error.
///
/// Must be dropped outside of asynchronous code.
#[derive(Debug, Clone)]
pub struct Remote {
    address: Arc<Address>,
    link: Arc<Link>,
}

/// What a connection and its files share.
#[derive(Debug)]
struct Link {
    core: Arc<Core>,
    gate: Arc<Gate>,
    background: Background,
}

/// What the background threads use. They must not own the [`Link`], which joins them.
#[derive(Debug)]
struct Core {
    fetcher: Fetcher,
    flights: Arc<Flights>,
    cache: Option<DiskCache>,
}

impl Remote {
    /// Prepares the connection to the dataset at `url`; nothing is sent yet.
    ///
    /// # Errors
    /// The URL or a setting of the store cannot be used.
    pub fn connect(url: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let text = url.to_str().ok_or_else(|| StoreError::Url {
            url: url.to_owned(),
            found: "text that is no UTF-8".into(),
            expected: "a URL",
        })?;
        let address = Address::parse(text).map_err(|(found, expected)| StoreError::Url {
            url: url.to_owned(),
            found,
            expected,
        })?;
        let connect_error = |reason| StoreError::Connect { url: url.to_owned(), reason };
        let counters = Arc::<Counters>::default();
        let store = connect::connect(&address, &options.store, &counters).map_err(connect_error)?;
        let background = Background::start().map_err(|error| connect_error(error.to_string()))?;
        let cache = cache_dir(options)
            .map(|dir| DiskCache::new(dir, options.cache_bytes, counters.clone()));
        let fetcher = Fetcher { store, retries: options.retries, counters };
        let core = Arc::new(Core { fetcher, flights: Arc::default(), cache });
        let gate = Arc::new(Gate::new(REQUESTS_AT_ONCE));
        Ok(Self { address: Arc::new(address), link: Arc::new(Link { core, gate, background }) })
    }

    /// What this connection has done so far.
    pub fn stats(&self) -> Stats {
        self.link.core.fetcher.counters.stats()
    }

    /// Counts on while the files of this connection are read.
    pub(crate) fn counters(&self) -> StoreCounters {
        StoreCounters { remote: Some(self.link.core.fetcher.counters.clone()) }
    }

    fn url(&self, file: &str) -> String {
        format!("{}/{file}", self.address.url)
    }
}

impl Storage for Remote {
    fn location(&self, file: &str) -> PathBuf {
        self.url(file).into()
    }

    fn read(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        let (core, path) = (self.link.core.clone(), self.address.prefix.clone().join(file));
        let read = async move { core.fetcher.whole(&path, limit).await };
        Ok(self.link.background.wait(read).unwrap_or(Err(Fault::Closed))?)
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn ShardFile>> {
        let (core, path) = (self.link.core.clone(), self.address.prefix.clone().join(file));
        let head = async move { core.fetcher.head(&path).await };
        let object = self.link.background.wait(head).unwrap_or(Err(Fault::Closed))?;
        Ok(Box::new(RemoteFile::new(self.link.clone(), &self.url(file), object)))
    }
}

/// Folder of the blocks; `None` where there is no place for it or it is turned off.
fn cache_dir(options: &StoreOptions) -> Option<PathBuf> {
    if options.cache_bytes == 0 {
        return None;
    }
    let of_user = || {
        let variable = |name| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let caches =
            variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        if caches.is_none() {
            tracing::warn!("no disk cache, as HOME is not set; hint: set PINMEM_CACHE_DIR");
        }
        Some(caches?.join("pinmem"))
    };
    Some(options.cache_dir.clone().or_else(of_user)?.join(cache_names::CACHE_FOLDER))
}
