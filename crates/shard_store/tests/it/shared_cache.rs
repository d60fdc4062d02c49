//! One cache under several readers at once.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use shard_store::{StoreOptions, open};

use crate::s3_server::{S3Server, URL, options};
use crate::samples;

const ROUNDS: usize = 2;
const BLOCK_FILE_BYTES: u64 = (1 << 20) + 80;
/// A quarter of the dataset, so that blocks are deleted all the time.
const CACHE_BYTES: u64 = 3 * BLOCK_FILE_BYTES;
/// Tells a process started by the test below where to read.
const READER: &str = "PINMEM_TEST_READER";

fn read_again_and_again(address: SocketAddr, cache_dir: &Path) {
    let options = StoreOptions { cache_bytes: CACHE_BYTES, ..options(address, cache_dir) };
    for _ in 0..ROUNDS {
        samples::check_all(&open(Path::new(URL), &options).unwrap(), 1);
    }
}

/// Runs in the processes that the other test starts; on its own it has nothing to read.
#[test]
fn a_second_process_reads_every_pixel_right() {
    let Ok(reader) = env::var(READER) else { return };
    let (address, cache_dir) = reader.split_once(' ').unwrap();
    read_again_and_again(address.parse().unwrap(), Path::new(cache_dir));
}

#[test]
fn two_processes_and_two_threads_share_a_small_cache() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let reader = start_reader(server.address, cache.path());
    let done = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(bytes_of_blocks(&cache.path().join("remote-blocks")));
                // Long enough to let the others in.
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let here = || read_again_and_again(server.address, cache.path());
        let readers = [scope.spawn(here), scope.spawn(here)];
        let results = readers.map(|reader| reader.join());
        let output = reader.wait_with_output().unwrap();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        watcher.join().unwrap()
    });
    assert!(most >= 2 * BLOCK_FILE_BYTES, "the cache was used: {most}");
    assert!(most <= CACHE_BYTES, "the bound held: {most}");
}

#[test]
fn datasets_in_the_folder_named_for_the_cache_stay_whole() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let names = ["shards", "shards/toy", "toy", "remote-blocks/toy"];
    let datasets = names.map(|name| cache.path().join(name));
    for dataset in &datasets {
        fs::create_dir_all(dataset).unwrap();
        samples::pack(dataset, 2);
    }
    read_again_and_again(server.address, cache.path());
    for dataset in &datasets {
        samples::check_all(&open(dataset, &StoreOptions::default()).unwrap(), 2);
    }
}

fn start_reader(address: SocketAddr, cache_dir: &Path) -> Child {
    let test = "shared_cache::a_second_process_reads_every_pixel_right";
    Command::new(env::current_exe().unwrap())
        .args([test, "--exact"])
        .env(READER, format!("{address} {}", cache_dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Bytes of all blocks in the cache; those being written are not in it yet. The lock keeps blocks
/// from coming and going meanwhile.
fn bytes_of_blocks(dir: &Path) -> u64 {
    let Ok(size_file) = File::open(dir.join("size")) else { return 0 };
    size_file.lock().unwrap();
    let folders = fs::read_dir(dir).into_iter().flatten().flatten();
    folders
        .filter(|folder| folder.file_name().len() == 64)
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten())
        .map(|file| file.metadata().map_or(0, |metadata| metadata.len()))
        .sum()
}
