//! Streams of one domain, and batches drawn from several.

use std::collections::BTreeSet;

use loader::{
    Augment, Batch, ClassUniform, Loader, LoaderOptions, Sampling, StreamBatch, StreamSource,
};

use crate::batches;
use crate::support::two_domains;

/// Two streams of the domain "first", 7 samples, 7 in each batch.
fn single_source(root: &tempfile::TempDir) -> LoaderOptions {
    let mut options = two_domains(root);
    options.streams.truncate(1);
    options.streams[0].samples_per_batch = 7;
    options.streams.push(StreamSource { stream: 1, ..options.streams[0].clone() });
    options
}

fn ids(part: &StreamBatch) -> Vec<&str> {
    part.samples.iter().map(|tag| tag.id.as_str()).collect()
}

#[test]
fn two_streams_of_a_domain_show_the_same_samples_in_other_orders_and_crops() {
    let root = tempfile::tempdir().unwrap();
    let options = single_source(&root);
    let mut crops = BTreeSet::new();
    for batch in batches(options) {
        let [first, second] = &batch.streams[..] else { panic!("two streams") };
        assert_eq!((first.name.as_str(), second.name.as_str()), ("first", "first"));
        assert_eq!((first.stream, second.stream), (0, 1));
        assert_ne!(ids(first), ids(second));
        let sorted = |part| BTreeSet::from_iter(ids(part));
        assert_eq!(sorted(first), sorted(second));
        assert_eq!(sorted(first).len(), 7);
        for part in [first, second] {
            crops.extend(part.images.chunks_exact(3 * 80 * 96).map(<[u8]>::to_owned));
        }
    }
    assert_eq!(crops.len(), 6 * 14, "no two crops are the same");
}

#[test]
fn a_second_stream_changes_nothing_in_the_first() {
    let root = tempfile::tempdir().unwrap();
    let both = single_source(&root);
    let mut alone = both.clone();
    alone.streams.truncate(1);
    for (both, alone) in batches(both).iter().zip(&batches(alone)) {
        assert!(both.streams[0] == alone.streams[0]);
    }
}

#[test]
fn streams_of_a_domain_share_what_is_open() {
    let root = tempfile::tempdir().unwrap();
    let mut options = single_source(&root);
    options.class_uniform = Some(ClassUniform { fraction: 0.5 });
    let bytes = |options| Loader::start(options).unwrap().stats().class_table_bytes;
    let both = bytes(options.clone());
    options.streams.truncate(1);
    assert_eq!(both, bytes(options));
}

/// How often each stream occurs in all batches.
fn counts(batches: &[Batch]) -> Vec<usize> {
    let streams = batches[0].streams.len();
    let of = |stream: usize| batches.iter().map(|batch| batch.streams[stream].batch).sum();
    (0..streams).map(of).collect()
}

/// Small crops of 400 batches.
fn drawn(options: &LoaderOptions, sampling: Sampling) -> LoaderOptions {
    let (augment, end_batch) = (Augment::none(), 400);
    let options = options.clone();
    LoaderOptions { sampling, augment, crop_width: 4, crop_height: 4, end_batch, ..options }
}

#[test]
fn drawn_batches_follow_the_numbers_of_images_the_domains_or_the_weights() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    // 1600 slots: deviations of at most 20, five of them on either side.
    let near = |found: usize, expected: usize| found.abs_diff(expected) <= 100;
    let images = counts(&batches(drawn(&options, Sampling::image_uniform(4))));
    assert!(near(images[0], 1600 * 7 / 16), "{images:?}");
    let domains = counts(&batches(drawn(&options, Sampling::domain_uniform(4))));
    assert!(near(domains[0], 800), "{domains:?}");
    let mut options = drawn(&options, Sampling::by_weight(4));
    (options.streams[0].weight, options.streams[1].weight) = (0.3, 0.9);
    let weights = counts(&batches(options.clone()));
    assert!(near(weights[0], 400), "{weights:?}");
    for found in [images, domains, weights] {
        assert_eq!(found[0] + found[1], 1600);
    }
    options.streams[0].weight = 0.0;
    assert_eq!(counts(&batches(options)), [0, 1600]);
}

#[test]
fn a_drawn_batch_may_lack_a_domain_and_any_image_may_come_at_any_time() {
    let root = tempfile::tempdir().unwrap();
    let batches = batches(drawn(&two_domains(&root), Sampling::image_uniform(2)));
    let (lacking, with_both): (Vec<&Batch>, Vec<&Batch>) =
        batches.iter().partition(|batch| batch.streams.iter().any(|part| part.batch == 0));
    assert!(!lacking.is_empty() && !with_both.is_empty());
    let empty = lacking[0].streams.iter().find(|part| part.batch == 0).unwrap();
    assert!(empty.images.is_empty() && empty.labels.is_empty() && empty.samples.is_empty());

    let mut seen = [0; 16];
    for part in batches.iter().flat_map(|batch| &batch.streams) {
        for tag in &part.samples {
            seen[7 * part.stream_index + tag.sample] += 1;
        }
    }
    // 800 slots: 50 expected of each image, standard deviation 6.8; five of them on either side.
    assert!(seen.iter().all(|count| (16..=84).contains(count)), "{seen:?}");
}
