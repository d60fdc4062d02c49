//! The convolution by columns on a software Vulkan adapter equals Burn's own there and on the CPU,
//! forward and backward.
//!
//! Inputs are small whole numbers, whose products and sums f32 holds exactly in any order: results
//! are compared bit for bit.

use burn::tensor::{DType, Device, Tensor, TensorData, module, ops::ConvOptions};
use kernels::{conv2d, conv2d_within, device::software_vulkan};
use shaders::{
    col2im, grouped_weight_gradient,
    im2col::{self, Windows},
};

/// One convolution.
#[derive(Clone, Debug)]
struct Case {
    /// [B, I, H, W].
    x: [usize; 4],
    /// [O, I / groups, KH, KW].
    weight: [usize; 4],
    stride: [usize; 2],
    padding: [(usize, usize); 2],
    dilation: [usize; 2],
    groups: usize,
    has_bias: bool,
}

impl Case {
    /// Stride 1, no padding, no dilation, one group, no bias.
    fn new(x: [usize; 4], outputs: usize, kernel: usize) -> Self {
        Self {
            x,
            weight: [outputs, x[1], kernel, kernel],
            stride: [1; 2],
            padding: [(0, 0); 2],
            dilation: [1; 2],
            groups: 1,
            has_bias: false,
        }
    }

    /// Dilated, and padded so that the size stays.
    fn same(x: [usize; 4], outputs: usize, dilation: usize) -> Self {
        Self {
            padding: [(dilation, dilation); 2],
            dilation: [dilation; 2],
            ..Self::new(x, outputs, 3)
        }
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, self.groups)
    }
}

fn cases() -> Vec<Case> {
    let with_bias = |case: Case| Case { has_bias: true, ..case };
    let strided = |case: Case| Case { stride: [2; 2], ..case };
    let grouped = |case: Case, groups: usize| {
        let [outputs, _, height, width] = case.weight;
        Case { weight: [outputs, case.x[1] / groups, height, width], groups, ..case }
    };
    let padded = |case: Case, padding| Case { padding: [(padding, padding); 2], ..case };
    let mut cases = vec![
        // Kernel 1.
        with_bias(Case::new([2, 5, 7, 9], 6, 1)),
        Case::new([7, 8, 4, 4], 3, 1),
        Case::new([1, 304, 5, 6], 48, 1),
        Case::new([1, 48, 5, 6], 304, 1),
        strided(Case::new([2, 8, 9, 7], 5, 1)),
        padded(Case::new([1, 6, 5, 4], 5, 1), 1),
        // Kernel 3: one image and several, channels in fours and not, more rows than one piece of
        // a weight gradient and whole pieces, one pixel.
        Case::same([1, 4, 8, 8], 4, 1),
        with_bias(Case::same([7, 3, 5, 6], 7, 1)),
        Case::same([1, 3, 61, 53], 5, 1),
        Case::same([2, 4, 64, 48], 4, 1),
        Case::same([3, 304, 3, 5], 33, 1),
        Case::same([2, 8, 1, 1], 4, 1),
        strided(Case::same([2, 8, 9, 8], 5, 1)),
        strided(Case::same([1, 4, 8, 9], 5, 2)),
        // The stem.
        strided(padded(Case::new([2, 3, 23, 20], 8, 7), 3)),
        // Both axes different, padded on one side more than on the other.
        Case {
            weight: [5, 6, 3, 5],
            stride: [2, 3],
            padding: [(1, 2), (0, 3)],
            dilation: [2, 1],
            ..Case::new([2, 6, 11, 13], 5, 3)
        },
        // More taps than the shaders take.
        padded(Case::new([1, 2, 12, 10], 3, 9), 4),
        grouped(Case::same([2, 8, 6, 5], 12, 1), 2),
        strided(grouped(with_bias(Case::same([2, 6, 6, 5], 6, 1)), 6)),
        // More rows than one block of a weight gradient.
        grouped(Case::same([2, 6, 19, 13], 4, 2), 2),
    ];
    for dilation in [2, 4, 6, 12, 18, 24] {
        cases.push(Case::same([1, 5, 27, 25], 4, dilation));
    }
    cases
}

/// A result and its gradients of a linear functional.
#[derive(Debug, PartialEq)]
struct Found {
    output: Vec<f64>,
    x_gradient: Vec<f64>,
    weight_gradient: Vec<f64>,
    bias_gradient: Option<Vec<f64>>,
}

/// Whole numbers from -4 to 4 that are a function of `name` and position alone.
fn whole_numbers(name: u64, count: usize) -> Vec<f64> {
    let hash = |index: u64| {
        let z = (name << 32 | index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 27)
    };
    (0..count as u64).map(|index| (hash(index) >> 32) as f64 % 9.0 - 4.0).collect()
}

fn tensor<const D: usize>(name: u64, dims: [usize; D], device: &Device) -> Tensor<D> {
    let values = whole_numbers(name, dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), (device, DType::F32))
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("f64 values")
}

type Convolve<'a> =
    &'a dyn Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, ConvOptions<2>) -> Tensor<4>;

