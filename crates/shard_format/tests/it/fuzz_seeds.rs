//! Runs what the fuzz targets run over the seeds and findings that are checked in with them.

use std::path::{Path, PathBuf};

use crate::hostile::{open_and_read, resealed};

/// The files in `fuzz/seeds/NAME`, by name.
fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let mut paths: Vec<PathBuf> =
        fuzz.read_dir().expect("seeds").map(|file| file.expect("a seed").path()).collect();
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
fn no_seed_script_makes_a_reader_panic() {
    let shards = seeds("open_and_read");
    let shards: Vec<&[u8]> = shards.iter().map(|(_, shard)| shard.as_slice()).collect();
    let scripts = seeds("resealed");
    assert!(!scripts.is_empty());
    for (_, script) in &scripts {
        resealed(&shards, script);
    }
}
