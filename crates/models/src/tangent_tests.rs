//! Every operation's tangent against finite differences, in f64 away from kinks.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use kernels::{LabelMaps, LabelWeights, Noise, PixelLabels, SlotSum, WriteRule};

use crate::layout::tensor_from;
use crate::mode::{BatchStatistics, Conv, Mode, Plain};
use crate::random::Stream;
use crate::resize::resize_bilinear;
use crate::tangent::{Dual, Tangent};

/// A scalar function of a flat parameter vector, in both modes.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) parameters: usize,
    pub(crate) plain: fn(Tensor<1>) -> Tensor<1>,
    pub(crate) dual: fn(Dual<1>) -> Dual<1>,
}

macro_rules! case {
    ($function:ident, $parameters:expr) => {
        Case {
            name: stringify!($function),
            parameters: $parameters,
            plain: |x| weighted::<Plain, 4>($function::<Plain>(x)),
            dual: |x| weighted::<Tangent, 4>($function::<Tangent>(x)),
        }
    };
}
pub(crate) use case;

/// `sum c y^2` with fixed random `c`: curved even where the operation is linear.
pub(crate) fn weighted<M: Mode, const D: usize>(y: M::T<D>) -> M::T<1> {
    let weights =
        random("weights", M::value(&y).shape().num_elements()).reshape(M::value(&y).dims());
    let squared = M::mul(y.clone(), y);
    M::linear(squared, |y| (y * weights.clone()).sum())
}

pub(crate) fn random(name: &str, len: usize) -> Tensor<1> {
    let stream = Stream::named(name);
    let values: Vec<f64> = (0..len as u64).map(|i| stream.uniform(i) * 2.0 - 1.0).collect();
    tensor_from(&values, &Device::flex(), DType::F64)
}

pub(crate) fn part<M: Mode, const D: usize>(
    x: &M::T<1>,
    start: usize,
    shape: [usize; D],
) -> M::T<D> {
    let len: usize = shape.iter().product();
    M::linear(x.clone(), |x| x.slice_dim(0, start..start + len).reshape(shape))
}

fn image<M: Mode>(x: &M::T<1>) -> M::T<4> {
    part::<M, 4>(x, 0, [2, 3, 5, 4])
}

const IMAGE: usize = 2 * 3 * 5 * 4;

fn conv_with_bias<M: Mode>(x: M::T<1>) -> M::T<4> {
    let weight = part::<M, 4>(&x, IMAGE, [2, 3, 3, 3]);
    let bias = part::<M, 1>(&x, IMAGE + 54, [2]);
    M::conv2d(
        image::<M>(&x),
        weight,
        Some(bias),
        Conv { stride: 2, padding: 2, dilation: 2, groups: 1 },
    )
}

fn conv_in_groups<M: Mode>(x: M::T<1>) -> M::T<4> {
    let weight = part::<M, 4>(&x, IMAGE, [6, 1, 3, 3]);
    M::conv2d(image::<M>(&x), weight, None, Conv { groups: 3, ..Conv::same3(1, 1) })
}

fn conv_of_a_constant<M: Mode>(x: M::T<1>) -> M::T<4> {
    let input = M::constant(random("constant", IMAGE).reshape([2, 3, 5, 4]));
    M::conv2d(input, part::<M, 4>(&x, 0, [2, 3, 3, 3]), None, Conv::same3(1, 1))
}

fn batch_norm_of_the_batch<M: Mode>(x: M::T<1>) -> M::T<4> {
    let weight = part::<M, 1>(&x, IMAGE, [3]);
    let bias = part::<M, 1>(&x, IMAGE + 3, [3]);
    M::batch_norm_train(image::<M>(&x), weight, bias).0
}

fn batch_norm_of_running_statistics<M: Mode>(x: M::T<1>) -> M::T<4> {
    let running =
        BatchStatistics { mean: random("mean", 3), variance: random("variance", 3).square() + 0.5 };
    let weight = part::<M, 1>(&x, IMAGE, [3]);
    let bias = part::<M, 1>(&x, IMAGE + 3, [3]);
    M::batch_norm_eval(image::<M>(&x), weight, bias, ("layer", &running))
}

