//! How many samples of each stream a batch holds, and which part of them a rank renders.

use std::ops::Range;

use crate::random::{Purpose, SampleKey};

/// How a batch is put together from the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// [`samples_per_batch`](crate::StreamSource::samples_per_batch) of every stream, each stream
    /// in a new random order of its samples per epoch.
    #[default]
    Quotas,
    /// A fixed number of slots, each of which draws its stream and then one of its samples, both
    /// with replacement; a batch may hold no sample of a stream.
    ///
    /// Source: the released code draws each domain's quota uniformly, with replacement.
    Drawn {
        /// Slots of the batch, all ranks together.
        batch: usize,
        /// How likely a slot draws each stream.
        by: Shares,
    },
}

/// How likely a slot of a drawn batch belongs to each stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shares {
    /// In proportion to its number of samples, so that every image is equally likely.
    Images,
    /// All streams alike, so that with one stream for each domain every domain is.
    Equal,
    /// In proportion to its [`weight`](crate::StreamSource::weight).
    Weights,
}

impl Sampling {
    /// Batches of `batch` images, each drawn uniformly from those of all streams.
    #[must_use]
    pub fn image_uniform(batch: usize) -> Self {
        Self::Drawn { batch, by: Shares::Images }
    }

    /// Batches of `batch` images, each from a domain drawn uniformly.
    #[must_use]
    pub fn domain_uniform(batch: usize) -> Self {
        Self::Drawn { batch, by: Shares::Equal }
    }

    /// Batches of `batch` images, each from a stream drawn by its weight.
    #[must_use]
    pub fn by_weight(batch: usize) -> Self {
        Self::Drawn { batch, by: Shares::Weights }
    }
}

/// The part of `count` samples that belongs to `rank`: parts are contiguous and in the order of the
/// ranks, and where `ranks` does not divide `count` the first ranks take one more.
pub(crate) fn rank_part(count: usize, rank: usize, ranks: usize) -> Range<usize> {
    let (each, rest) = (count / ranks, count % ranks);
    let start = |rank: usize| rank * each + rank.min(rest);
    start(rank)..start(rank + 1)
}

/// Draws streams in proportion to their weights.
#[derive(Debug)]
pub(crate) struct StreamDraw {
    /// Sums of the weights of each stream and those before it.
    sums: Vec<f64>,
}

impl StreamDraw {
    /// The weights are finite, none is negative, and one is positive.
    pub(crate) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// The stream of a slot; a stream of weight 0 is never drawn.
    pub(crate) fn pick(&self, key: SampleKey) -> usize {
        let total = self.sums[self.sums.len() - 1];
        let target = key.unit(Purpose::Stream) * total;
        // Rounding may lift the target to the total, which the last positive weight reaches.
        self.sums.partition_point(|sum| *sum <= target && *sum < total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_ranks_take_one_more() {
        let parts: Vec<_> = (0..4).map(|rank| rank_part(10, rank, 4)).collect();
        assert_eq!(parts, [0..3, 3..6, 6..8, 8..10]);
        assert_eq!(rank_part(1, 2, 3), 1..1);
    }

    proptest! {
        #[test]
        fn the_parts_of_all_ranks_follow_one_another(count in 0_usize..100, ranks in 1_usize..20) {
            let parts: Vec<usize> = (0..ranks).flat_map(|rank| rank_part(count, rank, ranks)).collect();
            prop_assert_eq!(parts, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn streams_are_drawn_in_proportion_to_their_weights() {
        let draw = StreamDraw::new([0.0, 3.0, 0.0, 1.0, 0.0].into_iter());
        let mut counts = [0; 5];
        for slot in 0..4000 {
            counts[draw.pick(SampleKey::of_batch(9, slot / 8, slot % 8))] += 1;
        }
        // 3000 expected, standard deviation 27; five of them on either side.
        assert!((2865..=3135).contains(&counts[1]), "{counts:?}");
        assert_eq!(counts[1] + counts[3], 4000);
    }
}
