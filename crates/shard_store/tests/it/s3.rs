//! A dataset in an S3 bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use shard_format::{Dataset, Decoder, Window};
use shard_store::{Remote, StoreOptions, open};

use crate::s3_server::{S3Server, URL, options};
use crate::{proxy, samples};

const SMALL: Window = Window { x: 10, y: 10, width: 64, height: 64 };

fn connect(options: &StoreOptions) -> (Remote, Dataset) {
    let remote = Remote::connect(Path::new(URL), options).unwrap();
    let dataset = Dataset::open_in(Arc::new(remote.clone())).unwrap();
    (remote, dataset)
}

/// The files of all cached blocks, in order.
fn blocks(cache_dir: &Path) -> Vec<PathBuf> {
    let mut blocks = Vec::new();
    for folder in fs::read_dir(cache_dir.join("remote-blocks")).unwrap() {
        let folder = folder.unwrap();
        if folder.file_type().unwrap().is_dir() {
            let files = fs::read_dir(folder.path()).unwrap();
            blocks.extend(files.map(|file| file.unwrap().path()));
        }
    }
    blocks.sort();
    blocks
}

#[test]
fn every_pixel_is_that_of_the_local_dataset() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let dataset = open(Path::new(URL), &options(server.address, cache.path())).unwrap();
    samples::check_all(&dataset, 1);
}

#[test]
fn a_small_window_fetches_a_part_of_its_shard() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let (remote, dataset) = connect(&options(server.address, cache.path()));
    let opened = remote.stats();
    // First and last block of each shard hold its header and its directory.
    assert!(opened.bytes_fetched < samples::SAMPLES as u64 * samples::SHARD_BYTES * 2 / 3);
    dataset.read_image(0, SMALL, &mut Decoder::new()).unwrap();
    // The tile lies in the first block, which opening has left in memory.
    assert_eq!(remote.stats().bytes_fetched, opened.bytes_fetched);
    let low = Window { y: 700, ..SMALL };
    dataset.read_image(0, low, &mut Decoder::new()).unwrap();
    let read = remote.stats();
    assert_eq!(read.bytes_fetched - opened.bytes_fetched, 1 << 20);
    assert_eq!((read.requests - opened.requests, read.retries), (1, 0));
    assert_eq!(read.since(&opened).cache_misses, 1);
}

#[test]
fn adjacent_blocks_come_by_one_request() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let (remote, dataset) = connect(&options(server.address, cache.path()));
    let opened = remote.stats();
    dataset.read_image(1, samples::WHOLE, &mut Decoder::new()).unwrap();
    let read = remote.stats();
    // The image ends in the fourth block, and opening has fetched the first.
    assert_eq!(read.bytes_fetched - opened.bytes_fetched, 3 << 20);
    assert_eq!(read.requests - opened.requests, 1);
}

#[test]
fn a_dataset_packed_anew_is_read_anew() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let options = options(server.address, cache.path());
    samples::check_all(&connect(&options).1, 1);
    fs::remove_dir_all(server.dataset()).unwrap();
    fs::create_dir(server.dataset()).unwrap();
    samples::pack(&server.dataset(), 2);
    samples::check_all(&connect(&options).1, 2);
}

#[test]
fn what_was_fetched_once_is_read_from_the_disk() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let options = options(server.address, cache.path());
    samples::check_all(&connect(&options).1, 1);
    let (remote, dataset) = connect(&options);
    samples::check_all(&dataset, 1);
    let stats = remote.stats();
    // The index, and the version of each shard.
    assert_eq!(stats.requests, 1 + samples::SAMPLES as u64);
    assert!(stats.bytes_fetched < 10_000, "{stats:?}");
    assert!(stats.cache_hits > 10, "{stats:?}");
    assert_eq!(stats.cache_misses, 0);
}

#[test]
fn a_damaged_block_in_the_cache_is_fetched_again() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let options = options(server.address, cache.path());
    samples::check_all(&connect(&options).1, 1);
    let files = blocks(cache.path());
    let mut bytes = fs::read(&files[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&files[1], &bytes).unwrap();
    fs::write(&files[4], &fs::read(&files[4]).unwrap()[..100]).unwrap();
    let (remote, dataset) = connect(&options);
    samples::check_all(&dataset, 1);
    assert_eq!(remote.stats().blocks_dropped, 2);
    assert_eq!(blocks(cache.path()), files);
    let (remote, dataset) = connect(&options);
    samples::check_all(&dataset, 1);
    assert_eq!(remote.stats().blocks_dropped, 0);
}

#[test]
fn many_threads_fetch_each_block_once() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let (remote, dataset) = connect(&options(server.address, cache.path()));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| samples::check_all(&dataset, 1));
        }
    });
    let stats = remote.stats();
    let stored: u64 = fs::read_dir(server.dataset())
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(stats.bytes_fetched, stored);
}

#[test]
fn reading_goes_on_where_there_is_no_cache() {
    let (server, folder) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let unwritable = options(server.address, &file.join("cache"));
    samples::check_all(&connect(&unwritable).1, 1);
    let cache_dir = folder.path().join("off");
    let off = StoreOptions { cache_bytes: 0, ..options(server.address, &cache_dir) };
    samples::check_all(&connect(&off).1, 1);
    assert!(!cache_dir.exists());
}

#[test]
fn connections_that_break_off_are_taken_up_again_at_the_byte_reached() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let proxy = proxy::start(server.address, 700_000);
    // Fewer retries than breaks in one request: what brings bytes does not count as failed.
    let options = StoreOptions { retries: 2, ..options(proxy, cache.path()) };
    let (remote, dataset) = connect(&options);
    samples::check_all(&dataset, 1);
    let stats = remote.stats();
    let stored: u64 = samples::SAMPLES as u64 * samples::SHARD_BYTES;
    assert!(stats.retries >= stored / 700_000, "{stats:?}");
    // Bytes that the client dropped together with the connection came twice, all others once.
    assert!(stats.bytes_fetched < stored * 5 / 4, "{stats:?}");
}