fn relu<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::relu(image::<M>(&x))
}

fn relu6<M: Mode>(x: M::T<1>) -> M::T<4> {
    // Values below 0, between, and above 6.
    M::relu6(M::scale(image::<M>(&x), 10.0))
}

fn some_channels_in_another_order<M: Mode>(x: M::T<1>) -> M::T<4> {
    let x = M::channels(image::<M>(&x), 1..3);
    M::permute(M::reshape(x, [2, 2, 4, 5]), [2, 0, 3, 1])
}

fn mean_of_pixels<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::mean_pixels(image::<M>(&x))
}

fn max_pool<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::max_pool3(image::<M>(&x))
}

fn log_softmax<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::log_softmax(image::<M>(&x), 1)
}

fn l2_normalize<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::l2_normalize(image::<M>(&x), 1)
}

/// Pixels of norm 1e-13, whose divisor is 1e-12.
fn tiny_image<M: Mode>(x: &M::T<1>) -> M::T<4> {
    M::scale(image::<M>(x), 1e-13)
}

fn l2_normalize_below_the_clamp<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::l2_normalize(tiny_image::<M>(&x), 1)
}

fn l2_normalize_of_zero<M: Mode>(x: M::T<1>) -> M::T<4> {
    let point = random("l2_normalize_of_zero", IMAGE).neg().reshape([2, 3, 5, 4]);
    let zero = M::scale(M::add(image::<M>(&x), M::constant(point)), 1e-13);
    // Not the zero alone, whose square has no slope.
    let ones = M::constant(Tensor::ones([2, 3, 5, 4], (&Device::flex(), DType::F64)));
    M::add(M::l2_normalize(zero, 1), ones)
}

fn cat_with_a_constant<M: Mode>(x: M::T<1>) -> M::T<4> {
    let constant = M::constant(random("constant", IMAGE).reshape([2, 3, 5, 4]));
    M::cat(vec![constant, image::<M>(&x)], 1)
}

fn resize<M: Mode>(x: M::T<1>) -> M::T<4> {
    resize_bilinear::<M>(image::<M>(&x), [7, 9])
}

fn broadcast_add_and_mul<M: Mode>(x: M::T<1>) -> M::T<4> {
    let row = part::<M, 4>(&x, IMAGE, [1, 3, 1, 1]);
    M::mul(M::add(image::<M>(&x), row.clone()), row)
}

fn gather<M: Mode>(x: M::T<1>) -> M::T<4> {
    let index: Vec<i32> = (0..40).map(|i| i % 3).collect();
    let index = Tensor::<4, Int>::from_data(
        TensorData::new(index, [2, 1, 5, 4]),
        (&Device::flex(), DType::I32),
    );
    M::gather(image::<M>(&x), 1, &index)
}

fn memory_read<M: Mode>(x: M::T<1>) -> M::T<4> {
    let features = part::<M, 4>(&x, 0, [2, 4, 1, 3]);
    let memory = M::l2_normalize(part::<M, 2>(&x, 24, [5, 4]), 1);
    let noise = random("noise", 30).reshape([6, 5]);
    let read = M::memory_read(features, memory, Noise::Given(noise), 0.5);
    M::cat(vec![read.joined, read.scores, read.weights], 1)
}

fn memory_read_below_the_clamp<M: Mode>(x: M::T<1>) -> M::T<4> {
    let features = M::scale(part::<M, 4>(&x, 0, [2, 4, 1, 3]), 1e-13);
    let memory = M::scale(part::<M, 2>(&x, 24, [5, 4]), 10.0);
    let read = M::memory_read(features, memory, Noise::None, 0.5);
    M::cat(vec![read.joined, read.scores, read.weights], 1)
}

