//! A dataset on a plain web server.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use shard_format::{Dataset, Storage};
use shard_store::{Remote, StoreOptions, open_counted};

use crate::samples;
use crate::web_server::{Conditions, GOOD, Manners, Version, WebServer};

fn options(cache_dir: &Path) -> StoreOptions {
    StoreOptions { cache_dir: Some(cache_dir.to_owned()), ..StoreOptions::default() }
}

fn connect(server: &WebServer, cache_dir: &Path) -> (Remote, Dataset) {
    let remote = Remote::connect(Path::new(&server.url()), &options(cache_dir)).unwrap();
    let dataset = Dataset::open_in(Arc::new(remote.clone())).unwrap();
    (remote, dataset)
}

#[test]
fn every_pixel_is_right_whatever_the_server_tells_of_versions() {
    for version in [Version::ETag, Version::WeakETag, Version::LastModified, Version::Nothing] {
        let cache = tempfile::tempdir().unwrap();
        let server = WebServer::start(Manners { version, ..GOOD }, 1);
        samples::check_all(&connect(&server, cache.path()).1, 1);
        let (remote, dataset) = connect(&server, cache.path());
        samples::check_all(&dataset, 1);
        // Without a version, a later run could take old blocks for those of a new dataset.
        let cached = remote.stats().bytes_fetched < 10_000;
        assert_eq!(cached, version != Version::Nothing, "{version:?}: {:?}", remote.stats());
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(Manners { busy: 3, ..GOOD }, 1);
    let (remote, dataset) = connect(&server, cache.path());
    samples::check_all(&dataset, 1);
    assert_eq!(remote.stats().retries, 3);
}

#[test]
fn the_counters_of_an_open_dataset_go_on_counting() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(GOOD, 1);
    let url = server.url();
    let (dataset, counters) = open_counted(Path::new(&url), &options(cache.path())).unwrap();
    let opened = counters.stats();
    samples::check_all(&dataset, 1);
    let read = counters.stats().since(&opened);
    // Three shards of a little more than four blocks, of which opening took the first and the last.
    assert_eq!((read.cache_misses, read.bytes_fetched), (9, 9 << 20));
    samples::check_all(&dataset, 1);
    assert_eq!(counters.stats().since(&opened).cache_misses, 9);
}

#[test]
fn a_server_without_ranges_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(Manners { ranges: false, ..GOOD }, 1);
    let remote = Remote::connect(Path::new(&server.url()), &options(cache.path())).unwrap();
    let error = Dataset::open_in(Arc::new(remote)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}/toy-00000.shard: cannot read the shard: the server ignores ranges, expected one that sends \
             parts of a file; hint: copy the dataset into a folder, or serve it with another \
             program",
            server.url()
        )
    );
}

#[test]
fn a_changed_file_is_noticed_by_its_etag_and_by_the_condition() {
    for conditions in [Conditions::Heeded, Conditions::Ignored, Conditions::Misjudged] {
        let cache = tempfile::tempdir().unwrap();
        let server = WebServer::start(Manners { conditions, ..GOOD }, 1);
        let remote = Remote::connect(Path::new(&server.url()), &options(cache.path())).unwrap();
        let file = server.dataset().join("toy-00000.shard");
        fs::write(&file, vec![1; 10]).unwrap();
        let shard = remote.open("toy-00000.shard").unwrap();
        fs::write(&file, vec![2; 10]).unwrap();
        assert_eq!(
            shard.read_at(0, &mut [0]).unwrap_err().to_string(),
            "changed since it was opened: ETag \"42aa4661\" and 10 bytes, expected ETag \
             \"b3662b6e\" and 10 bytes; hint: the dataset was written anew, start again to read \
             the new one"
        );
    }
}

#[test]
fn a_server_that_misjudges_conditions_is_read_without() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(Manners { conditions: Conditions::Misjudged, ..GOOD }, 1);
    samples::check_all(&connect(&server, cache.path()).1, 1);
}

#[test]
fn a_missing_index_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(GOOD, 1);
    let url = format!("http://{}/other", server.address);
    let error = shard_store::open(Path::new(&url), &options(cache.path())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{url}/index.json: not found, expected the index of a packed dataset; hint: name the \
             folder that `shard pack` wrote, and pack again if packing was interrupted"
        )
    );
}
