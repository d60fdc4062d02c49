//! Three ways to read the memory agree, forward and backward: the plain-Rust reference, plain Burn
//! operations on the CPU, and WGSL on a software Vulkan adapter.

use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::{MemoryRead, Noise, device::software_vulkan, memory_read, memory_read_plain};
use shaders::{
    memory_read::{self as forward, Inputs, Outputs},
    memory_read_feature_gradient, memory_read_memory_gradient, memory_read_score_gradient,
};

/// Relative to the largest expected value: a score is a sum of up to 256 products in f32, whose
/// rounding errs by at most 256 * 2^-24 = 1.5e-5 of its terms; the other sums are shorter or add
/// errors that are independent of each other.
const F32_TOLERANCE: f64 = 1.5e-5;

/// A few hundred roundings of f64.
const F64_TOLERANCE: f64 = 1e-12;

/// One memory read, and a linear functional of its four results to differentiate.
///
/// Every value is an f32, so that all three ways start from the same numbers.
#[derive(Clone)]
struct Case {
    channels: usize,
    slots: usize,
    temperature: f64,
    features: Vec<f64>,
    memory: Vec<f64>,
    noise: Option<Vec<f64>>,
    functional: Outputs,
}

/// Values in [-1, 1) that are a function of `name` and position alone.
fn values(name: u64, count: usize) -> Vec<f64> {
    let hash = |index: u64| {
        let z = (name << 32 | index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..count as u64).map(|index| (hash(index) >> 40) as f64 / (1u64 << 23) as f64 - 1.0).collect()
}

impl Case {
    /// Random features, slots of random direction and unit norm, no noise, temperature 1.
    fn new(pixels: usize, channels: usize, slots: usize) -> Self {
        let mut memory = values(2, slots * channels);
        for slot in memory.chunks_exact_mut(channels) {
            let norm = slot.iter().map(|value| value * value).sum::<f64>().sqrt();
            slot.iter_mut().for_each(|value| *value = f64::from((*value / norm) as f32));
        }
        Self {
            channels,
            slots,
            temperature: 1.0,
            features: values(1, pixels * channels),
            memory,
            noise: None,
            functional: Outputs {
                normalized: values(4, pixels * channels),
                scores: values(5, pixels * slots),
                weights: values(6, pixels * slots),
                readout: values(7, pixels * channels),
            },
        }
    }

    fn pixels(&self) -> usize {
        self.features.len() / self.channels
    }

    fn with_noise(mut self) -> Self {
        self.noise = Some(values(3, self.pixels() * self.slots));
        self
    }
}

/// The four results, and the gradients of the functional.
#[derive(Debug, PartialEq)]
struct Found {
    outputs: Outputs,
    feature_gradient: Vec<f64>,
    memory_gradient: Vec<f64>,
}

fn reference(case: &Case) -> Found {
    let inputs = Inputs {
        channels: case.channels,
        features: &case.features,
        memory: &case.memory,
        noise: case.noise.as_deref(),
        temperature: case.temperature,
    };
    let outputs = forward::reference(&inputs);
    let of = &case.functional;
    let score_gradient = memory_read_score_gradient::reference(&inputs, &outputs, of);
    Found {
        feature_gradient: memory_read_feature_gradient::reference(
            &inputs,
            &outputs,
            of,
            &score_gradient,
        ),
        memory_gradient: memory_read_memory_gradient::reference(
            &inputs,
            &outputs,
            of,
            &score_gradient,
        ),
        outputs,
    }
}

fn tensor(values: &[f64], columns: usize, device: &Device, dtype: DType) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len() / columns, columns]);
    Tensor::from_data(data, (device, dtype))
}

fn list(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("f64 values")
}

type Read = fn(Tensor<2>, Tensor<2>, Noise, f64) -> MemoryRead;

