//! Batch statistics of data-parallel ranks, joined to those of the whole batch.
//!
//! Today a process trains alone: it is the one rank, and its statistics are those of the batch.
//! A trainer that splits a batch over ranks gathers every rank's statistics of a layer, calls
//! [`combined`], normalises by the result and hands it to
//! [`updated_statistics`](crate::pass::updated_statistics), which then does what it would have done
//! for the whole batch.

use burn::tensor::Tensor;

use crate::mode::BatchStatistics;

/// What one rank saw of one layer, of batch norm or of switchable whitening.
#[derive(Clone, Debug)]
pub struct RankStatistics {
    /// Mean and biased variance, or covariance.
    pub statistics: BatchStatistics,
    /// Elements per channel, `B H W`.
    pub count: usize,
}

/// Statistics of all elements of all ranks, which may differ in number: within plus between.
///
/// Source: what `torch.nn.SyncBatchNorm` computes from the ranks' sums; RobustNet's synchronised
/// whitening averages the ranks' moments alike, which is the same where all counts are.
///
/// # Panics
/// If there is no rank, or no element at all, or the layers differ: a bug of the caller.
#[must_use]
pub fn combined(ranks: &[RankStatistics]) -> RankStatistics {
    let count: usize = ranks.iter().map(|rank| rank.count).sum();
    assert!(count > 0, "ranks have elements");
    let share = |rank: &RankStatistics| rank.count as f64 / count as f64;
    let weighted = |of: &dyn Fn(&RankStatistics) -> Tensor<1>| {
        let terms = ranks.iter().map(|rank| of(rank).mul_scalar(share(rank)));
        terms.reduce(|sum, term| sum + term).expect("ranks have elements")
    };
    let mean = weighted(&|rank| rank.statistics.mean.clone());
    let variance = weighted(&|rank| {
        let BatchStatistics { mean: of_rank, variance } = rank.statistics.clone();
        variance.clone() + spread(of_rank - mean.clone(), variance.dims()[0])
    });
    RankStatistics { statistics: BatchStatistics { mean, variance }, count }
}

/// Products of the channels of each group: squares where a group is one channel.
fn spread(apart: Tensor<1>, entries: usize) -> Tensor<1> {
    let [channels] = apart.dims();
    let group = entries / channels;
    let column = apart.clone().reshape([channels / group, group, 1]);
    let row = apart.reshape([channels / group, 1, group]);
    (column * row).reshape([entries])
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use burn::tensor::{DType, Device};

    use super::*;
    use crate::layout::{Layout, tensor_from};
    use crate::mode::Plain;
    use crate::normalization::places::NormPlace;
    use crate::normalization::presets::NormPreset;
    use crate::pass::{Normalization, Pass, updated_statistics};
    use crate::random::Stream;

    const CHANNELS: usize = 32;
    const PIXELS: usize = 6;

    /// A batch norm and two groups of switchable whitening.
    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.batch_norm_layer("bn", CHANNELS, 0.0);
        NormPreset::Switchable.places().declare(&mut layout, "sw", NormPlace::stage(0), CHANNELS);
        layout
    }

    /// What both layers observe in images number `images`, as one rank.
    fn observed(images: Range<usize>, layout: &Layout) -> Vec<RankStatistics> {
        let device = Device::flex();
        let stream = Stream::named("images");
        let values: Vec<f64> = (images.start * CHANNELS * PIXELS..images.end * CHANNELS * PIXELS)
            .map(|i| stream.normal(i as u64) + (i / PIXELS % CHANNELS) as f64 + i as f64 / 100.0)
            .collect();
        let x = tensor_from(&values, &device, DType::F64);
        let x = x.reshape([images.len(), CHANNELS, 2, PIXELS / 2]);
        let running = layout.init_statistics(&device, DType::F64);
        let parameters = layout.init_parameters(0, &device, DType::F64);
        let mut pass = Pass::<Plain>::new(layout, parameters, &running, Normalization::Batch);
        pass.batch_norm("bn", x.clone());
        let places = NormPreset::Switchable.places();
        places.apply(&mut pass, "sw", NormPlace::stage(0), x, &mut Vec::new());
        let of_layer = |(layer, (found, statistics, count))| {
            assert_eq!(found, layer, "statistics stand in the layout's order");
            RankStatistics { statistics, count }
        };
        pass.observed.into_iter().enumerate().map(of_layer).collect()
    }

    fn values(statistics: &BatchStatistics) -> Vec<f64> {
        let all = Tensor::cat(vec![statistics.mean.clone(), statistics.variance.clone()], 0);
        all.try_into_vec_as().unwrap()
    }

    #[test]
    fn ranks_of_unequal_size_give_statistics_and_running_averages_of_the_whole_batch() {
        let layout = layout();
        let whole = observed(0..6, &layout);
        let ranks = [0..1, 1..3, 3..6].map(|images| observed(images, &layout));
        let running = layout.init_statistics(&Device::flex(), DType::F64);
        for (layer, whole) in whole.into_iter().enumerate() {
            let of_layer: Vec<_> = ranks.iter().map(|rank| rank[layer].clone()).collect();
            let joined = combined(&of_layer);
            assert_eq!(joined.count, 6 * PIXELS);
            let after = |seen: &RankStatistics| {
                let seen = (layer, seen.statistics.clone(), seen.count);
                values(&updated_statistics(&running, &[seen])[layer])
            };
            let found = [values(&joined.statistics), after(&joined)].concat();
            let expected = [values(&whole.statistics), after(&whole)].concat();
            // Sums of 36 numbers below 40 with squares below 1600, in f64.
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let difference = (found - expected).abs();
                assert!(difference <= 1e-11, "{layer}, {index}: {found}, expected {expected}");
            }
        }
    }
}
