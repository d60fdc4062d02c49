//! Three ways to the divergence losses agree, forward and backward: the plain-Rust reference, plain
//! Burn operations on the CPU, and WGSL on a software Vulkan adapter.

mod three_ways;

use burn::tensor::{DType, Device, Tensor};
use kernels::{MemoryDivergence, SlotSum, memory_divergence, memory_divergence_plain, pair_scale};
use shaders::{
    memory_divergence::{self as forward, Inputs},
    memory_divergence_gradient,
};
use three_ways::{
    F64_TOLERANCE, assert_close, assert_not_finite_alike, list, tensor, values, wgpu,
};

/// Relative to the largest expected value: a score is a sum of up to 256 products in f32, whose
/// rounding errs by at most 256 * 2^-24 = 1.5e-5 of its terms.
const F32_TOLERANCE: f64 = 1.5e-5;

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

fn run_wgsl(case: &Case) -> Found {
    run(case, memory_divergence, &wgpu(), DType::F32)
}

fn run_burn(case: &Case) -> Found {
    run(case, memory_divergence, &Device::flex(), DType::F32)
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
    for channels in [1, 7, 33, 63, 64, 65, 256] {
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

#[test]
fn what_is_no_number_makes_the_loss_none_in_all_three_ways() {
    type Part = fn(&mut Case) -> &mut f64;
    let parts: [(&str, Part); 3] = [
        ("memory", |case| &mut case.memory[40]),
        ("weight", |case| &mut case.weight[40]),
        ("bias", |case| &mut case.bias[3]),
    ];
    for (part, place) in parts {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut case = Case::new(19, 33);
            *place(&mut case) = bad;
            let expected = case.reference().losses;
            for (way, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
                let what = format!("{way}: {bad} in the {part}");
                assert_not_finite_alike(&what, &found.losses, &expected);
            }
        }
    }
}

#[test]
fn more_products_than_the_software_driver_loops_for_agree() {
    // Eight slots and eight channels at a time, 9 times 8125 of them: more than 65535 iterations.
    let case = Case::new(72, 65_000);
    let [found, expected] = [wgpu(), Device::flex()].map(|device| {
        let tensor = |values: &[f64]| tensor(values, [72, 65_000], &device, DType::F32);
        let bias = three_ways::tensor(&case.bias, [72], &device, DType::F32);
        let losses =
            memory_divergence(tensor(&case.memory), tensor(&case.weight), bias, case.slot_sum);
        [list(losses.divergence), list(losses.classification)]
    });
    for (found, expected) in found.iter().zip(&expected) {
        assert_close("loss", found, expected, F32_TOLERANCE);
    }
}
