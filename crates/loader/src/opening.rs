//! Opening the shards of all streams, within the consumer's patience.

use std::collections::BTreeSet;
use std::sync::Arc;

use crossbeam_channel::bounded;

use crate::domain::{Domain, open_domains};
use crate::error::LoaderError;
use crate::options::LoaderOptions;

/// Opens all shards, on a thread of its own that is left behind if the storage does not answer.
pub(crate) fn open_patiently(options: &LoaderOptions) -> Result<Vec<Arc<Domain>>, LoaderError> {
    let Some(patience) = options.patience else {
        return open_domains(&options.streams, &options.store);
    };
    let (send, opened) = bounded(1);
    let (domains, store) = (options.streams.clone(), options.store.clone());
    std::thread::Builder::new()
        .name("loader-open".to_owned())
        // Nobody may be waiting any more.
        .spawn(move || drop(send.send(open_domains(&domains, &store))))
        .map_err(|source| LoaderError::Spawn { worker: 0, workers: 1, source })?;
    opened.recv_timeout(patience).unwrap_or_else(|_| {
        let folders = options.streams.iter().flat_map(|source| &source.shards);
        let folders: BTreeSet<String> = folders.map(|path| path.display().to_string()).collect();
        let folders = Vec::from_iter(folders).join(", ");
        Err(LoaderError::OpeningStalled { folders, patience })
    })
}