fn functional(read: &MemoryRead, case: &Case, device: &Device, dtype: DType) -> Tensor<1> {
    let of = &case.functional;
    let term = |output: &Tensor<2>, of: &[f64], columns: usize| {
        (output.clone() * tensor(of, columns, device, dtype)).sum()
    };
    term(&read.normalized, &of.normalized, case.channels)
        + term(&read.scores, &of.scores, case.slots)
        + term(&read.weights, &of.weights, case.slots)
        + term(&read.readout, &of.readout, case.channels)
}

fn run(case: &Case, read: Read, device: &Device, dtype: DType) -> Found {
    let device = device.clone().autodiff();
    let features = tensor(&case.features, case.channels, &device, dtype).require_grad();
    let memory = tensor(&case.memory, case.channels, &device, dtype).require_grad();
    let noise = case.noise.as_ref().map(|noise| tensor(noise, case.slots, &device, dtype));
    let noise = noise.map_or(Noise::None, Noise::Given);
    let read = read(features.clone(), memory.clone(), noise, case.temperature);
    let gradients = functional(&read, case, &device, dtype).backward();
    Found {
        outputs: lists(read),
        feature_gradient: list(features.grad(&gradients).expect("a gradient")),
        memory_gradient: list(memory.grad(&gradients).expect("a gradient")),
    }
}

fn lists(read: MemoryRead) -> Outputs {
    Outputs {
        normalized: list(read.normalized),
        scores: list(read.scores),
        weights: list(read.weights),
        readout: list(read.readout),
    }
}

fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

fn run_wgsl(case: &Case) -> Found {
    run(case, memory_read, &wgpu(), DType::F32)
}

fn run_burn(case: &Case) -> Found {
    run(case, memory_read, &Device::flex(), DType::F32)
}

/// Relative to the largest expected value.
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert!(tolerance <= 1e-3, "a tolerance that wide shows nothing");
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / largest.max(f64::MIN_POSITIVE);
        assert!(error <= tolerance, "{what}[{index}]: {found}, expected {expected}: {error:e}");
    }
}

fn assert_same(what: &str, found: &Found, expected: &Found, tolerance: f64) {
    let (here, there) = (&found.outputs, &expected.outputs);
    for (name, found, expected) in [
        ("normalized", &here.normalized, &there.normalized),
        ("scores", &here.scores, &there.scores),
        ("weights", &here.weights, &there.weights),
        ("readout", &here.readout, &there.readout),
        ("feature gradient", &found.feature_gradient, &expected.feature_gradient),
        ("memory gradient", &found.memory_gradient, &expected.memory_gradient),
    ] {
        assert_close(&format!("{what}: {name}"), found, expected, tolerance);
    }
}

#[test]
fn all_three_ways_agree_at_every_edge_of_a_workgroup() {
    // Workgroups take 16 pixels, 20 slots and 32 or 64 channels; blocks of pixels are 128.
    for channels in [16, 33, 256] {
        for slots in [2, 19, 150] {
            for pixels in [1, 15, 16, 17, 300] {
                let plain = Case::new(pixels, channels, slots);
                let noisy = plain.clone().with_noise();
                let case = if pixels % 2 == 0 { noisy } else { plain };
                let what = format!("N {pixels}, C {channels}, K {slots}");
                let expected = reference(&case);
                assert_same(&format!("WGSL: {what}"), &run_wgsl(&case), &expected, F32_TOLERANCE);
                assert_same(&format!("Burn: {what}"), &run_burn(&case), &expected, F32_TOLERANCE);
            }
        }
    }
}

#[test]
fn plain_burn_in_f64_is_the_reference() {
    for pixels in [1, 17] {
        let mut case = Case::new(pixels, 33, 19).with_noise();
        case.temperature = 0.1;
        let found = run(&case, memory_read, &Device::flex(), DType::F64);
        assert_same("f64", &found, &reference(&case), F64_TOLERANCE);
    }
}

#[test]
fn a_low_temperature_sharpens_all_three_alike() {
    for case in [Case::new(130, 33, 19), Case::new(130, 33, 19).with_noise()] {
        let case = Case { temperature: 0.1, ..case };
        let expected = reference(&case);
        // The temperature multiplies the scores' errors by ten.
        assert_same("WGSL", &run_wgsl(&case), &expected, 10.0 * F32_TOLERANCE);
        assert_same("Burn", &run_burn(&case), &expected, 10.0 * F32_TOLERANCE);
    }
}

