//! Switchable whitening: batch and instance whitening, mixed by learnt weights.
//!
//! Source: Pan et al., ICCV 2019, Eq. 3-6; `network/sync_switchwhiten.py` of RobustNet with
//! `sw_type` 2 (batch and instance whitening), groups of 16 channels and 5 iterations. The state
//! is a running mean and a running covariance per group, both 0 at first.

use crate::layout::{Init, Layout};
use crate::mode::{BatchStatistics, Mode};
use crate::normalization::instance;
use crate::normalization::synchronized::AllRanks;
use crate::pass::{Normalization, Pass};

/// Channels that are whitened together.
const GROUP_CHANNELS: usize = 16;

/// Steps of Newton's iteration towards the inverse square root of a covariance.
const ITERATIONS: usize = 5;

/// Added to the diagonal of the mixed covariance.
const EPSILON: f64 = 1e-5;

/// Channels per group: 16, or all where a narrow network has fewer.
pub(crate) fn group_channels(channels: usize) -> usize {
    channels.clamp(1, GROUP_CHANNELS)
}

/// The two mixing weights for mean and covariance, gain, offset and running statistics.
///
/// # Panics
/// If groups do not divide the channels: `NormPlaces::check` says so in time.
pub(crate) fn declare(layout: &mut Layout, name: &str, channels: usize) {
    let group = group_channels(channels);
    assert_eq!(channels % group, 0, "{name}: groups of {group} channels divide {channels}");
    for part in ["sw_mean_weight", "sw_var_weight"] {
        layout.push(format!("{name}.{part}"), vec![2], Init::Constant(1.0));
    }
    instance::declare_affine(layout, name, channels);
    layout.switchable_norms.push((name.to_owned(), [channels / group, group]));
}

/// Mean and covariance of groups of channels.
struct Moments<M: Mode> {
    /// `[B, G, c, 1]`, B = 1 for those of the batch.
    mean: M::T<4>,
    /// `[B, G, c, c]`.
    covariance: M::T<4>,
}

impl<M: Mode> Clone for Moments<M> {
    fn clone(&self) -> Self {
        Self { mean: self.mean.clone(), covariance: self.covariance.clone() }
    }
}

/// Whitens `[B, C, H, W]`.
pub(crate) fn apply<M: Mode>(pass: &mut Pass<'_, M>, name: &str, x: M::T<4>) -> M::T<4> {
    let shape @ [batch, channels, height, width] = M::dims(&x);
    let group = group_channels(channels);
    let groups = channels / group;
    let of_instances = instance_moments::<M>(&x, [groups, group]);
    let of_batch = match pass.normalization {
        Normalization::Batch => {
            let count = batch * height * width;
            let all = pass.all_ranks(name, count);
            let moments = batch_moments::<M>(&of_instances, all.as_ref());
            let count = all.map_or(count, |all| all.count);
            let observed = BatchStatistics {
                mean: M::value(&moments.mean).detach().reshape([channels]),
                variance: M::value(&moments.covariance).detach().reshape([channels * group]),
            };
            let layer = pass.layout.switchable_norm(name);
            pass.observed.push((layer, observed, count));
            moments
        }
        Normalization::Running => {
            let running = &pass.running[pass.layout.switchable_norm(name)];
            let [mean, covariance] = M::running_covariance(&x, (name, running));
            Moments {
                mean: M::reshape(mean, [1, groups, group, 1]),
                covariance: M::reshape(covariance, [1, groups, group, group]),
            }
        }
    };
    let mean = mix::<M>(pass, &format!("{name}.sw_mean_weight"), of_batch.mean, of_instances.mean);
    let covariance = mix::<M>(
        pass,
        &format!("{name}.sw_var_weight"),
        of_batch.covariance,
        of_instances.covariance,
    );
    let rows = M::reshape(x, [batch, groups, group, height * width]);
    let centred = M::add(rows, M::scale(mean, -1.0));
    let whitened = M::matmul(inverse_square_root::<M>(covariance), centred);
    instance::gain_and_offset(pass, name, M::reshape(whitened, shape))
}

fn instance_moments<M: Mode>(x: &M::T<4>, [groups, group]: [usize; 2]) -> Moments<M> {
    let [batch, _, height, width] = M::dims(x);
    let mean = M::reshape(M::mean_pixels(x.clone()), [batch, groups, group, 1]);
    let rows = M::reshape(x.clone(), [batch, groups, group, height * width]);
    let centred = M::add(rows, M::scale(mean.clone(), -1.0));
    let products = M::matmul(centred.clone(), M::permute(centred, [0, 1, 3, 2]));
    Moments { mean, covariance: M::scale(products, 1.0 / (height * width) as f64) }
}

