//! What the stream of batches promises.
#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use loader::{Augment, Batch, Filter, Loader, LoaderOptions, Sampling};
use support::two_domains;

fn batches(options: LoaderOptions) -> Vec<Batch> {
    Loader::start(options).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Waits until `condition` holds of the loader's counters.
fn wait_until(loader: &Loader, condition: impl Fn(&loader::LoaderStats) -> bool) {
    let since = Instant::now();
    while !condition(&loader.stats()) {
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", loader.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_pixel_is_the_same_for_1_2_and_7_workers() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    let one = batches(LoaderOptions { workers: 1, ..options.clone() });
    assert_eq!(one.len(), 6);
    for (workers, prefetch_batches) in [(2, 1), (7, 3)] {
        let many = batches(LoaderOptions { workers, prefetch_batches, ..options.clone() });
        assert!(one == many, "{workers} workers");
    }
}

#[test]
fn buffers_that_were_given_back_change_no_pixel() {
    let root = tempfile::tempdir().unwrap();
    // Crops larger than some images have padding, which nothing is decoded for.
    let quotas = LoaderOptions { end_batch: 12, ..two_domains(&root) };
    // Streams get more or fewer samples from batch to batch.
    let drawn = LoaderOptions { sampling: Sampling::image_uniform(5), ..quotas.clone() };
    for options in [quotas, drawn] {
        let expected = batches(options.clone());
        let mut loader = Loader::start(options).unwrap();
        let mut addresses = BTreeSet::new();
        let mut count = 0;
        while let Some(batch) = loader.next() {
            let batch = batch.unwrap();
            assert!(batch == expected[count], "batch {count}");
            addresses.extend(batch.streams.iter().map(|part| part.images.as_ptr()));
            loader.recycle(batch);
            count += 1;
        }
        assert_eq!(count, 12);
        assert!(addresses.len() < 24, "no buffer was used again");
    }
}

#[test]
fn a_stream_resumed_at_any_batch_equals_the_uninterrupted_one() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    let whole = batches(options.clone());
    for first_batch in 1..6 {
        let rest = batches(LoaderOptions { first_batch, ..options.clone() });
        assert!(rest == whole[first_batch as usize..], "from batch {first_batch}");
    }
}

#[test]
fn batches_carry_the_same_number_of_samples_of_every_domain_and_its_tag() {
    let root = tempfile::tempdir().unwrap();
    for (index, batch) in batches(two_domains(&root)).into_iter().enumerate() {
        assert_eq!(batch.index, index as u64);
        let names: Vec<&str> = batch.streams.iter().map(|domain| domain.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
        for (stream_index, domain) in batch.streams.iter().enumerate() {
            assert_eq!(domain.stream_index, stream_index);
            assert_eq!((domain.batch, domain.height, domain.width), (3, 80, 96));
            assert_eq!(domain.images.len(), 3 * 3 * 80 * 96);
            assert_eq!(domain.labels.len(), 3 * 80 * 96);
            assert!(domain.samples.iter().all(|sample| sample.id.starts_with(&domain.name)));
        }
    }
}

#[test]
fn every_sample_of_a_domain_occurs_once_per_epoch() {
    let root = tempfile::tempdir().unwrap();
    // 21 batches of 3 are 9 epochs of 7 samples and 7 epochs of 9 samples.
    let options = LoaderOptions { augment: Augment::none(), end_batch: 21, ..two_domains(&root) };
    let mut seen: BTreeMap<(usize, u64), Vec<String>> = BTreeMap::new();
    let mut number = [0_u64; 2];
    for batch in batches(options) {
        for domain in batch.streams {
            let len = [7, 9][domain.stream_index];
            for tag in domain.samples {
                let expected = number[domain.stream_index];
                assert_eq!((tag.epoch, tag.index), (expected / len, expected % len));
                number[domain.stream_index] += 1;
                seen.entry((domain.stream_index, tag.epoch)).or_default().push(tag.id);
            }
        }
    }
    assert_eq!(seen.len(), 9 + 7);
    let mut orders: Vec<&Vec<String>> = Vec::new();
    for ((domain, _), ids) in &seen {
        let mut sorted = ids.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), [7, 9][*domain]);
        assert!(!orders.contains(&ids), "epochs have different orders");
        orders.push(ids);
    }
}

#[test]
fn scale_crop_and_flip_keep_image_and_label_aligned() {
    for image_filter in [Filter::Bilinear, Filter::Bicubic] {
        let augment = Augment {
            image_filter,
            flip_probability: 0.5,
            scale_min: 0.5,
            scale_max: 2.0,
            ..Augment::none()
        };
        let root = tempfile::tempdir().unwrap();
        let options = LoaderOptions { augment, ..two_domains(&root) };
        let (mut apart, mut shown, mut padded) = (0_u64, 0_u64, 0_u64);
        for domain in batches(options).into_iter().flat_map(|batch| batch.streams) {
            let pixels = domain.height * domain.width;
            let labels = domain.labels.chunks_exact(pixels);
            for (planes, labels) in domain.images.chunks_exact(3 * pixels).zip(labels) {
                for (&red, &label) in planes[..pixels].iter().zip(labels) {
                    match label {
                        255 => {
                            assert_eq!(red, 0, "padding is black");
                            padded += 1;
                        }
                        // A symmetric filter passes half-way exactly at the border of two areas.
                        label => {
                            shown += 1;
                            apart += u64::from((red >= 120) != (label == 1));
                        }
                    }
                }
            }
        }
        assert!(padded > 0 && shown > padded);
        // Corners are rounded by the filter; a shift by one pixel would set 8 percent apart.
        assert!(apart * 100 < shown, "{apart} of {shown}");
    }
}

#[test]
fn a_slow_consumer_finds_no_more_than_the_prefetched_batches() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions {
        workers: 7,
        prefetch_batches: 3,
        end_batch: u64::MAX,
        ..two_domains(&root)
    };
    let mut loader = Loader::start(options).unwrap();
    for taken in 0..3 {
        wait_until(&loader, |stats| stats.ready_batches == 3);
        std::thread::sleep(Duration::from_millis(30));
        let stats = loader.stats();
        assert_eq!(stats.decoded_samples, (3 + taken) * 6);
        assert_eq!((stats.in_flight_batches, stats.delivered_batches), (3, taken));
        loader.next().unwrap().unwrap();
    }
}

#[test]
fn dropping_the_loader_ends_its_workers_at_once() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions {
        workers: 7,
        prefetch_batches: 40,
        end_batch: u64::MAX,
        ..two_domains(&root)
    };
    let busy = Loader::start(options.clone()).unwrap();
    let since = Instant::now();
    drop(busy);
    assert!(since.elapsed() < Duration::from_millis(500), "busy: {:?}", since.elapsed());

    let full = Loader::start(LoaderOptions { prefetch_batches: 2, ..options }).unwrap();
    wait_until(&full, |stats| stats.ready_batches == 2);
    let since = Instant::now();
    drop(full);
    assert!(since.elapsed() < Duration::from_millis(500), "full: {:?}", since.elapsed());
}

#[test]
fn the_stream_ends_after_the_last_batch() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions { first_batch: 2, end_batch: 3, ..two_domains(&root) };
    let mut loader = Loader::start(options.clone()).unwrap();
    assert_eq!(loader.next().unwrap().unwrap().index, 2);
    assert!(loader.next().is_none());
    assert!(loader.next().is_none());
    assert_eq!(batches(LoaderOptions { end_batch: 2, ..options }), []);
}
