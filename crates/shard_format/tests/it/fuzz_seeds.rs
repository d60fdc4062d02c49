//! Runs what the fuzz targets run over the seeds and the corpus that are checked in with them.

use std::path::{Path, PathBuf};

use crate::hostile::{open_and_read, resealed};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files in `fuzz/seeds/NAME`, by name.
fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    files(&fuzz().join("seeds").join(name))
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> =
        folder.read_dir().expect("seeds").map(|file| file.expect("a seed").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a seed"))).collect()
}

#[test]
fn every_seed_shard_reads_without_an_error_with_its_preset() {
    for (path, shard) in seeds("open_and_read") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let reports = open_and_read(&shard);
        if name.starts_with("valid") {
            let fine = reports.iter().filter(|report| report.starts_with("SampleInfo"));
            assert!(fine.count() >= 1, "{name}: {reports:#?}");
        }
    }
}

#[test]
fn no_shard_of_the_corpus_makes_a_reader_panic() {
    let shards = files(&fuzz().join("found/open_and_read"));
    assert!(!shards.is_empty());
    for (path, shard) in shards {
        assert!(!open_and_read(&shard).is_empty(), "{}", path.display());
    }
}

/// The scripts of `fuzz/found/resealed.hex`, one in a line.
fn found_scripts() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(fuzz().join("found/resealed.hex")).expect("scripts");
    let byte = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).expect("ASCII");
        u8::from_str_radix(digits, 16).expect("hexadecimal digits")
    };
    text.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

#[test]
fn no_script_makes_a_reader_panic() {
    let shards = seeds("open_and_read");
    let shards: Vec<&[u8]> = shards.iter().map(|(_, shard)| shard.as_slice()).collect();
    let scripts = seeds("resealed");
    let found = found_scripts();
    assert!(!scripts.is_empty() && !found.is_empty());
    for script in scripts.iter().map(|(_, script)| script).chain(&found) {
        resealed(&shards, script);
    }
}