const BURN: Convolve<'static> =
    &|x, weight, bias, options| module::conv2d(x, weight, bias, options);

fn run(case: &Case, convolve: Convolve<'_>, device: &Device) -> Found {
    let device = device.clone().autodiff();
    let x = tensor(1, case.x, &device).require_grad();
    let weight = tensor(2, case.weight, &device).require_grad();
    let bias = case.has_bias.then(|| tensor(3, [case.weight[0]], &device).require_grad());
    let output = convolve(x.clone(), weight.clone(), bias.clone(), case.options());
    let functional = tensor(4, output.dims(), &device);
    let gradients = (output.clone() * functional).sum().backward();
    Found {
        output: list(output),
        x_gradient: list(x.grad(&gradients).expect("a gradient")),
        weight_gradient: list(weight.grad(&gradients).expect("a gradient")),
        bias_gradient: bias.map(|bias| list(bias.grad(&gradients).expect("a gradient"))),
    }
}

fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

#[test]
fn every_convolution_is_burns_on_the_cpu_and_on_wgpu() {
    let device = wgpu();
    for case in cases() {
        let expected = run(&case, BURN, &Device::flex());
        assert!(expected.output.iter().any(|&value| value != 0.0), "{case:?}");
        assert!(run(&case, &conv2d, &device) == expected, "{case:?}");
        assert!(run(&case, BURN, &device) == expected, "Burn on wgpu: {case:?}");
    }
}

#[test]
fn on_the_cpu_it_is_burns_own() {
    let device = Device::flex();
    for case in cases() {
        assert!(run(&case, &conv2d, &device) == run(&case, BURN, &device), "{case:?}");
    }
}

#[test]
fn parts_of_any_size_give_the_same() {
    let device = wgpu();
    for case in [
        Case::same([5, 6, 9, 7], 7, 1),
        Case { stride: [2; 2], ..Case::same([3, 8, 19, 15], 5, 2) },
        Case::new([3, 7, 9, 7], 6, 1),
    ] {
        let expected = run(&case, BURN, &Device::flex());
        // One channel's columns of one image, two images', all but one row's.
        for bytes in [1, 10_000, 40_000, 70_000] {
            let found = run(
                &case,
                &|x, weight, bias, options| conv2d_within(x, weight, bias, options, bytes),
                &device,
            );
            assert!(found == expected, "{bytes} bytes: {case:?}");
        }
    }
}

#[test]
fn columns_beyond_a_binding_are_made_in_parts() {
    // 151 MB of columns; a binding of the software adapter holds 134 MB.
    let case = Case::same([1, 64, 256, 256], 4, 1);
    assert!(run(&case, &conv2d, &wgpu()) == run(&case, BURN, &Device::flex()));
}

#[test]
fn an_input_that_only_with_a_fourth_channel_is_beyond_a_binding_is_burns() {
    // 112 MB of three channels, 149 MB of four; a binding of the software adapter holds 134 MB.
    let case = Case { stride: [61, 59], ..Case::same([1, 3, 3050, 3050], 2, 1) };
    assert!(run(&case, &conv2d, &wgpu()) == run(&case, BURN, &Device::flex()));
}

#[test]
fn the_identity_as_weight_gives_the_columns_of_the_reference_and_back() {
    let windows = Windows {
        image: [6, 5],
        channels: 4,
        output: [4, 3],
        kernel: [3, 2],
        stride: [2, 2],
        padding: [2, 1],
        dilation: [1, 2],
    };
    let (batch, columns) = (2, windows.columns());
    let device = wgpu().autodiff();
    let x = tensor(1, [batch, 6, 5, 4], &device).require_grad();
    // Columns are ordered [KH, KW, I], a weight [O, I, KH, KW].
    let identity = Tensor::<2>::eye(columns, &device).reshape([columns, 3, 2, 4]);
    let options = ConvOptions::new_with_padding([2, 2], [(2, 2), (1, 1)], [1, 2], 1);
    let output =
        conv2d(x.clone().permute([0, 3, 1, 2]), identity.permute([0, 3, 1, 2]), None, options)
            .permute([0, 2, 3, 1]);
    assert_eq!(output.dims(), [batch, 4, 3, columns]);
    let expected = im2col::reference(&windows, &list(x.clone()));
    assert_eq!(list(output.clone()), expected);

    let functional = tensor(4, output.dims(), &device);
    let gradients = (output * functional.clone()).sum().backward();
    let expected = col2im::reference(&windows, &list(functional));
    assert_eq!(list(x.grad(&gradients).unwrap()), expected);
}

