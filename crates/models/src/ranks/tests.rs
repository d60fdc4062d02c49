//! Ranks as threads against one rank with the whole batch.

use std::ops::Range;
use std::slice::from_ref;
use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};
use kernels::device::software_vulkan;

use super::*;
use crate::backbone::BackboneName::{ResNet18, ShuffleNetV2};
use crate::layout::tensor_from;
use crate::mode::{Mode, Plain};
use crate::network::{ModelName, Network, NetworkConfig};
use crate::network_tests::{largest, narrow, parameters, random};
use crate::normalization::presets::NormPreset;
use crate::pass::{Normalization, Pass, updated_statistics};
use crate::tangent::{Dual, Tangent};

const IMAGES: usize = 6;
const SIDE: usize = 33;

/// What training would see of a batch, or a rank of its part.
struct Seen {
    loss: f64,
    logits: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    /// Of the Hessian with one direction.
    products: Vec<Vec<f64>>,
    /// Running statistics after the pass.
    statistics: Vec<Vec<f64>>,
}

/// `sum c y^2` over logits and auxiliary logits of `images`, with `c` that depends on image and
/// pixel; and the logits.
fn loss<M: Mode>(
    network: &Network,
    pass: &mut Pass<'_, M>,
    images: &Range<usize>,
) -> (M::T<1>, M::T<4>) {
    let part = |name: &str, shape: [usize; 4]| {
        let all = random(name, IMAGES * shape[1..].iter().product::<usize>());
        all.reshape([IMAGES, shape[1], shape[2], shape[3]]).slice_dim(0, images.clone())
    };
    let x = part("images", [images.len(), 3, SIDE, SIDE]);
    let encoded = network.encode(pass, M::constant(x));
    let logits = network.decode(pass, encoded.skips, encoded.feature);
    let auxiliary = network.auxiliary(pass, encoded.stage3);
    let squares = |y: M::T<4>| {
        let weights = part("weights", M::dims(&y));
        M::linear(M::mul(y.clone(), y), |y| (y * weights.clone()).sum())
    };
    (M::add(squares(logits.clone()), squares(auxiliary)), logits)
}

fn seen(network: &Network, images: &Range<usize>, ranks: Option<&Arc<dyn Ranks>>) -> Seen {
    let running = network.layout.init_statistics(&Device::flex(), DType::F64);
    let leaves: Vec<Tensor<1>> =
        parameters(network).into_iter().map(|x| x.autodiff().require_grad()).collect();
    let host = |x: Tensor<1>| x.without_autodiff().try_into_vec_as::<f64>().unwrap();
    let of_leaves = |loss: Tensor<1>| {
        let gradients = loss.backward();
        leaves.iter().map(|leaf| host(leaf.grad(&gradients).unwrap())).collect::<Vec<_>>()
    };

    let regime = Normalization::Batch;
    let mut pass = Pass::<Plain>::new(&network.layout, leaves.clone(), &running, regime);
    pass.ranks = ranks.cloned();
    let (of_images, logits) = loss(network, &mut pass, images);
    let statistics = updated_statistics(&running, &pass.observed)
        .into_iter()
        .map(|layer| [host(layer.mean), host(layer.variance)].concat())
        .collect();
    let (value, logits) = (host(of_images.clone())[0], host(logits.flatten(0, 3)));
    let gradients = of_leaves(of_images);

    let specs = &network.layout.parameters;
    let direction = specs.iter().map(|spec| random(&spec.name, spec.len()).mul_scalar(0.1));
    let pairs = leaves.iter().zip(direction).map(|(x, v)| Dual::new(x.clone(), v)).collect();
    let mut pass = Pass::<Tangent>::new(&network.layout, pairs, &running, regime);
    pass.ranks = ranks.cloned();
    let products = of_leaves(loss(network, &mut pass, images).0.tangent.unwrap());
    Seen { loss: value, logits, gradients, products, statistics }
}

/// The parts of the batch on as many ranks.
fn on_ranks(network: &Network, parts: &[Range<usize>]) -> Vec<Seen> {
    let of_rank = |ranks: Arc<dyn Ranks>| seen(network, &parts[ranks.rank()], Some(&ranks));
    in_threads(parts.len(), of_rank).into_iter().map(Result::unwrap).collect()
}

fn assert_close(what: &str, found: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    // Relative to the tensor, but not to one that has no influence but by rounding.
    const FLOOR: f64 = 1e-3;
    let floor = FLOOR * expected.iter().map(|x| largest(x)).fold(0.0, f64::max);
    assert!(floor > 0.0, "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let differences: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        let error = largest(&differences) / largest(expected).max(floor);
        assert!(found.len() == expected.len() && error <= tolerance, "{what}: error {error:e}");
    }
}

fn summed(ranks: &[Seen], of: impl Fn(&Seen) -> &Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let add = |sums: Vec<Vec<f64>>, part: &Vec<Vec<f64>>| {
        let add = |(sum, part): (Vec<f64>, &Vec<f64>)| {
            sum.iter().zip(part).map(|(sum, part)| sum + part).collect()
        };
        sums.into_iter().zip(part).map(add).collect()
    };
    ranks[1..].iter().map(&of).fold(of(&ranks[0]).clone(), add)
}

