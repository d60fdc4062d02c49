//! Batch statistics of all data-parallel ranks.
//!
//! Source: `torch.nn.SyncBatchNorm`, which gathers the ranks' moments; here the ranks' means are
//! averaged first and the squares around the common mean after, which loses no digits. RobustNet's
//! synchronised whitening averages the ranks' moments as if all counts were the same.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::mode::{BATCH_NORM_EPSILON, BatchStatistics, Mode};
use crate::ranks::{Exchange, Ranks};

/// Averages of one layer over all elements of all ranks, which may differ in number.
pub(crate) struct AllRanks<'a> {
    ranks: &'a Arc<dyn Ranks>,
    layer: &'a str,
    /// This rank's part of all elements.
    share: f64,
    /// Elements per channel on all ranks.
    pub(crate) count: usize,
}

impl<'a> AllRanks<'a> {
    /// Meets the others at `layer` with `count` elements per channel.
    ///
    /// # Panics
    /// If there are none, or ranks cannot meet: see [`Exchange::sum`].
    pub(crate) fn meet(ranks: &'a Arc<dyn Ranks>, layer: &'a str, count: usize) -> Self {
        assert!(count > 0, "{layer}: rank {} has no elements", ranks.rank());
        let mut total = [count as f64];
        Exchange { ranks: ranks.clone(), name: format!("{layer} count") }.sum(&mut total);
        Self { ranks, layer, share: count as f64 / total[0], count: total[0] as usize }
    }

    /// The mean over all ranks of what each has as the mean over its elements.
    pub(crate) fn mean<M: Mode, const D: usize>(&self, of_rank: M::T<D>, what: &str) -> M::T<D> {
        let shape = M::dims(&of_rank);
        let part = M::scale(M::reshape(of_rank, [shape.iter().product()]), self.share);
        let name = format!("{} {what}", self.layer);
        let exchange = Exchange { ranks: self.ranks.clone(), name };
        M::reshape(M::sum_over_ranks(part, &exchange), shape)
    }
}

/// Batch normalisation of this rank's `[B, C, H, W]` by the statistics of all.
pub(crate) fn batch_norm<M: Mode>(
    x: M::T<4>,
    [weight, bias]: [M::T<1>; 2],
    all: &AllRanks<'_>,
) -> (M::T<4>, BatchStatistics) {
    let [_, channels, _, _] = M::dims(&x);
    let as_channels = |x: M::T<1>| M::reshape(x, [1, channels, 1, 1]);
    let over_rank = |x: M::T<4>| M::linear(x, |x| x.mean_dims(&[0, 2, 3])); // [1, C, 1, 1]
    let mean = all.mean::<M, 4>(over_rank(x.clone()), "mean");
    let centred = M::add(x, M::scale(mean.clone(), -1.0));
    let squares = M::mul(centred.clone(), centred.clone());
    let variance = all.mean::<M, 4>(over_rank(squares), "variance");
    let detached = |x: &M::T<4>| M::value(x).detach().reshape([channels]);
    let statistics = BatchStatistics { mean: detached(&mean), variance: detached(&variance) };
    let inverse = M::reciprocal_sqrt(M::add(variance.clone(), epsilon::<M>(&variance)));
    // Gain and inverse deviation are joined first, so that one map is kept for the backward pass.
    let gain = M::mul(inverse, as_channels(weight));
    (M::add(M::mul(centred, gain), as_channels(bias)), statistics)
}

fn epsilon<M: Mode>(beside: &M::T<4>) -> M::T<4> {
    let value = M::value(beside);
    let options = (&value.device().without_autodiff(), value.dtype());
    M::constant(Tensor::full([1; 4], BATCH_NORM_EPSILON, options))
}
