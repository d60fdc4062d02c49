//! Three ways to the divergence losses agree, forward and backward: the plain-Rust reference, plain
//! Burn operations on the CPU, and WGSL on a software Vulkan adapter.

use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::{
    MemoryDivergence, SlotSum, device::software_vulkan, memory_divergence, memory_divergence_plain,
    pair_scale,
};
use shaders::{
    memory_divergence::{self as forward, Inputs},
    memory_divergence_gradient,
};

/// Relative to the largest expected value: a score is a sum of up to 256 products in f32, whose
/// rounding errs by at most 256 * 2^-24 = 1.5e-5 of its terms.
const F32_TOLERANCE: f64 = 1.5e-5;

/// A few hundred roundings of f64.
const F64_TOLERANCE: f64 = 1e-12;

/// What the losses are multiplied by before they are added and differentiated.
const FUNCTIONAL: [f64; 2] = [0.4, 0.7];

type Losses = fn(Tensor<2>, Tensor<2>, Tensor<1>, SlotSum) -> MemoryDivergence;

#[derive(Clone)]
struct Case {
    slots: usize,
    channels: usize,
    slot_sum: SlotSum,
    memory: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// Losses and gradients of the functional, of memory, weight and bias.
#[derive(Debug, PartialEq)]
struct Found {
    losses: Vec<f64>,
    gradients: [Vec<f64>; 3],
}

/// Values in [-1, 1) that are a function of `name` and position alone, each an f32.
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
    /// Slots of random direction and unit norm.
    fn new(slots: usize, channels: usize) -> Self {
        let mut memory = values(1, slots * channels);
        for slot in memory.chunks_exact_mut(channels) {
            let norm = slot.iter().map(|value| value * value).sum::<f64>().sqrt();
            slot.iter_mut().for_each(|value| *value = f64::from((*value / norm) as f32));
        }
        Self {
            slots,
            channels,
            slot_sum: SlotSum::Mean,
            memory,
            weight: values(2, slots * channels),
            bias: values(3, slots),
        }
    }

    fn reference(&self) -> Found {
        let inputs = Inputs {
            channels: self.channels,
            memory: &self.memory,
            weight: &self.weight,
            bias: &self.bias,
            divergence_scale: pair_scale(self.slots),
            classification_scale: self.slot_sum.scale(self.slots),
        };
        let gradients = memory_divergence_gradient::reference(&inputs, FUNCTIONAL);
        Found {
            losses: forward::reference(&inputs).to_vec(),
            gradients: [gradients.memory, gradients.weight, gradients.bias],
        }
    }
}

fn tensor<const D: usize>(
    values: &[f64],
    dims: [usize; D],
    device: &Device,
    dtype: DType,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (device, dtype))
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("f64 values")
}

fn run(case: &Case, losses: Losses, device: &Device, dtype: DType) -> Found {
    let device = device.clone().autodiff();
    let rows = [case.slots, case.channels];
    let memory = tensor(&case.memory, rows, &device, dtype).require_grad();
    let weight = tensor(&case.weight, rows, &device, dtype).require_grad();
    let bias = tensor(&case.bias, [case.slots], &device, dtype).require_grad();
    let found = losses(memory.clone(), weight.clone(), bias.clone(), case.slot_sum);
    let sum = found.divergence.clone().mul_scalar(FUNCTIONAL[0])
        + found.classification.clone().mul_scalar(FUNCTIONAL[1]);
    let gradients = sum.backward();
    Found {
        losses: [list(found.divergence), list(found.classification)].concat(),
        gradients: [
            list(memory.grad(&gradients).expect("a gradient")),
            list(weight.grad(&gradients).expect("a gradient")),
            list(bias.grad(&gradients).expect("a gradient")),
        ],
    }
}

fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

fn run_wgsl(case: &Case) -> Found {
    run(case, memory_divergence, &wgpu(), DType::F32)
}

fn run_burn(case: &Case) -> Found {
    run(case, memory_divergence, &Device::flex(), DType::F32)
}

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
    for (index, (found, expected)) in found.losses.iter().zip(&expected.losses).enumerate() {
        assert_close(&format!("{what}: loss {index}"), &[*found], &[*expected], tolerance);
    }
    for (index, name) in ["memory", "weight", "bias"].into_iter().enumerate() {
        let (found, expected) = (&found.gradients[index], &expected.gradients[index]);
        assert_close(&format!("{what}: gradient of the {name}"), found, expected, tolerance);
    }
}