/// Compares ranks of equal and unequal size, two and three, with the whole batch.
fn check(network: &Network) {
    // The ranks' sums are taken in another order. Variances of a few elements, as behind a pooled
    // map, enlarge the rounding of 1e-16; measured 2e-12.
    const TOLERANCE: f64 = 1e-10;
    let whole = seen(network, &(0..IMAGES), None);
    for parts in [[0..3, 3..6].as_slice(), &[0..2, 2..6], &[0..1, 1..3, 3..6]] {
        let ranks = on_ranks(network, parts);
        let what = |quantity: &str| format!("{quantity} of {parts:?}");
        let logits = ranks.iter().flat_map(|rank| rank.logits.clone()).collect();
        assert_close(&what("logits"), &[logits], from_ref(&whole.logits), TOLERANCE);
        let loss = ranks.iter().map(|rank| rank.loss).sum();
        assert_close(&what("loss"), &[vec![loss]], &[vec![whole.loss]], TOLERANCE);
        let gradients = summed(&ranks, |rank| &rank.gradients);
        assert_close(&what("gradients"), &gradients, &whole.gradients, TOLERANCE);
        let products = summed(&ranks, |rank| &rank.products);
        assert_close(&what("Hessian products"), &products, &whole.products, TOLERANCE);
        let statistics = &ranks[0].statistics;
        assert_close(&what("statistics"), statistics, &whole.statistics, TOLERANCE);
        for rank in &ranks[1..] {
            assert_eq!(&rank.statistics, statistics, "{parts:?}");
        }
    }
}

#[test]
fn ranks_see_values_gradients_hessian_products_and_statistics_of_the_whole_batch() {
    check(&narrow(ModelName::DeepLabV3Plus, ResNet18, 16));
}

#[test]
fn branches_of_a_block_meet_in_the_same_order_on_all_ranks() {
    check(&narrow(ModelName::DeepLabV3, ShuffleNetV2, 16));
}

#[test]
fn switchable_whitening_takes_mean_and_covariance_of_all_ranks() {
    let plain = narrow(ModelName::DeepLabV3, ResNet18, 16);
    let normalization = NormPreset::Switchable.places();
    check(&Network::new(NetworkConfig { normalization, ..plain.config.clone() }));
}

#[test]
fn one_rank_has_the_bits_of_a_pass_without_ranks() {
    let network = narrow(ModelName::DeepLabV3, ResNet18, 16);
    let alone = seen(&network, &(0..2), None);
    let rank = on_ranks(&network, from_ref(&(0..2))).remove(0);
    assert_eq!(rank.logits, alone.logits);
    assert_eq!(rank.gradients, alone.gradients);
    assert_eq!(rank.products, alone.products);
    assert_eq!(rank.statistics, alone.statistics);
}

#[test]
fn a_rank_that_fails_ahead_of_its_backward_pass_fails_the_backward_pass_of_the_other() {
    let network = narrow(ModelName::DeepLabV3, ResNet18, 16);
    let results = in_threads(2, |ranks| {
        let running = network.layout.init_statistics(&Device::flex(), DType::F64);
        let leaves = parameters(&network).into_iter().map(|x| x.autodiff().require_grad());
        let regime = Normalization::Batch;
        let mut pass = Pass::<Plain>::new(&network.layout, leaves.collect(), &running, regime);
        let rank = ranks.rank();
        pass.ranks = Some(ranks);
        let (loss, _) = loss(&network, &mut pass, &(rank..rank + 1));
        assert!(rank != 1, "no memory left");
        loss.backward();
    });
    let texts: Vec<String> =
        results.into_iter().map(|rank| rank.unwrap_err().to_string()).collect();
    assert!(texts[0].contains("rank 1: found it gone"), "{}", texts[0]);
    assert!(texts[0].contains(" variance, gradient\""), "{}", texts[0]);
    assert_eq!(texts[1], "rank 1: no memory left");
}

#[test]
fn tensors_on_a_gpu_in_single_precision_are_summed_with_their_gradients() {
    let device = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    let results = in_threads(2, |ranks| {
        let rank = ranks.rank() as f64;
        let x = tensor_from(&[1.0 + rank, 10.0], &device, DType::F32).autodiff().require_grad();
        let exchange = Exchange { ranks, name: "x".to_owned() };
        let sum = Plain::sum_over_ranks(x.clone(), &exchange);
        let weight = tensor_from(&[3.0, 5.0 + rank], &device, DType::F32);
        let gradients = (sum.clone() * weight).sum().backward();
        let host = |x: Tensor<1>| x.without_autodiff().try_into_vec_as::<f64>().unwrap();
        (host(sum), host(x.grad(&gradients).unwrap()))
    });
    for rank in results {
        // Small whole numbers have no rounding.
        assert_eq!(rank.unwrap(), (vec![3.0, 20.0], vec![6.0, 11.0]));
    }
}
