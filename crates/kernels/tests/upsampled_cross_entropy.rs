//! Three ways to the upsampled cross entropy agree, its derivative and gradients included: the
//! plain-Rust reference, plain Burn operations on the CPU, and WGSL on a software Vulkan adapter.

mod three_ways;

use burn::tensor::{DType, Device, Tensor};
use kernels::{
    PixelLabels, upsampled_cross_entropy, upsampled_cross_entropy_pair,
    upsampled_cross_entropy_pair_plain, upsampled_cross_entropy_plain,
};
use shaders::{
    upsampled_cross_entropy::{self as forward, Inputs},
    upsampled_cross_entropy_gradient as backward,
};
use three_ways::{
    F64_TOLERANCE, assert_close, assert_not_finite_alike, list, tensor, values, wgpu,
};

/// Relative to the largest expected value: a pixel's loss errs by some ten roundings of f32, from
/// taps, exponentials and logarithm (each within 4 ulp), and sums of up to a thousand pixels as a
/// tree or in order add less than the same again.
const F32_TOLERANCE: f64 = 1e-5;

/// Gradients of loss and derivative.
const OF_OUTPUTS: [f64; 2] = [1.3, -0.7];

/// One loss; every value is an f32, so that all three ways start from the same numbers.
#[derive(Clone)]
struct Case {
    /// [B, K, h, w].
    dims: [usize; 4],
    /// [H, W].
    label_size: [usize; 2],
    logits: Vec<f64>,
    tangent: Vec<f64>,
    labels: Vec<u8>,
    class_weights: Option<Vec<f64>>,
}

impl Case {
    /// Random logits in [-4, 4), and labels of which a quarter is no class.
    fn new(dims: [usize; 4], label_size: [usize; 2]) -> Self {
        let [batch, classes, height, width] = dims;
        let elements = batch * classes * height * width;
        let pixels = batch * label_size[0] * label_size[1];
        let label = |value: f64| match ((value + 1.0) / 2.0 * 4.0 / 3.0 * classes as f64) as usize {
            class if class < classes => class as u8,
            class if class % 2 == 0 => classes as u8,
            _ => 255,
        };
        Self {
            dims,
            label_size,
            logits: values(1, elements).into_iter().map(|value| 4.0 * value).collect(),
            tangent: values(2, elements),
            labels: values(3, pixels).into_iter().map(label).collect(),
            class_weights: None,
        }
    }

    fn with_class_weights(mut self) -> Self {
        self.class_weights =
            Some(values(4, self.dims[1]).into_iter().map(|value| value.abs()).collect());
        self
    }

    fn shape(&self) -> [usize; 3] {
        [self.dims[0], self.label_size[0], self.label_size[1]]
    }
}

/// Loss, derivative, and the gradients of their combination.
#[derive(Debug, PartialEq)]
struct Found {
    outputs: Vec<f64>,
    gradient: Vec<f64>,
    tangent_gradient: Vec<f64>,
}

fn reference(case: &Case, of_outputs: [f64; 2]) -> Found {
    let ones = vec![1.0; case.dims[1]];
    let inputs = Inputs {
        batch: case.dims[0],
        size: [case.dims[2], case.dims[3]],
        label_size: case.label_size,
        logits: &case.logits,
        tangent: &case.tangent,
        labels: &case.labels,
        class_weights: case.class_weights.as_ref().unwrap_or(&ones),
    };
    let counted = case.labels.iter().filter_map(|&id| inputs.class_weights.get(usize::from(id)));
    let total: f64 = counted.sum();
    let scale = if total == 0.0 { 0.0 } else { 1.0 / total };
    let outputs = forward::reference(&inputs);
    let (gradient, tangent_gradient) =
        backward::reference(&inputs, &outputs, of_outputs.map(|of| of * scale));
    Found {
        outputs: vec![outputs.loss * scale, outputs.derivative * scale],
        gradient,
        tangent_gradient,
    }
}

type Pair = fn(Tensor<4>, Tensor<4>, &PixelLabels, Option<&[f64]>) -> (Tensor<1>, Tensor<1>);
type Loss = fn(Tensor<4>, &PixelLabels, Option<&[f64]>) -> Tensor<1>;