#[test]
fn the_weight_gradient_of_groups_is_the_references() {
    let case = Case {
        x: [2, 6, 9, 11],
        weight: [4, 3, 3, 2],
        stride: [2, 1],
        padding: [(2, 2), (1, 1)],
        dilation: [1, 3],
        groups: 2,
        has_bias: false,
    };
    let windows = Windows {
        image: [9, 11],
        channels: 6,
        output: [6, 10],
        kernel: [3, 2],
        stride: case.stride,
        padding: [2, 1],
        dilation: case.dilation,
    };
    // From [B, C, H, W] to [B, H, W, C].
    let innermost = |name: u64, dims: [usize; 4]| {
        list(tensor(name, dims, &Device::flex()).permute([0, 2, 3, 1]))
    };
    let (x, of_output) = (innermost(1, case.x), innermost(4, [2, 4, 6, 10]));
    let expected = grouped_weight_gradient::reference(&windows, case.groups, &x, &of_output);
    let found = run(&case, &conv2d, &wgpu()).weight_gradient;
    // From [O, I, KH, KW] to [KH, KW, I, O].
    let found =
        Tensor::<4>::from_data(TensorData::new(found, case.weight), (&Device::flex(), DType::F64));
    assert_eq!(list(found.permute([2, 3, 1, 0])), expected);
}

#[test]
fn strided_tensors_and_gradients_give_the_same() {
    let case = Case::same([2, 5, 7, 6], 4, 1);
    let expected = run(&case, BURN, &Device::flex());
    let turned: Convolve<'_> = &|x, weight, bias, options| {
        // Copied in another order of axes, then turned back.
        let x = (x.permute([3, 1, 0, 2]) * 1.0).permute([2, 1, 3, 0]);
        let weight = (weight.permute([2, 3, 1, 0]) * 1.0).permute([3, 2, 0, 1]);
        let output = conv2d(x, weight, bias, options).permute([1, 3, 2, 0]);
        (output * 1.0).permute([3, 0, 2, 1])
    };
    assert!(run(&case, turned, &wgpu()) == expected);
}

#[test]
fn a_constant_input_or_weight_leaves_the_others_gradient() {
    let case = Case::same([2, 5, 7, 6], 4, 1);
    let expected = run(&case, BURN, &Device::flex());
    let device = wgpu().autodiff().gradient_checkpointing();
    for of_x in [true, false] {
        let (x, weight) = (tensor(1, case.x, &device), tensor(2, case.weight, &device));
        let (x, weight) =
            if of_x { (x.require_grad(), weight) } else { (x, weight.require_grad()) };
        let output = conv2d(x.clone(), weight.clone(), None, case.options());
        let functional = tensor(4, output.dims(), &device);
        let gradients = (output * functional).sum().backward();
        assert_eq!(x.grad(&gradients).map(list), of_x.then(|| expected.x_gradient.clone()));
        let weight_gradient = weight.grad(&gradients).map(list);
        assert_eq!(weight_gradient, (!of_x).then(|| expected.weight_gradient.clone()));
    }
}

#[test]
fn without_autodiff_the_output_is_the_same() {
    let case = Case::same([2, 5, 7, 6], 4, 1);
    let device = wgpu();
    let (x, weight) = (tensor(1, case.x, &device), tensor(2, case.weight, &device));
    let output = list(conv2d(x, weight, None, case.options()));
    assert_eq!(output, run(&case, BURN, &Device::flex()).output);
}

#[test]
fn f64_on_wgpu_is_left_to_burn() {
    let device = wgpu();
    assert!(device.supports_dtype(DType::F64), "Mesa's software driver has f64");
    let ones = |dims: [usize; 4]| Tensor::<4>::ones(dims, (&device, DType::F64));
    let options = ConvOptions::new([1; 2], [0; 2], [1; 2], 1);
    let output = conv2d(ones([1, 2, 3, 3]), ones([1, 2, 3, 3]), None, options);
    assert_eq!((output.dtype(), list(output)), (DType::F64, vec![18.0]));
}

#[test]
fn fractions_are_as_near_to_f64_as_burns_are() {
    let case = Case { stride: [2; 2], ..Case::same([2, 64, 17, 15], 32, 1) };
    let fractions = |name: u64, dims: [usize; 4], device: &Device, dtype: DType| {
        let values = whole_numbers(name, dims.iter().product());
        // Thirds and sevenths, which no binary fraction holds; f32 and f64 start from the same.
        let values: Vec<f32> =
            values.iter().map(|value| (value / 3.0 + 1.0 / 7.0) as f32).collect();
        Tensor::<4>::from_data(TensorData::new(values, dims), (device, dtype))
    };
    let run = |convolve: Convolve<'_>, device: &Device, dtype: DType| {
        let device = device.clone().autodiff();
        let x = fractions(1, case.x, &device, dtype).require_grad();
        let weight = fractions(2, case.weight, &device, dtype).require_grad();
        let output = convolve(x.clone(), weight.clone(), None, case.options());
        let functional = fractions(4, output.dims(), &device, dtype);
        let gradients = (output.clone() * functional).sum().backward();
        [output, x.grad(&gradients).unwrap(), weight.grad(&gradients).unwrap()].map(list)
    };
    let found = run(&conv2d, &wgpu(), DType::F32);
    let expected = run(BURN, &Device::flex(), DType::F64);
    for (found, expected) in found.iter().zip(&expected) {
        let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            // Sums of up to 576 products in f32: at most 576 * 2^-24 of their terms.
            assert!((found - expected).abs() <= 3.4e-5 * largest, "{found}, expected {expected}");
        }
    }
}
