//! Chooses samples of a dataset, the same ones for the same seed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use shard_format::Dataset;

/// An id that was asked for is not in the dataset.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: no sample {id:?} among its {samples}, expected an id of the dataset; \
     hint: `shard inspect --samples all` lists them",
    location.display()
)]
pub struct UnknownSample {
    /// Folder or URL of the dataset.
    pub location: PathBuf,
    /// The id.
    pub id: String,
    /// Number of samples in the dataset.
    pub samples: usize,
}

/// The places of `ids` in the dataset, in the order of `ids`, each once.
///
/// # Errors
/// There is no such sample.
pub(crate) fn places_of(
    dataset: &Dataset,
    location: &Path,
    ids: &[String],
) -> Result<Vec<usize>, UnknownSample> {
    let all: HashMap<&str, usize> =
        (0..dataset.len()).map(|index| (&*dataset.sample(index).id, index)).collect();
    let mut places = Vec::new();
    for id in ids {
        let unknown =
            || UnknownSample { location: location.into(), id: id.clone(), samples: dataset.len() };
        let place = *all.get(&**id).ok_or_else(unknown)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

/// `count` of the numbers below `samples`, spread by chance, in ascending order: a function of
/// `seed`.
pub(crate) fn drawn(samples: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    order.sort_by_cached_key(|&index| (hash(seed, index as u64), index));
    order.truncate(count);
    order.sort_unstable();
    order
}

/// A well-mixed number for the draw `index` of `seed`.
///
/// Source: the finaliser of splitmix64, Steele et al., "Fast splittable pseudorandom number
/// generators", 2014.
pub(crate) fn hash(seed: u64, index: u64) -> u64 {
    let mix = |value: u64| {
        let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    };
    mix(mix(seed) ^ index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_samples_and_another_one_others() {
        let first = drawn(1000, 10, 3);
        assert_eq!(first, drawn(1000, 10, 3));
        assert_ne!(first, drawn(1000, 10, 4));
        assert!(first.is_sorted() && first.len() == 10, "{first:?}");
    }

    #[test]
    fn all_are_drawn_where_fewer_exist() {
        assert_eq!(drawn(3, 10, 0), [0, 1, 2]);
    }

    #[test]
    fn draws_are_spread_over_the_dataset() {
        let drawn = drawn(1000, 100, 0);
        for tenth in 0..10 {
            let hits = drawn.iter().filter(|&&index| index / 100 == tenth).count();
            assert!((2..=20).contains(&hits), "{hits} in tenth {tenth}");
        }
    }
}
