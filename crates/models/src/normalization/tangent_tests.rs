//! Every norm and whitening loss against finite differences, in f64 away from kinks.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};

use crate::layout::{Layout, tensor_from};
use crate::mode::{BatchStatistics, Mode, Plain};
use crate::normalization::places::{NormPlace, NormPlaces};
use crate::normalization::presets::NormPreset;
use crate::normalization::sensitivity::SensitivePairs;
use crate::normalization::whitening_loss::{CovarianceMask, whitening_loss};
use crate::pass::{Normalization, Pass};
use crate::ranks::{Ranks, RanksError};
use crate::tangent::Tangent;
use crate::tangent_tests::{
    Case, assert_equal_to_finite_differences, case, part, random, weighted,
};
use crate::weights::HostTensor;

/// Two groups of switchable whitening.
const WIDE: [usize; 4] = [2, 32, 2, 3];
const WIDE_LEN: usize = 2 * 32 * 2 * 3;
/// Mixing weights, gain and offset.
const WIDE_PARAMETERS: usize = 2 + 2 + 32 + 32;

const NARROW: [usize; 4] = [2, 4, 3, 2];
const NARROW_LEN: usize = 2 * 4 * 3 * 2;

/// A norm of an image of `shape`, both taken from `x`: the image first, then the parameters.
fn norm<M: Mode>(
    x: &M::T<1>,
    shape: [usize; 4],
    regime: Normalization,
    declare: impl Fn(&mut Layout, usize),
    apply: impl Fn(&mut Pass<'_, M>, M::T<4>) -> M::T<4>,
) -> M::T<4> {
    let mut layout = Layout::default();
    declare(&mut layout, shape[1]);
    let mut start: usize = shape.iter().product();
    let parameters = layout
        .parameters
        .iter()
        .map(|spec| {
            start += spec.len();
            part::<M, 1>(x, start - spec.len(), [spec.len()])
        })
        .collect();
    let running: Vec<BatchStatistics> = layout
        .statistics()
        .iter()
        .map(|spec| BatchStatistics {
            mean: random(&spec.mean, spec.mean_shape.iter().product()),
            variance: products(&spec.variance, &spec.variance_shape),
        })
        .collect();
    let mut pass = Pass::<M>::new(&layout, parameters, &running, regime);
    apply(&mut pass, part::<M, 4>(x, 0, shape))
}

/// `R R^T` of random `R`, which is a covariance; for a batch norm, squares.
fn products(name: &str, shape: &[usize]) -> Tensor<1> {
    let len = shape.iter().product();
    let group = shape.get(1).copied().unwrap_or(1);
    let factor = random(name, len).reshape([len / group / group, group, group]);
    factor.clone().matmul(factor.transpose()).reshape([len])
}

fn switchable<M: Mode>(x: &M::T<1>, regime: Normalization) -> M::T<4> {
    let places = NormPreset::Switchable.places();
    let place = NormPlace::stage(1);
    let declare = |layout: &mut Layout, channels| places.declare(layout, "sw", place, channels);
    norm::<M>(x, WIDE, regime, declare, |pass, x| {
        places.apply(pass, "sw", place, x, &mut Vec::new())
    })
}

fn switchable_whitening_of_the_batch<M: Mode>(x: M::T<1>) -> M::T<4> {
    switchable::<M>(&x, Normalization::Batch)
}

fn switchable_whitening_of_running_statistics<M: Mode>(x: M::T<1>) -> M::T<4> {
    switchable::<M>(&x, Normalization::Running)
}

/// Two ranks, of which the other has the same images: every sum is twice this rank's part.
#[derive(Debug)]
struct Twins;

impl Ranks for Twins {
    fn count(&self) -> usize {
        2
    }

    fn rank(&self) -> usize {
        0
    }

    fn sum(&self, _: &str, values: &mut [f64]) -> Result<(), RanksError> {
        values.iter_mut().for_each(|value| *value *= 2.0);
        Ok(())
    }
}

fn batch_norm_of_two_ranks<M: Mode>(x: M::T<1>) -> M::T<4> {
    let declare = |layout: &mut Layout, channels| layout.batch_norm_layer("bn", channels, 0.0);
    norm::<M>(&x, NARROW, Normalization::Batch, declare, |pass, x| {
        pass.ranks = Some(Arc::new(Twins));
        pass.batch_norm("bn", x)
    })
}

fn switchable_whitening_of_two_ranks<M: Mode>(x: M::T<1>) -> M::T<4> {
    let places = NormPreset::Switchable.places();
    let place = NormPlace::stage(1);
    let declare = |layout: &mut Layout, channels| places.declare(layout, "sw", place, channels);
    norm::<M>(&x, WIDE, Normalization::Batch, declare, |pass, x| {
        pass.ranks = Some(Arc::new(Twins));
        places.apply(pass, "sw", place, x, &mut Vec::new())
    })
}

fn affine_instance_norm<M: Mode>(x: M::T<1>) -> M::T<4> {
    let places: NormPlaces = NormPreset::Ibn.places();
    let place = NormPlace::stem(2);
    let declare = |layout: &mut Layout, channels| places.declare(layout, "in", place, channels);
    norm::<M>(&x, NARROW, Normalization::Batch, declare, |pass, x| {
        places.apply(pass, "in", place, x, &mut Vec::new())
    })
}

fn ibn_a<M: Mode>(x: M::T<1>) -> M::T<4> {
    let places = NormPreset::IbnA.places();
    let declare = |layout: &mut Layout, channels| places.declare_first(layout, "bn1", 0, channels);
    norm::<M>(&x, NARROW, Normalization::Batch, declare, |pass, x| {
        places.apply_first(pass, "bn1", 0, x)
    })
}

/// The loss of two maps that are whitened by instance, as in a network.
fn loss<M: Mode>(x: &M::T<1>, mask: &CovarianceMask) -> M::T<4> {
    let maps = [0, NARROW_LEN].map(|start| M::instance_norm(part::<M, 4>(x, start, NARROW)));
    let loss = whitening_loss::<M>(&maps, &[mask.clone(), mask.clone()]);
    M::reshape(loss, [1, 1, 1, 1])
}

fn whitening_loss_of_all_pairs<M: Mode>(x: M::T<1>) -> M::T<4> {
    loss::<M>(&x, &CovarianceMask::all_pairs(4, 0.0, &Device::flex(), DType::F64))
}

fn whitening_loss_with_a_margin<M: Mode>(x: M::T<1>) -> M::T<4> {
    // A margin of 1, below the sums of six absolute correlations that these images have.
    loss::<M>(&x, &CovarianceMask::all_pairs(4, 6.0, &Device::flex(), DType::F64))
}

fn whitening_loss_of_sensitive_pairs<M: Mode>(x: M::T<1>) -> M::T<4> {
    let mut values = vec![0.0; 16];
    (values[1], values[6], values[3]) = (1.0, 1.0, 1.0);
    let pairs = HostTensor { shape: vec![4, 4], values };
    let pairs = SensitivePairs::from_host_tensor(&pairs).unwrap();
    loss::<M>(&x, &CovarianceMask::sensitive(&pairs, &Device::flex(), DType::F64))
}

const CASES: [Case; 9] = [
    case!(switchable_whitening_of_the_batch, WIDE_LEN + WIDE_PARAMETERS),
    case!(switchable_whitening_of_running_statistics, WIDE_LEN + WIDE_PARAMETERS),
    case!(batch_norm_of_two_ranks, NARROW_LEN + 8),
    case!(switchable_whitening_of_two_ranks, WIDE_LEN + WIDE_PARAMETERS),
    case!(affine_instance_norm, NARROW_LEN + 8),
    case!(ibn_a, NARROW_LEN + 8),
    case!(whitening_loss_of_all_pairs, 2 * NARROW_LEN),
    case!(whitening_loss_with_a_margin, 2 * NARROW_LEN),
    case!(whitening_loss_of_sensitive_pairs, 2 * NARROW_LEN),
];

#[test]
fn tangent_and_hessian_product_of_every_norm_and_loss_equal_finite_differences() {
    assert_equal_to_finite_differences(&CASES);
}

#[test]
fn a_sum_below_the_margin_is_no_loss() {
    let map = tensor_from(&[1.0, -1.0, 0.5, -0.5], &Device::flex(), DType::F64);
    let map = map.reshape([1, 2, 1, 2]);
    let of = |relaxation: f64| {
        let mask = CovarianceMask::all_pairs(2, relaxation, &Device::flex(), DType::F64);
        whitening_loss::<Plain>(std::slice::from_ref(&map), &[mask]).into_scalar::<f64>()
    };
    // One pair with a covariance of 1; half of it is floored to no margin.
    assert_eq!([of(0.0), of(2.0), of(1.0), of(0.5)], [1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_layer_without_a_sensitive_pair_has_no_loss() {
    let none =
        SensitivePairs::from_host_tensor(&HostTensor { shape: vec![2, 2], values: vec![0.0; 4] });
    let mask = CovarianceMask::sensitive(&none.unwrap(), &Device::flex(), DType::F64);
    let map = tensor_from(&[1.0, -1.0, 0.5, -0.5], &Device::flex(), DType::F64);
    let loss = whitening_loss::<Plain>(&[map.reshape([1, 2, 1, 2])], &[mask]);
    assert_eq!(loss.into_scalar::<f64>(), 0.0);
}
