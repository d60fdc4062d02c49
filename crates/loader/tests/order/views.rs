//! Whole images in two views.

use std::collections::BTreeSet;

use loader::{
    Augment, FaultPolicy, LoaderError, LoaderOptions, SampleRenderer, ViewPair, ViewPairs,
    ViewTrials,
};
use shard_format::{Dataset, Decoder, Plane, Window};

use crate::damage::alter_tile;
use crate::support::two_domains;

/// Two trials; of the domains' 7 and 9 samples, 7 and 8 come in each.
const TRIALS: ViewTrials = ViewTrials { trials: 2, images: 8 };

fn pairs(options: LoaderOptions) -> Vec<ViewPair> {
    let pairs = ViewPairs::start(options, TRIALS).unwrap();
    assert_eq!(pairs.total(), 30);
    pairs.collect::<Result<_, _>>().unwrap()
}

/// The dataset that holds the sample `id`, and its number there.
fn find(options: &LoaderOptions, id: &str) -> (Dataset, usize) {
    let folders = options.streams.iter().flat_map(|source| &source.shards);
    let mut found = folders.filter_map(|folder| {
        let dataset = Dataset::open(folder).unwrap();
        let sample = (0..dataset.len()).find(|&sample| dataset.sample(sample).id == id)?;
        Some((dataset, sample))
    });
    found.next().unwrap()
}

#[test]
fn every_trial_takes_the_images_of_each_domain_in_another_order_and_none_twice() {
    let root = tempfile::tempdir().unwrap();
    let pairs = pairs(two_domains(&root));
    let place = |pair: &ViewPair| (pair.trial, pair.domain.clone());
    let parts: Vec<&[ViewPair]> = pairs.chunk_by(|a, b| place(a) == place(b)).collect();
    let places: Vec<_> = parts.iter().map(|part| (place(&part[0]), part.len())).collect();
    let expected = [(0, "first", 7), (0, "second", 8), (1, "first", 7), (1, "second", 8)];
    assert_eq!(places, expected.map(|(trial, name, len)| ((trial, name.to_owned()), len)));
    let ids = |part: &[ViewPair]| part.iter().map(|pair| pair.id.clone()).collect::<Vec<_>>();
    for part in &parts {
        assert_eq!(BTreeSet::from_iter(ids(part)).len(), part.len());
        let ends: Vec<bool> = part.iter().map(|pair| pair.ends_trial).collect();
        assert_eq!(ends.iter().position(|&ends| ends), Some(part.len() - 1));
    }
    assert_ne!(ids(parts[0]), ids(parts[2]));
}

#[test]
fn one_view_is_the_image_and_the_other_what_the_loader_makes_of_it_with_the_same_key() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    // At scale 1 a crop as large as the image has one place.
    let augment =
        Augment { scale_min: 1.0, scale_max: 1.0, flip_probability: 0.0, ..Augment::strong() };
    let mut decoder = Decoder::new();
    for pair in pairs(options.clone()) {
        let (dataset, sample) = find(&options, &pair.id);
        let pixels = pair.width * pair.height;
        let (strong, original) = pair.levels.split_at(3 * pixels);
        let (width, height) = (pair.width as u32, pair.height as u32);
        let window = Window { x: 0, y: 0, width, height };
        let image = dataset.read_image(sample, window, &mut decoder).unwrap();
        let planes: Vec<u8> = (0..3)
            .flat_map(|channel| image.pixels.iter().skip(channel).step_by(3).copied())
            .collect();
        assert!(original == planes, "{}", pair.id);
        let (mut expected, mut labels) = (vec![0; 3 * pixels], vec![0; pixels]);
        let mut renderer = SampleRenderer::new(width, height, augment);
        renderer
            .render((&dataset, sample), pair.key, &mut expected, &mut labels, &mut |_| ())
            .unwrap();
        assert!(strong == expected, "{}", pair.id);
        assert!(strong != original, "{}", pair.id);
    }
}

#[test]
fn the_number_of_workers_changes_no_pair_and_the_seed_changes_all_draws() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    let one = pairs(LoaderOptions { workers: 1, ..options.clone() });
    assert_eq!(one, pairs(LoaderOptions { workers: 4, ..options.clone() }));
    let other = pairs(LoaderOptions { seed: 12, ..options });
    assert!(one.iter().zip(&other).all(|(one, other)| one.key != other.key));
}

#[test]
fn a_second_stream_of_a_domain_brings_no_image_twice() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    let mut doubled = options.clone();
    doubled.streams.extend(options.streams.iter().cloned().map(|mut source| {
        source.stream = 1;
        source
    }));
    assert_eq!(pairs(options), pairs(doubled));
}

#[test]
fn a_damaged_image_is_an_error_substituted_or_masked_as_the_policy_says() {
    let root = tempfile::tempdir().unwrap();
    let options = two_domains(&root);
    let intact = pairs(options.clone());
    let folder = &options.streams[0].shards[0];
    alter_tile(folder, 2, Plane::Rgb, 0, 0);
    let id = Dataset::open(folder).unwrap().sample(2).id.clone();

    let mut strict = ViewPairs::start(options.clone(), TRIALS).unwrap();
    let error = strict.find_map(Result::err).unwrap();
    assert!(matches!(error, LoaderError::Sample { .. }), "{error}");
    assert!(error.to_string().contains(&id), "{error}");
    assert!(strict.next().is_none(), "the stream has ended");

    let with = |faults| pairs(LoaderOptions { faults, ..options.clone() });
    for (number, (pair, intact)) in with(FaultPolicy::Substitute).iter().zip(&intact).enumerate() {
        assert_eq!(pair.faults.len(), usize::from(intact.id == id), "pair {number}");
        assert_ne!(pair.id, id);
        assert_eq!(pair.key, intact.key);
    }
    for (pair, intact) in with(FaultPolicy::MaskTile).iter().zip(&intact) {
        assert_eq!((&pair.id, pair.faults.len()), (&intact.id, usize::from(intact.id == id)));
        // The first tile of several: the first pixel is in it, the last one is not.
        let pixels = pair.width * pair.height;
        let at = |pair: &ViewPair, pixel: usize| {
            [3, 4, 5].map(|plane| pair.levels[plane * pixels + pixel])
        };
        assert_eq!(at(pair, pixels - 1), at(intact, pixels - 1));
        let mean_colour = [124, 116, 104];
        assert_eq!(at(pair, 0), if pair.id == id { mean_colour } else { at(intact, 0) });
    }
}
