//! One forward pass: parameters in a mode, the normalisation regime, and what the layers observed.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};

use crate::layout::Layout;
use crate::mode::{BatchStatistics, Conv, Mode};
use crate::normalization::synchronized::{self, AllRanks};
use crate::random::Stream;
use crate::ranks::Ranks;

/// Momentum of the running averages of batch normalisation.
const STATISTICS_MOMENTUM: f64 = 0.1;

/// Momentum of the running averages of switchable whitening (1 - 0.99 in the reference).
const COVARIANCE_MOMENTUM: f64 = 0.01;

/// Which statistics batch normalisation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Those of the batch (inner, write and outer passes of training).
    Batch,
    /// The running averages (evaluation, memory initialisation and the final memory write).
    Running,
}

/// Channel dropout of one pass, a function of (seed, step, purpose).
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Probability of dropping a channel.
    pub probability: f64,
    /// Where the decisions come from.
    pub stream: Stream,
}

/// Parameters and settings of one forward pass.
pub struct Pass<'a, M: Mode> {
    /// Names and shapes.
    pub layout: &'a Layout,
    /// Parameters, flat, in the layout's order.
    pub parameters: Vec<M::T<1>>,
    /// Running statistics, in the layout's order.
    pub running: &'a [BatchStatistics],
    /// Which statistics are used.
    pub normalization: Normalization,
    /// Dropout of the auxiliary head; `None` switches it off.
    pub dropout: Option<Dropout>,
    /// Data-parallel ranks whose batches are normalised as one; `None` where this one is alone.
    pub ranks: Option<Arc<dyn Ranks>>,
    /// Batch statistics seen so far, of all ranks: layer, statistics, and elements per channel.
    pub observed: Vec<(usize, BatchStatistics, usize)>,
}

impl<'a, M: Mode> Pass<'a, M> {
    /// A pass without dropout, on one rank.
    ///
    /// # Panics
    /// If parameters or statistics are not those of the layout: a bug of the caller.
    #[must_use]
    pub fn new(
        layout: &'a Layout,
        parameters: Vec<M::T<1>>,
        running: &'a [BatchStatistics],
        normalization: Normalization,
    ) -> Self {
        assert_eq!(parameters.len(), layout.parameters.len(), "one tensor per parameter");
        let layers = layout.batch_norms.len() + layout.switchable_norms.len();
        assert_eq!(running.len(), layers, "statistics per layer that keeps them");
        Self {
            layout,
            parameters,
            running,
            normalization,
            dropout: None,
            ranks: None,
            observed: Vec::new(),
        }
    }

    /// The parameter `name`, in its shape.
    ///
    /// # Panics
    /// If the layout has no such parameter, or of another rank: a bug of the caller.
    #[must_use]
    pub fn parameter<const D: usize>(&self, name: &str) -> M::T<D> {
        let index = self.layout.parameter(name);
        let shape: [usize; D] = self.layout.parameters[index]
            .shape
            .as_slice()
            .try_into()
            .unwrap_or_else(|_| panic!("parameter {name} does not have rank {D}"));
        M::reshape(self.parameters[index].clone(), shape)
    }

    /// Convolution without bias.
    #[must_use]
    pub fn conv(&self, name: &str, x: M::T<4>, conv: Conv) -> M::T<4> {
        M::conv2d(x, self.parameter(&format!("{name}.weight")), None, conv)
    }

    /// Convolution with bias.
    #[must_use]
    pub fn conv_bias(&self, name: &str, x: M::T<4>, conv: Conv) -> M::T<4> {
        let bias = self.parameter(&format!("{name}.bias"));
        M::conv2d(x, self.parameter(&format!("{name}.weight")), Some(bias), conv)
    }