#[test]
fn all_three_ways_agree_at_every_edge_of_a_workgroup() {
    // Workgroups take 8 other slots, 8 or 64 channels, and 64 slots in the softmax.
    for channels in [1, 7, 33, 63, 64, 256] {
        for slots in [2, 7, 8, 9, 19, 64, 65, 150, 200] {
            let slot_sum = if slots % 2 == 0 { SlotSum::Sum } else { SlotSum::Mean };
            let case = Case { slot_sum, ..Case::new(slots, channels) };
            let what = format!("K {slots}, C {channels}");
            let expected = case.reference();
            assert_same(&format!("WGSL: {what}"), &run_wgsl(&case), &expected, F32_TOLERANCE);
            assert_same(&format!("Burn: {what}"), &run_burn(&case), &expected, F32_TOLERANCE);
        }
    }
}

#[test]
fn plain_burn_in_f64_is_the_reference() {
    for slot_sum in [SlotSum::Mean, SlotSum::Sum] {
        let case = Case { slot_sum, ..Case::new(19, 33) };
        let found = run(&case, memory_divergence, &Device::flex(), DType::F64);
        assert_same("f64", &found, &case.reference(), F64_TOLERANCE);
    }
}

#[test]
fn one_slot_diverges_from_nothing_and_cannot_be_confused() {
    for found in [run_wgsl(&Case::new(1, 33)), run_burn(&Case::new(1, 33))] {
        assert_eq!(found.losses, [0.0, 0.0]);
        assert!(found.gradients.iter().flatten().all(|&gradient| gradient == 0.0));
    }
}

#[test]
fn orthogonal_and_opposite_slots_have_no_divergence_and_no_gradient() {
    let mut case = Case::new(3, 2);
    case.memory = vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0];
    case.weight = vec![0.0; 6];
    for found in [run_wgsl(&case), run_burn(&case)] {
        assert_eq!(found.losses[0], 0.0);
        assert!(found.gradients[0].iter().all(|&gradient| gradient == 0.0));
    }
}

#[test]
fn equal_slots_diverge_by_one_and_large_scores_stay_finite() {
    let mut case = Case::new(19, 33);
    for slot in 1..19 {
        case.memory.copy_within(0..33, slot * 33);
    }
    // Scores of a few hundred, whose exponentials overflow.
    case.weight.iter_mut().for_each(|value| *value = f64::from((*value * 300.0) as f32));
    let expected = case.reference();
    for (what, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
        assert!((found.losses[0] - 1.0).abs() < F32_TOLERANCE, "{}", found.losses[0]);
        // Scores of 600 err by 600 * 2^-23 at most, and a probability by as much of itself.
        assert_same(what, &found, &expected, 7.2e-5);
    }
}

#[test]
fn strided_inputs_give_the_bits_of_contiguous_ones_and_runs_repeat() {
    let case = Case::new(19, 33);
    let device = wgpu();
    let transposed = |values: &[f64]| {
        let values: Vec<f64> = (0..values.len()).map(|i| values[(i % 19) * 33 + i / 19]).collect();
        tensor(&values, [33, 19], &device, DType::F32).transpose()
    };
    let (memory, weight) = (transposed(&case.memory), transposed(&case.weight));
    let bias = tensor(&case.bias, [19], &device, DType::F32);
    let found = memory_divergence(memory, weight, bias, case.slot_sum);
    let whole = run_wgsl(&case);
    assert_eq!([list(found.divergence), list(found.classification)].concat(), whole.losses);
    assert!(run_wgsl(&case) == whole, "bits differ");
}

#[test]
fn a_constant_classifier_leaves_the_gradient_of_the_memory() {
    let case = Case::new(19, 33);
    let device = wgpu().autodiff();
    let memory = tensor(&case.memory, [19, 33], &device, DType::F32).require_grad();
    let weight = tensor(&case.weight, [19, 33], &device, DType::F32);
    let bias = tensor(&case.bias, [19], &device, DType::F32);
    for (losses, index) in [(memory_divergence as Losses, 0), (memory_divergence_plain, 1)] {
        let found = losses(memory.clone(), weight.clone(), bias.clone(), case.slot_sum);
        // Each loss alone: the gradient of the other is absent.
        let loss = [found.divergence, found.classification][index].clone();
        let gradients = loss.backward();
        assert!(weight.grad(&gradients).is_none());
        assert!(memory.grad(&gradients).is_some());
    }
}