#[test]
fn large_features_and_slots_agree() {
    let mut case = Case::new(40, 33, 19);
    // Squares stay below the largest f32; scores of 30 make a softmax of nearly one slot.
    case.features.iter_mut().for_each(|value| *value *= f64::from(1e15f32));
    case.features.iter_mut().for_each(|value| *value = f64::from(*value as f32));
    case.memory.iter_mut().for_each(|value| *value = f64::from((*value * 30.0) as f32));
    let expected = reference(&case);
    // Slots of norm 30 multiply the scores' errors by 30.
    assert_same("WGSL", &run_wgsl(&case), &expected, 30.0 * F32_TOLERANCE);
    assert_same("Burn", &run_burn(&case), &expected, 30.0 * F32_TOLERANCE);
}

#[test]
fn features_of_zero_and_nearly_zero_norm_have_the_gradient_of_a_constant_norm() {
    let mut case = Case::new(18, 33, 19);
    case.features[33..66].fill(0.0);
    case.features[66..99].iter_mut().for_each(|value| *value = f64::from((*value * 1e-13) as f32));
    let expected = reference(&case);
    for (what, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
        // Their gradients are 1e12 times the others': every pixel is compared on its own.
        for pixel in 0..18 {
            let row = pixel * 33..(pixel + 1) * 33;
            let of = &expected.feature_gradient[row.clone()];
            let what = format!("{what}: pixel {pixel}");
            assert_close(&what, &found.feature_gradient[row], of, F32_TOLERANCE);
        }
        assert_eq!(found.outputs.normalized[33..66], [0.0; 33]);
        let found = Found { feature_gradient: expected.feature_gradient.clone(), ..found };
        assert_same(what, &found, &expected, F32_TOLERANCE);
    }
}

#[test]
fn equal_slots_get_equal_weights() {
    let mut case = Case::new(17, 33, 19);
    let (first, second) = (3, 12);
    case.memory.copy_within(first * 33..(first + 1) * 33, second * 33);
    let found = run_wgsl(&case);
    for weights in found.outputs.weights.chunks_exact(19) {
        assert_eq!(weights[first], weights[second]);
    }
    assert_same("WGSL", &found, &reference(&case), F32_TOLERANCE);
}

#[test]
fn the_gradient_of_each_result_alone_is_right() {
    let whole = Case::new(17, 33, 19).with_noise();
    let zero = |of: &[f64]| vec![0.0; of.len()];
    let device = wgpu().autodiff();
    for used in 0..4 {
        let mut case = whole.clone();
        let of = &mut case.functional;
        let [normalized, scores, weights, readout] = [0, 1, 2, 3].map(|index| index == used);
        let keep = |keep: bool, of: &mut Vec<f64>| {
            if !keep {
                *of = zero(of);
            }
        };
        keep(normalized, &mut of.normalized);
        keep(scores, &mut of.scores);
        keep(weights, &mut of.weights);
        keep(readout, &mut of.readout);

        let features = tensor(&case.features, 33, &device, DType::F32).require_grad();
        let memory = tensor(&case.memory, 33, &device, DType::F32).require_grad();
        let noise = case.noise.as_ref().map(|noise| tensor(noise, 19, &device, DType::F32));
        let noise = noise.map_or(Noise::None, Noise::Given);
        let read = memory_read(features.clone(), memory.clone(), noise, 1.0);
        let of = &case.functional;
        let (output, of, columns) = match used {
            0 => (read.normalized, &of.normalized, 33),
            1 => (read.scores, &of.scores, 19),
            2 => (read.weights, &of.weights, 19),
            _ => (read.readout, &of.readout, 33),
        };
        let gradients = (output * tensor(of, columns, &device, DType::F32)).sum().backward();
        let expected = reference(&case);
        let found = list(features.grad(&gradients).unwrap());
        let what = format!("result {used}");
        // Two f32 sums of up to 33 and 19 terms that nearly cancel: well within 256 roundings.
        assert_close(&what, &found, &expected.feature_gradient, F32_TOLERANCE);
        let found = list(memory.grad(&gradients).unwrap());
        assert_close(&what, &found, &expected.memory_gradient, F32_TOLERANCE);
    }
}