/// Moments of the batch, of all ranks, from those of its images: within plus between. The images of
/// one rank are all of one size.
fn batch_moments<M: Mode>(of_instances: &Moments<M>, all: Option<&AllRanks<'_>>) -> Moments<M> {
    let over_images = |x: M::T<4>, what| {
        let of_rank = M::linear(x, |x| x.mean_dim(0));
        match all {
            Some(all) => all.mean::<M, 4>(of_rank, what),
            None => of_rank,
        }
    };
    let mean = over_images(of_instances.mean.clone(), "mean");
    let apart = M::add(of_instances.mean.clone(), M::scale(mean.clone(), -1.0));
    let between = M::mul(apart.clone(), M::permute(apart, [0, 1, 3, 2]));
    let covariance = over_images(M::add(of_instances.covariance.clone(), between), "covariance");
    Moments { mean, covariance }
}

/// Softmax of the two numbers in parameter `name` as weights of `of_batch` and `of_instances`.
fn mix<M: Mode>(
    pass: &Pass<'_, M>,
    name: &str,
    of_batch: M::T<4>,
    of_instances: M::T<4>,
) -> M::T<4> {
    let weights = M::exp(M::log_softmax(pass.parameter::<1>(name), 0));
    let weights = M::reshape(weights, [1, 2, 1, 1]);
    M::add(
        M::mul(of_batch, M::channels(weights.clone(), 0..1)),
        M::mul(of_instances, M::channels(weights, 1..2)),
    )
}

/// `(covariance + eps I)^(-1/2)` of `[B, G, c, c]` by Newton's iteration.
fn inverse_square_root<M: Mode>(covariance: M::T<4>) -> M::T<4> {
    let [_, _, group, _] = M::dims(&covariance);
    let identity = M::identity(&covariance);
    let covariance = M::add(covariance, M::scale(identity.clone(), EPSILON));
    // The iteration converges for norms below 1, so the trace is divided out and put back.
    let trace = M::scale(
        M::mean_pixels(M::mul(covariance.clone(), identity.clone())),
        (group * group) as f64,
    );
    let inverse_root_of_trace = M::reciprocal_sqrt(trace);
    let inverse_trace = M::mul(inverse_root_of_trace.clone(), inverse_root_of_trace.clone());
    let scaled = M::mul(covariance, inverse_trace);
    // The first step from the identity: P = 1.5 I - 0.5 S.
    let mut root = M::add(M::scale(identity, 1.5), M::scale(scaled.clone(), -0.5));
    for _ in 1..ITERATIONS {
        let cubed = M::matmul(M::matmul(root.clone(), root.clone()), root.clone());
        root = M::add(M::scale(root, 1.5), M::scale(M::matmul(cubed, scaled.clone()), -0.5));
    }
    M::mul(root, inverse_root_of_trace)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::{DType, Device};

    use super::*;
    use crate::layout::tensor_from;
    use crate::weights;

    #[test]
    fn running_statistics_are_stored_in_the_shapes_of_the_reference_and_come_back() {
        let mut layout = Layout::default();
        declare(&mut layout, "sw", 48);
        layout.batch_norm_layer("bn", 2, 0.0);
        let device = Device::flex();
        let parameters = layout.init_parameters(0, &device, DType::F32);
        let numbered = |len: usize| {
            tensor_from(&(0..len).map(|i| i as f64).collect::<Vec<_>>(), &device, DType::F32)
        };
        // Batch norms come first, wherever they are in the network.
        let statistics = [[2, 2], [48, 768]].map(|[mean, variance]| BatchStatistics {
            mean: numbered(mean),
            variance: numbered(variance),
        });
        let named = weights::named_tensors(&layout, &parameters, &statistics);
        assert_eq!(named["sw.running_mean"].shape, [3, 16, 1]);
        assert_eq!(named["sw.running_cov"].shape, [3, 16, 16]);
        assert_eq!(named["bn.running_var"].shape, [2]);
        let (_, back) = weights::upload(&layout, &named, Path::new("file"), &device).unwrap();
        for (back, statistics) in back.into_iter().zip(statistics) {
            assert_eq!(back.mean.into_data(), statistics.mean.into_data());
            assert_eq!(back.variance.into_data(), statistics.variance.into_data());
        }
    }

    #[test]
    fn mean_and_covariance_start_at_zero_as_in_the_reference() {
        let mut layout = Layout::default();
        declare(&mut layout, "sw", 4);
        let statistics = layout.init_statistics(&Device::flex(), DType::F64).remove(0);
        let values = |x: burn::tensor::Tensor<1>| x.try_into_vec_as::<f64>().unwrap();
        // A narrow layer is one group.
        assert_eq!(values(statistics.mean), [0.0; 4]);
        assert_eq!(values(statistics.variance), [0.0; 16]);
    }
}
