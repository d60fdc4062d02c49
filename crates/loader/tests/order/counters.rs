//! What the counters say of a loader and its consumer.

use std::time::{Duration, Instant};

use loader::{ClassUniform, Loader, LoaderOptions, Stage};

use crate::support::two_domains;

fn wait_until_full(loader: &Loader) {
    let since = Instant::now();
    while loader.stats().ready_batches < loader.stats().in_flight_batches {
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", loader.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_queue_that_is_full_whenever_the_consumer_asks_has_a_fill_of_1() {
    let root = tempfile::tempdir().unwrap();
    let options = LoaderOptions { prefetch_batches: 3, end_batch: 40, ..two_domains(&root) };
    let mut loader = Loader::start(options).unwrap();
    for _ in 0..4 {
        wait_until_full(&loader);
        loader.next().unwrap().unwrap();
    }
    let stats = loader.stats();
    assert_eq!((stats.ready_when_asked, stats.prefetch_batches), (12, 3));
    assert_eq!(stats.queue_fill(), 1.0);
}

#[test]
fn a_difference_counts_what_came_in_between() {
    let root = tempfile::tempdir().unwrap();
    let classes = Some(ClassUniform { fraction: 1.0 });
    let options = LoaderOptions { class_uniform: classes, end_batch: 9, ..two_domains(&root) };
    let mut loader = Loader::start(options).unwrap();
    loader.by_ref().take(4).for_each(drop);
    let earlier = loader.stats();
    assert_eq!((earlier.delivered_batches, earlier.delivered_samples), (4, 24));
    loader.by_ref().for_each(drop);
    let later = loader.stats();
    let between = later.since(&earlier);
    assert_eq!((between.delivered_batches, between.delivered_samples), (5, 30));
    assert_eq!(between.decoded_samples, later.decoded_samples - earlier.decoded_samples);
    assert_eq!((between.class_uniform_samples, between.class_uniform_share()), (30, 1.0));
    assert_eq!(between.class_table_bytes, later.class_table_bytes);
    // Both classes occur in the one label tile of each of 16 samples, at 6 bytes an entry.
    assert_eq!(later.class_table_bytes, 16 * 2 * 6);
    assert!(between.elapsed_secs > 0.0 && between.elapsed_secs < later.elapsed_secs);
    for stage in Stage::ALL {
        let place = stage as usize;
        let sum = earlier.stage_secs[place] + between.stage_secs[place];
        // Rounding of a sum of two.
        assert!((sum - later.stage_secs[place]).abs() < 1e-9);
        let expected = 1e3 * between.stage_secs[place] / between.decoded_samples as f64;
        assert_eq!(between.stage_ms_per_sample()[place], expected);
    }
    assert_eq!(later.decoded_samples, 54);
}