fn run_pair(case: &Case, pair: Pair, device: &Device, dtype: DType) -> Found {
    let labels = PixelLabels::upload(&case.labels, case.shape(), device);
    let device = device.clone().autodiff();
    let logits = tensor(&case.logits, case.dims, &device, dtype).require_grad();
    let tangent = tensor(&case.tangent, case.dims, &device, dtype).require_grad();
    let (loss, derivative) =
        pair(logits.clone(), tangent.clone(), &labels, case.class_weights.as_deref());
    let [of_loss, of_derivative] = OF_OUTPUTS;
    let outputs = Tensor::cat(vec![loss.clone(), derivative.clone()], 0);
    let gradients =
        (loss.mul_scalar(of_loss) + derivative.mul_scalar(of_derivative)).sum().backward();
    Found {
        outputs: list(outputs),
        gradient: list(logits.grad(&gradients).expect("a gradient")),
        tangent_gradient: list(tangent.grad(&gradients).expect("a gradient")),
    }
}

/// Loss and gradient of the logits.
fn run_loss(case: &Case, loss: Loss, device: &Device, dtype: DType) -> [Vec<f64>; 2] {
    let labels = PixelLabels::upload(&case.labels, case.shape(), device);
    let logits = tensor(&case.logits, case.dims, &device.clone().autodiff(), dtype).require_grad();
    let loss = loss(logits.clone(), &labels, case.class_weights.as_deref());
    let gradient = logits.grad(&loss.backward()).expect("a gradient");
    [list(loss), list(gradient)]
}

fn assert_all_ways_agree(case: &Case, tolerance: f64) {
    let what = format!("{:?} to {:?}", case.dims, case.label_size);
    let expected = reference(case, OF_OUTPUTS);
    let of_loss = reference(case, [1.0, 0.0]);
    for (way, device, dtype, tolerance) in [
        ("WGSL", wgpu(), DType::F32, tolerance),
        ("Burn in f32", Device::flex(), DType::F32, tolerance),
        ("Burn in f64", Device::flex(), DType::F64, F64_TOLERANCE),
    ] {
        let found = run_pair(case, upsampled_cross_entropy_pair, &device, dtype);
        let what = |part: &str| format!("{way}, {what}: {part}");
        // Loss and derivative are of one size, that of a pixel's own.
        assert_close(&what("outputs"), &found.outputs, &expected.outputs, tolerance);
        assert_close(&what("gradient"), &found.gradient, &expected.gradient, tolerance);
        let expected = &expected.tangent_gradient;
        assert_close(&what("tangent gradient"), &found.tangent_gradient, expected, tolerance);

        let [loss, gradient] = run_loss(case, upsampled_cross_entropy, &device, dtype);
        assert_eq!(loss[0], found.outputs[0], "{}", what("loss alone and beside a derivative"));
        assert_close(&what("gradient of the loss"), &gradient, &of_loss.gradient, tolerance);
    }
}

#[test]
fn all_three_ways_agree_at_every_edge_of_a_workgroup() {
    // Workgroups take 256 label pixels forward, and 15 x 15 logits of four classes backward.
    for (index, (dims, label_size)) in [
        // One logit per image; the labels' size; a row and a column.
        ([1, 2, 1, 1], [1, 1]),
        ([1, 19, 1, 1], [5, 7]),
        ([2, 3, 4, 5], [4, 5]),
        ([1, 4, 6, 1], [11, 1]),
        ([1, 4, 1, 6], [3, 16]),
        ([2, 4, 6, 5], [1, 9]),
        // As many pixels as a workgroup, one less and one more.
        ([1, 2, 2, 3], [16, 16]),
        ([1, 2, 2, 3], [15, 17]),
        ([1, 2, 2, 3], [1, 257]),
        // As many logits as a workgroup, one less and one more; whole and broken ratios.
        ([1, 5, 14, 15], [27, 29]),
        ([1, 3, 16, 31], [61, 47]),
        // Batches, many classes, more than the crop's upsampling, smaller than the logits.
        ([7, 19, 3, 4], [9, 13]),
        ([1, 150, 5, 4], [17, 13]),
        // The most classes.
        ([1, 255, 3, 4], [9, 13]),
        ([2, 19, 3, 3], [33, 33]),
        ([2, 5, 9, 8], [4, 3]),
    ]
    .into_iter()
    .enumerate()
    {
        let case = Case::new(dims, label_size);
        let case = if index % 2 == 0 { case } else { case.with_class_weights() };
        assert_all_ways_agree(&case, F32_TOLERANCE);
    }
}

#[test]
fn more_pixels_than_all_workgroups_take_at_a_time_are_all_summed() {
    // 2048 workgroups take 524288.
    let mut case = Case::new([1, 2, 9, 9], [900, 601]);
    // Every pixel counts, so that none can be left out unseen.
    case.labels.iter_mut().for_each(|id| *id %= 2);
    let found = run_pair(&case, upsampled_cross_entropy_pair, &wgpu(), DType::F32);
    let expected = reference(&case, OF_OUTPUTS);
    assert_close("outputs", &found.outputs, &expected.outputs, F32_TOLERANCE);
    // A lane adds the pixels of its cell row by row, 113 rows of 75.
    assert_close("gradient", &found.gradient, &expected.gradient, F32_TOLERANCE);
}