#[test]
fn strided_inputs_and_gradients_give_the_bits_of_contiguous_ones() {
    let case = Case::new(37, 33, 19);
    let device = wgpu().autodiff();
    let strided = |values: &[f64], columns: usize| {
        let rows = values.len() / columns;
        let transposed: Vec<f64> =
            (0..values.len()).map(|i| values[(i % rows) * columns + i / rows]).collect();
        tensor(&transposed, rows, &device, DType::F32).require_grad()
    };
    let features = strided(&case.features, 33);
    let memory = strided(&case.memory, 33);
    let read =
        memory_read(features.clone().transpose(), memory.clone().transpose(), Noise::None, 1.0);
    let of = &case.functional;
    let term = |output: &Tensor<2>, of: &[f64], columns: usize| {
        let of = tensor(of, columns, &device, DType::F32).transpose();
        (output.clone().transpose() * of).sum()
    };
    let sum = term(&read.normalized, &of.normalized, 33)
        + term(&read.scores, &of.scores, 19)
        + term(&read.weights, &of.weights, 19)
        + term(&read.readout, &of.readout, 33);
    let gradients = sum.backward();
    let found = Found {
        outputs: lists(read),
        feature_gradient: list(features.grad(&gradients).unwrap().transpose()),
        memory_gradient: list(memory.grad(&gradients).unwrap().transpose()),
    };
    assert!(found == run_wgsl(&case), "bits differ");
}

#[test]
fn two_runs_give_equal_bits() {
    let case = Case::new(300, 33, 19).with_noise();
    assert!(run_wgsl(&case) == run_wgsl(&case), "bits differ");
}

#[test]
fn evaluation_without_autodiff_gives_the_bits_of_training() {
    let case = Case::new(17, 33, 19);
    let device = wgpu();
    let features = tensor(&case.features, 33, &device, DType::F32);
    let memory = tensor(&case.memory, 33, &device, DType::F32);
    let outputs = lists(memory_read(features, memory, Noise::None, 1.0));
    assert!(outputs == run_wgsl(&case).outputs, "bits differ");
}

#[test]
fn a_memory_that_is_constant_leaves_the_gradient_of_the_features() {
    let case = Case::new(17, 33, 19);
    let device = wgpu().autodiff().gradient_checkpointing();
    let features = tensor(&case.features, 33, &device, DType::F32).require_grad();
    let memory = tensor(&case.memory, 33, &device, DType::F32);
    let read = memory_read(features.clone(), memory.clone(), Noise::None, 1.0);
    let gradients = functional(&read, &case, &device, DType::F32).backward();
    assert!(memory.grad(&gradients).is_none());
    let found = list(features.grad(&gradients).unwrap());
    assert!(found == run_wgsl(&case).feature_gradient, "bits differ");
}

#[test]
fn no_pixels_are_no_results_and_no_gradient() {
    for device in [wgpu(), Device::flex()] {
        let device = device.autodiff();
        let features = Tensor::<2>::zeros([0, 16], &device);
        let memory = tensor(&Case::new(1, 16, 2).memory, 16, &device, DType::F32).require_grad();
        for read in [memory_read, memory_read_plain] as [Read; 2] {
            let read = read(features.clone(), memory.clone(), Noise::None, 1.0);
            assert_eq!(read.normalized.dims(), [0, 16]);
            assert_eq!(read.scores.dims(), [0, 2]);
            assert_eq!(read.weights.dims(), [0, 2]);
            assert_eq!(read.readout.dims(), [0, 16]);
            let gradients = (read.readout.sum() + memory.clone().sum()).backward();
            assert_eq!(list(memory.grad(&gradients).expect("a gradient")), [1.0; 32]);
        }
    }
}