fn memory_write_of<M: Mode>(
    features: M::T<4>,
    memory: Tensor<2>,
    normalize_slots: bool,
) -> M::T<4> {
    // Blocks of two labels, class 4 absent, some ignored.
    let ids: Vec<u8> = (0..2 * 9 * 8).map(|at| [0, 1, 255, 2, 3][at / 2 % 5]).collect();
    let labels = LabelMaps::new(&ids, [2, 9, 8], &Device::flex());
    let rule = WriteRule { momentum: 0.8, normalize_slots, label_weights: LabelWeights::Soft };
    let written = M::memory_write(features, &labels, memory, rule);
    M::reshape(written, [5, 3, 1, 1])
}

fn old_memory() -> Tensor<2> {
    random("old memory", 15).reshape([5, 3])
}

fn memory_write<M: Mode>(x: M::T<1>) -> M::T<4> {
    memory_write_of::<M>(image::<M>(&x), old_memory(), true)
}

fn memory_write_without_norms<M: Mode>(x: M::T<1>) -> M::T<4> {
    memory_write_of::<M>(image::<M>(&x), old_memory(), false)
}

fn memory_write_of_features_below_the_clamp<M: Mode>(x: M::T<1>) -> M::T<4> {
    memory_write_of::<M>(tiny_image::<M>(&x), old_memory(), true)
}

fn memory_write_of_slots_below_the_clamp<M: Mode>(x: M::T<1>) -> M::T<4> {
    // Divided by 1e-12, the features' mean is a slot of norm 1e-14 at most.
    let features = M::scale(image::<M>(&x), 1e-26);
    memory_write_of::<M>(features, old_memory().zeros_like(), true)
}

fn memory_divergence<M: Mode>(x: M::T<1>) -> M::T<4> {
    let memory = M::l2_normalize(part::<M, 2>(&x, 0, [5, 4]), 1);
    let (weight, bias) = (part::<M, 2>(&x, 20, [5, 4]), part::<M, 1>(&x, 40, [5]));
    let losses = M::memory_divergence(memory, weight, bias, SlotSum::Mean);
    M::reshape(M::cat(vec![losses.divergence, losses.classification], 0), [2, 1, 1, 1])
}

fn upsampled_cross_entropy<M: Mode>(x: M::T<1>) -> M::T<4> {
    let ids: Vec<u8> = (0..84).map(|i| if i % 5 == 0 { 255 } else { i % 3 }).collect();
    let labels = PixelLabels::upload(&ids, [2, 7, 6], &Device::flex());
    let loss = M::upsampled_cross_entropy(image::<M>(&x), &labels, Some(&[1.0, 0.5, 2.0]));
    M::reshape(loss, [1, 1, 1, 1])
}

fn exp<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::exp(image::<M>(&x))
}

fn reciprocal_sqrt<M: Mode>(x: M::T<1>) -> M::T<4> {
    // At least 1: 3 plus numbers of at most 2.
    let above = M::constant(Tensor::<1>::full([1], 3.0, (&Device::flex(), DType::F64)));
    let above = M::linear(above, |x| x.reshape([1, 1, 1, 1]));
    M::reciprocal_sqrt(M::add(M::scale(image::<M>(&x), 2.0), above))
}

fn instance_norm<M: Mode>(x: M::T<1>) -> M::T<4> {
    M::instance_norm(image::<M>(&x))
}

