//! Folders, and what every build says of URLs.

use std::path::Path;

use shard_store::{AccessMode, StoreOptions, is_url, open};

use crate::samples;

#[test]
fn a_folder_reads_the_same_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    samples::pack(folder.path(), 1);
    for access in [AccessMode::Auto, AccessMode::Map, AccessMode::Read] {
        let options = StoreOptions { access, ..StoreOptions::default() };
        samples::check_all(&open(folder.path(), &options).unwrap(), 1);
    }
}

#[test]
fn a_missing_folder_is_named() {
    let error = open(Path::new("/nowhere/toy"), &StoreOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nowhere/toy/index.json: not found, expected the index of a packed dataset; hint: name \
         the folder that `shard pack` wrote, and pack again if packing was interrupted"
    );
}

#[test]
fn a_url_is_told_from_a_folder() {
    assert!(is_url(Path::new("s3://bucket/toy")));
    assert!(!is_url(Path::new("/data/s3:/bucket")));
}

#[cfg(not(feature = "remote"))]
#[test]
fn a_build_that_cannot_read_urls_says_so() {
    let error = open(Path::new("s3://bucket/toy"), &StoreOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "s3://bucket/toy: a URL, expected a folder, because this build cannot read URLs; hint: \
         build with the feature `remote`, or copy the dataset into a folder"
    );
}
