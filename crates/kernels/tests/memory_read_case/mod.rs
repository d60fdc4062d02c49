//! A memory read with inputs of a name, its reference, and its two other ways.

use burn::tensor::{DType, Device, Tensor};
use kernels::{MemoryRead, Noise, memory_read};
use shaders::{
    memory_read::{self as forward, Inputs, Outputs},
    memory_read_gradient, memory_read_memory_gradient,
};

use crate::three_ways::{assert_close, list, tensor, values, wgpu};

/// Relative to the largest expected value: a score is a sum of up to 256 products in f32, whose
/// rounding errs by at most 256 * 2^-24 = 1.5e-5 of its terms; the other sums are shorter or add
/// errors that are independent of each other.
pub(crate) const F32_TOLERANCE: f64 = 1.5e-5;

/// One memory read, and a linear functional of its four results to differentiate.
///
/// Every value is an f32, so that all three ways start from the same numbers; all lists are rows
/// of pixels, as the reference takes them.
#[derive(Clone)]
pub(crate) struct Case {
    /// Images, height and width.
    pub(crate) shape: [usize; 3],
    pub(crate) channels: usize,
    pub(crate) slots: usize,
    pub(crate) temperature: f64,
    pub(crate) features: Vec<f64>,
    pub(crate) memory: Vec<f64>,
    pub(crate) noise: Option<Vec<f64>>,
    pub(crate) functional: Outputs,
}

impl Case {
    /// Random features, slots of random direction and unit norm, no noise, temperature 1.
    pub(crate) fn new(shape: [usize; 3], channels: usize, slots: usize) -> Self {
        let pixels = shape.iter().product::<usize>();
        let mut memory = values(2, slots * channels);
        for slot in memory.chunks_exact_mut(channels) {
            let norm = slot.iter().map(|value| value * value).sum::<f64>().sqrt();
            slot.iter_mut().for_each(|value| *value = f64::from((*value / norm) as f32));
        }
        Self {
            shape,
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

    pub(crate) fn pixels(&self) -> usize {
        self.features.len() / self.channels
    }

    pub(crate) fn with_noise(mut self) -> Self {
        self.noise = Some(values(3, self.pixels() * self.slots));
        self
    }
}

/// The four results, and the gradients of the functional.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) outputs: Outputs,
    pub(crate) feature_gradient: Vec<f64>,
    pub(crate) memory_gradient: Vec<f64>,
}

pub(crate) fn reference(case: &Case) -> Found {
    let inputs = Inputs {
        channels: case.channels,
        features: &case.features,
        memory: &case.memory,
        noise: case.noise.as_deref(),
        temperature: case.temperature,
    };
    let outputs = forward::reference(&inputs);
    let of = &case.functional;
    let score_gradient = memory_read_gradient::score_gradient(&inputs, &outputs, of);
    Found {
        feature_gradient: memory_read_gradient::feature_gradient(
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

/// Rows of so many columns.
pub(crate) fn matrix(values: &[f64], columns: usize, device: &Device, dtype: DType) -> Tensor<2> {
    tensor(values, [values.len() / columns, columns], device, dtype)
}

/// Rows of pixels as contiguous maps, `[B, columns, h, w]`.
pub(crate) fn maps(rows: &[f64], shape: [usize; 3], device: &Device, dtype: DType) -> Tensor<4> {
    let [batch, height, width] = shape;
    let plane = height * width;
    let columns = rows.len() / (batch * plane);
    let at = |i: usize| {
        let (image, column, place) = (i / (columns * plane), i / plane % columns, i % plane);
        rows[(image * plane + place) * columns + column]
    };
    let values: Vec<f64> = (0..rows.len()).map(at).collect();
    tensor(&values, [batch, columns, height, width], device, dtype)
}

/// Maps as rows of pixels.
pub(crate) fn rows(maps: Tensor<4>) -> Vec<f64> {
    list(maps.permute([0, 2, 3, 1]))
}

pub(crate) type Read = fn(Tensor<4>, Tensor<2>, Noise, f64) -> MemoryRead;

/// The functional's factors of the joined result, rows of `2 C`.
pub(crate) fn joined_factors(case: &Case) -> Vec<f64> {
    let of = &case.functional;
    let halves =
        of.normalized.chunks_exact(case.channels).zip(of.readout.chunks_exact(case.channels));
    halves.flat_map(|(normalized, readout)| [normalized, readout].concat()).collect()
}

pub(crate) fn functional(
    read: &MemoryRead,
    case: &Case,
    device: &Device,
    dtype: DType,
) -> Tensor<1> {
    let term = |output: &Tensor<4>, of: &[f64]| {
        (output.clone() * maps(of, case.shape, device, dtype)).sum()
    };
    term(&read.joined, &joined_factors(case))
        + term(&read.scores, &case.functional.scores)
        + term(&read.weights, &case.functional.weights)
}

pub(crate) fn run(case: &Case, read: Read, device: &Device, dtype: DType) -> Found {
    let device = device.clone().autodiff();
    let features = maps(&case.features, case.shape, &device, dtype).require_grad();
    let memory = matrix(&case.memory, case.channels, &device, dtype).require_grad();
    let noise = case.noise.as_ref().map(|noise| matrix(noise, case.slots, &device, dtype));
    let noise = noise.map_or(Noise::None, Noise::Given);
    let read = read(features.clone(), memory.clone(), noise, case.temperature);
    let gradients = functional(&read, case, &device, dtype).backward();
    Found {
        outputs: lists(read),
        feature_gradient: rows(features.grad(&gradients).expect("a gradient")),
        memory_gradient: list(memory.grad(&gradients).expect("a gradient")),
    }
}

pub(crate) fn lists(read: MemoryRead) -> Outputs {
    let channels = read.joined.dims()[1] / 2;
    Outputs {
        normalized: rows(read.joined.clone().slice_dim(1, 0..channels)),
        scores: rows(read.scores),
        weights: rows(read.weights),
        readout: rows(read.joined.slice_dim(1, channels..2 * channels)),
    }
}

pub(crate) fn run_wgsl(case: &Case) -> Found {
    run(case, memory_read, &wgpu(), DType::F32)
}

pub(crate) fn run_burn(case: &Case) -> Found {
    run(case, memory_read, &Device::flex(), DType::F32)
}

pub(crate) fn assert_same(what: &str, found: &Found, expected: &Found, tolerance: f64) {
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