    /// Batch normalisation in the pass's regime.
    ///
    /// # Panics
    /// If other ranks cannot be met: see [`Exchange::sum`](crate::ranks::Exchange::sum).
    pub fn batch_norm(&mut self, name: &str, x: M::T<4>) -> M::T<4> {
        let layer = self.layout.batch_norm(name);
        let weight = self.parameter(&format!("{name}.weight"));
        let bias = self.parameter(&format!("{name}.bias"));
        match self.normalization {
            Normalization::Running => {
                M::batch_norm_eval(x, weight, bias, (name, &self.running[layer]))
            }
            Normalization::Batch => {
                let [batch, _, height, width] = M::dims(&x);
                let count = batch * height * width;
                let (y, statistics, count) = match self.all_ranks(name, count) {
                    None => {
                        let (y, statistics) = M::batch_norm_train(x, weight, bias);
                        (y, statistics, count)
                    }
                    Some(all) => {
                        let (y, statistics) =
                            synchronized::batch_norm::<M>(x, [weight, bias], &all);
                        (y, statistics, all.count)
                    }
                };
                self.observed.push((layer, statistics, count));
                y
            }
        }
    }

    /// The other ranks at the layer `name`, if there are any.
    pub(crate) fn all_ranks<'b>(&'b self, name: &'b str, count: usize) -> Option<AllRanks<'b>> {
        let ranks = self.ranks.as_ref().filter(|ranks| ranks.count() > 1)?;
        Some(AllRanks::meet(ranks, name, count))
    }

    /// Convolution `conv_name`, batch normalisation `norm_name`, ReLU.
    pub fn conv_norm_relu(
        &mut self,
        [conv_name, norm_name]: [&str; 2],
        x: M::T<4>,
        conv: Conv,
    ) -> M::T<4> {
        let x = self.conv(conv_name, x, conv);
        M::relu(self.batch_norm(norm_name, x))
    }

    /// Drops whole channels of `[B, C, H, W]` and scales the rest (`torch.nn.Dropout2d`).
    #[must_use]
    pub fn dropout_channels(&self, x: M::T<4>) -> M::T<4> {
        let Some(Dropout { probability, stream }) = self.dropout else { return x };
        let value = M::value(&x);
        let [batch, channels, _, _] = value.dims();
        let kept = 1.0 / (1.0 - probability);
        let mask: Vec<f64> = (0..(batch * channels) as u64)
            .map(|i| if stream.uniform(i) < probability { 0.0 } else { kept })
            .collect();
        let mask = crate::layout::tensor_from(&mask, &value.device(), value.dtype())
            .reshape([batch, channels, 1, 1]);
        M::linear(x, |x| x * mask.clone())
    }

    /// Device and precision of the pass.
    #[must_use]
    pub fn placement(&self) -> (Device, DType) {
        let first = M::value(&self.parameters[0]);
        (first.device(), first.dtype())
    }
}

/// Running statistics after the observed batches: `0.9 old + 0.1 new`, with unbiased variance.
///
/// Those of switchable whitening, known by having a covariance instead, become `0.99 old + 0.01
/// new`, biased as it was observed.
#[must_use]
pub fn updated_statistics(
    running: &[BatchStatistics],
    observed: &[(usize, BatchStatistics, usize)],
) -> Vec<BatchStatistics> {
    let mut updated = running.to_vec();
    for (layer, batch, count) in observed {
        let count = *count as f64;
        // One element per channel has no unbiased variance; torch refuses it, we keep the biased.
        let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        let has_covariance = batch.variance.dims() != batch.mean.dims();
        let (momentum, correction) = match has_covariance {
            true => (COVARIANCE_MOMENTUM, 1.0),
            false => (STATISTICS_MOMENTUM, unbiased),
        };
        let old = updated[*layer].clone();
        let new_variance = untracked(&batch.variance).mul_scalar(correction);
        updated[*layer] = BatchStatistics {
            mean: average(old.mean, untracked(&batch.mean), momentum),
            variance: average(old.variance, new_variance, momentum),
        };
    }
    updated
}

fn average(old: Tensor<1>, new: Tensor<1>, momentum: f64) -> Tensor<1> {
    old.mul_scalar(1.0 - momentum) + new.mul_scalar(momentum)
}

fn untracked(x: &Tensor<1>) -> Tensor<1> {
    x.clone().without_autodiff()
}