const CASES: [Case; 29] = [
    case!(conv_with_bias, IMAGE + 56),
    case!(conv_in_groups, IMAGE + 54),
    case!(relu6, IMAGE),
    case!(some_channels_in_another_order, IMAGE),
    case!(mean_of_pixels, IMAGE),
    case!(conv_of_a_constant, 54),
    case!(batch_norm_of_the_batch, IMAGE + 6),
    case!(batch_norm_of_running_statistics, IMAGE + 6),
    case!(relu, IMAGE),
    case!(max_pool, IMAGE),
    case!(log_softmax, IMAGE),
    case!(l2_normalize, IMAGE),
    case!(l2_normalize_below_the_clamp, IMAGE),
    case!(l2_normalize_of_zero, IMAGE),
    case!(cat_with_a_constant, IMAGE),
    case!(resize, IMAGE),
    case!(broadcast_add_and_mul, IMAGE + 3),
    case!(gather, IMAGE),
    case!(memory_read, 44),
    case!(memory_read_below_the_clamp, 44),
    case!(memory_write, IMAGE),
    case!(memory_write_without_norms, IMAGE),
    case!(memory_write_of_features_below_the_clamp, IMAGE),
    case!(memory_write_of_slots_below_the_clamp, IMAGE),
    case!(memory_divergence, 45),
    case!(upsampled_cross_entropy, IMAGE),
    case!(exp, IMAGE),
    case!(reciprocal_sqrt, IMAGE),
    case!(instance_norm, IMAGE),
];

fn gradient(case: &Case, at: &Tensor<1>) -> Vec<f64> {
    let leaf = at.clone().autodiff().require_grad();
    let gradients = (case.plain)(leaf.clone()).backward();
    leaf.grad(&gradients).unwrap().try_into_vec_as().unwrap()
}

#[test]
fn tangent_and_hessian_product_of_every_operation_equal_finite_differences() {
    assert_equal_to_finite_differences(&CASES);
}

pub(crate) fn assert_equal_to_finite_differences(cases: &[Case]) {
    // f64 central differences at 1e-6: truncation 1e-12, rounding 1e-16 / 1e-6 = 1e-10.
    const STEP: f64 = 1e-6;
    const TOLERANCE: f64 = 1e-7;
    for case in cases {
        let at = random(case.name, case.parameters);
        let direction = random(&format!("{} direction", case.name), case.parameters);
        let ahead = at.clone() + direction.clone().mul_scalar(STEP);
        let behind = at.clone() - direction.clone().mul_scalar(STEP);
        let value = |x: &Tensor<1>| (case.plain)(x.clone()).into_scalar::<f64>();

        let leaf = at.clone().autodiff().require_grad();
        let dual = (case.dual)(Dual::new(leaf.clone(), direction));
        let tangent = dual.tangent.unwrap();
        let expected = (value(&ahead) - value(&behind)) / (2.0 * STEP);
        let got = tangent.clone().without_autodiff().into_scalar::<f64>();
        assert!(
            (got - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
            "{}: tangent {got}, expected {expected}",
            case.name
        );

        let product: Vec<f64> = leaf.grad(&tangent.backward()).unwrap().try_into_vec_as().unwrap();
        let (ahead, behind) = (gradient(case, &ahead), gradient(case, &behind));
        for (index, got) in product.iter().enumerate() {
            let expected = (ahead[index] - behind[index]) / (2.0 * STEP);
            assert!(
                (got - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
                "{}: Hv[{index}] {got}, expected {expected}",
                case.name
            );
        }
    }
}

#[test]
fn relu_and_relu6_have_no_slope_at_their_kinks() {
    let at = || tensor_from(&[0.0, 6.0, 3.0, -1.0, 7.0], &Device::flex(), DType::F64);
    for (name, plain, dual, slopes) in [
        (
            "relu",
            Plain::relu as fn(Tensor<1>) -> _,
            Tangent::relu as fn(Dual<1>) -> _,
            [0, 1, 1, 0, 1],
        ),
        ("relu6", Plain::relu6, Tangent::relu6, [0, 0, 1, 0, 0]),
    ] {
        let slopes = slopes.map(f64::from);
        let leaf = at().autodiff().require_grad();
        let gradients = plain(leaf.clone()).sum().backward();
        let found: Vec<f64> = leaf.grad(&gradients).unwrap().try_into_vec_as().unwrap();
        assert_eq!(found, slopes, "{name}: gradient");
        let tangent = dual(Dual::new(at(), at().ones_like())).tangent.unwrap();
        let found: Vec<f64> = tangent.try_into_vec_as().unwrap();
        assert_eq!(found, slopes, "{name}: tangent");
    }
}
