//! Options that mean nothing are refused before a file is opened, by name and with what was found.

use std::path::PathBuf;
use std::time::Duration;

use loader::{ClassUniform, Loader, LoaderOptions, Roles, Sampling, StreamSource, StrongStream};
use shard_format::{LabelMap, RgbImage};

use crate::support::pack_frames;

/// Two streams of 3 and 4 samples of folders that do not exist.
fn options() -> LoaderOptions {
    let source = |name: &str, samples| StreamSource::new(name, vec![PathBuf::from(name)], samples);
    LoaderOptions { streams: vec![source("gtav", 3), source("idd", 4)], ..Default::default() }
}

fn refused(options: LoaderOptions, facts: &[&str]) {
    let message = Loader::start(options).unwrap_err().to_string();
    for fact in facts {
        assert!(message.contains(fact), "{fact} in {message}");
    }
}

#[test]
fn options_without_fault_get_as_far_as_the_missing_folder() {
    let roles = LoaderOptions { roles: Roles::PerStep, ..options() };
    let drawn = LoaderOptions { sampling: Sampling::by_weight(4), rank: 3, ranks: 4, ..options() };
    for options in [options(), roles, drawn] {
        refused(options, &["gtav: folder not found"]);
    }
}

#[test]
fn ranks_that_do_not_exist_or_would_get_nothing() {
    let ranks = |rank, ranks| LoaderOptions { rank, ranks, ..options() };
    refused(ranks(2, 2), &["rank 2 of 2"]);
    refused(ranks(0, 0), &["ranks is 0"]);
    refused(ranks(0, 5), &["4 samples for 5 ranks", "hint"]);
    // An episode without samples of a domain would be none.
    refused(LoaderOptions { roles: Roles::PerStep, ..ranks(0, 4) }, &["3 samples for 4 ranks"]);
    let sampling = Sampling::image_uniform(2);
    refused(LoaderOptions { sampling, ..ranks(0, 3) }, &["2 samples for 3 ranks"]);
}

#[test]
fn weights_and_shares_that_are_none() {
    let weights = |first, second| {
        let mut options = LoaderOptions { sampling: Sampling::by_weight(4), ..options() };
        (options.streams[0].weight, options.streams[1].weight) = (first, second);
        options
    };
    refused(weights(-1.0, 2.0), &["domain gtav: weight -1", "0 or more"]);
    refused(weights(1.0, f64::NAN), &["domain idd: weight NaN"]);
    refused(weights(0.0, 0.0), &["sum up to 0"]);
    refused(weights(f64::MAX, f64::MAX), &["sum up to inf"]);
    for fraction in [-0.1, 1.1, f64::NAN] {
        let class_uniform = Some(ClassUniform { fraction });
        refused(
            LoaderOptions { class_uniform, ..options() },
            &["class_uniform.fraction", "0 to 1"],
        );
    }
    refused(LoaderOptions { sampling: Sampling::domain_uniform(0), ..options() }, &["batch is 0"]);
    let patience = Some(Duration::ZERO);
    refused(LoaderOptions { patience, ..options() }, &["patience is 0"]);
}

#[test]
fn roles_without_anything_to_split() {
    let mut single = LoaderOptions { roles: Roles::PerStep, ..options() };
    single.streams.truncate(1);
    refused(single, &["one stream", "streams 0 and 1"]);
    let sampling = Sampling::image_uniform(4);
    refused(LoaderOptions { roles: Roles::PerStep, sampling, ..options() }, &["expected quotas"]);
    refused(LoaderOptions { strong: StrongStream::MetaTest, ..options() }, &["without roles"]);
}

#[test]
fn streams_of_one_name_that_show_different_shards() {
    let mut other = options();
    other.streams[1].name = "gtav".to_owned();
    other.streams[1].stream = 1;
    refused(other, &["domain gtav: stream 1 lists other shards", "hint"]);
}

#[test]
fn a_domain_without_labels_where_classes_are_wanted() {
    let root = tempfile::tempdir().unwrap();
    let frame = (
        RgbImage { width: 2, height: 2, pixels: vec![0; 12] },
        LabelMap { width: 2, height: 2, train_ids: vec![255; 4] },
    );
    let folder = pack_frames(root.path(), "bare", &["road"], std::iter::once(frame));
    let options = LoaderOptions {
        streams: vec![StreamSource::new("bare", vec![folder], 1)],
        class_uniform: Some(ClassUniform { fraction: 0.5 }),
        ..LoaderOptions::default()
    };
    refused(options, &["domain bare: no labelled tile"]);
}