#[test]
fn large_logits_agree_and_do_not_overflow() {
    let mut case = Case::new([1, 19, 4, 4], [13, 13]);
    case.logits.iter_mut().for_each(|value| *value *= 64.0);
    // Logits of 256 err by some 256 * 2^-24 = 1.5e-5 in f32, and the exponentials by as much.
    assert_all_ways_agree(&case, 1e-4);
    case.logits.iter_mut().for_each(|value| *value = f64::from((*value * 1e32) as f32));
    let [loss, gradient] = run_loss(&case, upsampled_cross_entropy, &wgpu(), DType::F32);
    assert!(loss[0].is_finite() && gradient.iter().all(|value| value.is_finite()));
}

#[test]
fn equal_logits_lose_the_logarithm_of_their_number_and_share_one_gradient() {
    let mut case = Case::new([1, 19, 3, 3], [7, 7]);
    case.logits.fill(2.5);
    case.labels.fill(7);
    let [loss, gradient] = run_loss(&case, upsampled_cross_entropy, &wgpu(), DType::F32);
    assert_close("loss", &loss, &[19f64.ln()], F32_TOLERANCE);
    for class in (0..19).filter(|&class| class != 7) {
        assert_eq!(gradient[class * 9..][..9], gradient[..9], "class {class}");
    }
}

#[test]
fn one_class_is_certain_and_has_no_gradient() {
    let case = Case::new([2, 1, 3, 4], [9, 13]);
    for (device, dtype) in [(wgpu(), DType::F32), (Device::flex(), DType::F64)] {
        let found = run_pair(&case, upsampled_cross_entropy_pair, &device, dtype);
        for value in found.outputs.iter().chain(&found.gradient).chain(&found.tangent_gradient) {
            // A logit of at most 4 less the logarithm of its own exponential: roundings of f32.
            assert!(value.abs() < 1e-6, "{value}");
        }
    }
}

#[test]
fn a_batch_of_ignored_or_weightless_pixels_has_loss_zero_and_zero_gradient() {
    let mut ignored = Case::new([2, 3, 4, 4], [9, 9]);
    ignored.labels.fill(255);
    let mut weightless = Case::new([2, 3, 4, 4], [9, 9]);
    weightless.labels.fill(1);
    weightless.class_weights = Some(vec![1.0, 0.0, 2.0]);
    for case in [ignored, weightless] {
        for (device, dtype) in [(wgpu(), DType::F32), (Device::flex(), DType::F64)] {
            let found = run_pair(&case, upsampled_cross_entropy_pair, &device, dtype);
            assert_eq!(found.outputs, [0.0, 0.0]);
            assert!(found.gradient.iter().all(|&value| value == 0.0));
            assert!(found.tangent_gradient.iter().all(|&value| value == 0.0));
        }
    }
}

#[test]
fn a_batch_without_pixels_has_loss_zero_and_zero_gradient() {
    for device in [wgpu(), Device::flex()] {
        for (dims, label_size) in [([0, 3, 4, 4], [9, 9]), ([2, 3, 4, 4], [0, 9])] {
            let case = Case::new(dims, label_size);
            let [loss, gradient] = run_loss(&case, upsampled_cross_entropy, &device, DType::F32);
            assert_eq!(loss, [0.0]);
            assert_eq!(gradient, vec![0.0; case.logits.len()]);
        }
    }
}

#[test]
fn logits_that_are_no_numbers_make_the_loss_none_in_all_three_ways() {
    let mut case = Case::new([1, 3, 4, 4], [9, 9]);
    case.labels.fill(0);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // Of the class itself and of another.
        for at in [4, 20] {
            let mut case = case.clone();
            case.logits[at] = bad;
            let expected = reference(&case, OF_OUTPUTS).outputs;
            for (way, device) in [("WGSL", wgpu()), ("Burn", Device::flex())] {
                let [loss, gradient] =
                    run_loss(&case, upsampled_cross_entropy, &device, DType::F32);
                let what = format!("{way}: {bad} at {at}");
                assert_not_finite_alike(&what, &loss, &expected[..1]);
                assert!(gradient.iter().any(|value| !value.is_finite()), "{what}: gradient");
            }
        }
    }
}

#[test]
fn more_labels_in_a_cell_than_the_software_driver_loops_for_agree() {
    // One row of logits and the next enclose 32768 rows of labels, each a loop of its own.
    let case = Case::new([1, 2, 2, 1], [32_769, 1]);
    let expected = reference(&case, [1.0, 0.0]);
    let [loss, gradient] = run_loss(&case, upsampled_cross_entropy, &wgpu(), DType::F32);
    // A cell's sum is one of 32768 pixels in order: each addition errs by 2^-24 of what is summed
    // so far, in either direction.
    assert_close("loss", &loss, &expected.outputs[..1], F32_TOLERANCE);
    assert_close("gradient", &gradient, &expected.gradient, 5e-5);
}

#[test]
fn logits_in_another_layout_give_the_bits_of_contiguous_ones() {
    let case = Case::new([2, 19, 5, 6], [17, 21]).with_class_weights();
    let device = wgpu();
    let labels = PixelLabels::upload(&case.labels, case.shape(), &device);
    let weights = case.class_weights.as_deref();
    // Like the rows [B h w, K] of a memory's scores; the tangent keeps its own layout.
    let tracked = device.clone().autodiff();
    let contiguous = tensor(&case.logits, case.dims, &device, DType::F32);
    let rows = list(contiguous.permute([0, 2, 3, 1]));
    let logits = tensor(&rows, [2, 5, 6, 19], &tracked, DType::F32).require_grad();
    let tangent = tensor(&case.tangent, case.dims, &tracked, DType::F32).require_grad();
    let permuted = logits.clone().permute([0, 3, 1, 2]);
    let (loss, derivative) =
        upsampled_cross_entropy_pair(permuted, tangent.clone(), &labels, weights);
    let outputs = [list(loss.clone()), list(derivative.clone())].concat();
    let gradients = (loss.mul_scalar(OF_OUTPUTS[0]) + derivative.mul_scalar(OF_OUTPUTS[1])).sum();
    let gradients = gradients.backward();
    let found = Found {
        outputs,
        gradient: list(logits.grad(&gradients).unwrap().permute([0, 3, 1, 2])),
        tangent_gradient: list(tangent.grad(&gradients).unwrap()),
    };
    let expected = run_pair(&case, upsampled_cross_entropy_pair, &device, DType::F32);
    assert!(found == expected, "bits differ");
}

#[test]
fn two_runs_and_a_run_with_checkpointing_give_equal_bits() {
    let case = Case::new([2, 19, 20, 18], [77, 69]);
    let run = || run_pair(&case, upsampled_cross_entropy_pair, &wgpu(), DType::F32);
    let first = run();
    assert!(first == run(), "bits differ");

    let device = wgpu().autodiff().gradient_checkpointing();
    let labels = PixelLabels::upload(&case.labels, case.shape(), &device);
    let logits = tensor(&case.logits, case.dims, &device, DType::F32).require_grad();
    let tangent = tensor(&case.tangent, case.dims, &device, DType::F32);
    let (loss, derivative) = upsampled_cross_entropy_pair(logits.clone(), tangent, &labels, None);
    let sum = loss.mul_scalar(OF_OUTPUTS[0]) + derivative.mul_scalar(OF_OUTPUTS[1]);
    let gradient = list(logits.grad(&sum.backward()).unwrap());
    assert!(gradient == first.gradient, "bits differ");
}

#[test]
fn a_loss_without_autodiff_has_the_bits_of_training() {
    let case = Case::new([1, 19, 5, 5], [17, 17]);
    let device = wgpu();
    let labels = PixelLabels::upload(&case.labels, case.shape(), &device);
    let logits = tensor(&case.logits, case.dims, &device, DType::F32);
    let loss = list(upsampled_cross_entropy(logits, &labels, None));
    assert_eq!(loss, run_loss(&case, upsampled_cross_entropy, &device, DType::F32)[0]);
}

#[test]
fn the_plain_twin_on_the_gpu_agrees_too() {
    let case = Case::new([2, 19, 5, 5], [17, 17]).with_class_weights();
    let expected = reference(&case, OF_OUTPUTS);
    let found = run_pair(&case, upsampled_cross_entropy_pair_plain, &wgpu(), DType::F32);
    assert_close("outputs", &found.outputs, &expected.outputs, F32_TOLERANCE);
    assert_close("gradient", &found.gradient, &expected.gradient, F32_TOLERANCE);
    let [loss, _] = run_loss(&case, upsampled_cross_entropy_plain, &wgpu(), DType::F32);
    assert_close("loss", &loss, &expected.outputs[..1], F32_TOLERANCE);
}
