//! One memory write and the ways to run it.

use burn::tensor::{DType, Device, Tensor};
use kernels::{
    LabelMaps, LabelWeights, WriteRule,
    resize::{align_corners_tap, nearest_input},
};
use shaders::{
    memory_write_feature_gradient, memory_write_slot_gradient,
    memory_write_slots::{self, Inputs as Slots},
    memory_write_sums::{self, Inputs, Tap},
};

use crate::three_ways::{assert_close, list, tensor, values};

/// A write, and a linear functional of its result to differentiate.
///
/// Every value is an f32, so that all three ways start from the same numbers.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) size: [usize; 3],
    pub(crate) channels: usize,
    pub(crate) classes: usize,
    pub(crate) label_size: [usize; 2],
    pub(crate) kind: LabelWeights,
    pub(crate) normalize_slots: bool,
    pub(crate) features: Vec<f64>,
    pub(crate) labels: Vec<u8>,
    pub(crate) memory: Vec<f64>,
    pub(crate) functional: Vec<f64>,
}

/// The written memory, and the gradient of the functional.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) written: Vec<f64>,
    pub(crate) feature_gradient: Vec<f64>,
}

/// One way to write.
pub(crate) type Write = fn(Tensor<4>, &LabelMaps, Tensor<2>, WriteRule) -> Tensor<2>;

impl Case {
    /// Random features, slots and blocks of labels, of which some are ignored.
    pub(crate) fn new(
        size: [usize; 3],
        channels: usize,
        classes: usize,
        label_size: [usize; 2],
    ) -> Self {
        let [batch, height, width] = size;
        let [label_height, label_width] = label_size;
        let blocks = values(3, (batch * label_height).div_ceil(3) * label_width);
        let label = |at: usize| {
            let (row, column) = (at / label_width, at % label_width);
            let block = row / 3 * label_width + column / 2;
            // One in ten classes beyond the last, which are ignored.
            ((blocks[block] + 1.0) / 2.0 * (classes + classes / 10 + 1) as f64) as u8
        };
        Self {
            size,
            channels,
            classes,
            label_size,
            kind: LabelWeights::Soft,
            normalize_slots: true,
            features: values(1, batch * channels * height * width),
            labels: (0..batch * label_height * label_width).map(label).collect(),
            memory: values(2, classes * channels),
            functional: values(4, classes * channels),
        }
    }

    pub(crate) fn rule(&self) -> WriteRule {
        let Self { normalize_slots, kind, .. } = *self;
        // 0.75 is an f32.
        WriteRule { momentum: 0.75, normalize_slots, label_weights: kind }
    }

    fn taps(&self, labels: usize, features: usize) -> Vec<Tap> {
        let tap = |feature| match self.kind {
            LabelWeights::Soft => {
                let (low, high, share) = align_corners_tap(feature, labels, features);
                Tap { low, high, low_weight: 1.0 - share, high_weight: share }
            }
            LabelWeights::Hard => {
                let low = nearest_input(feature, labels, features);
                Tap { low, high: low, low_weight: 1.0, high_weight: 0.0 }
            }
        };
        (0..features).map(tap).collect()
    }

    /// The written memory and the gradient by the references.
    pub(crate) fn reference(&self) -> Found {
        self.with_inputs(true, |inputs| {
            let sums = memory_write_sums::reference(inputs);
            let slots = Slots {
                channels: self.channels,
                sums: &sums,
                memory: &self.memory,
                momentum: self.rule().momentum,
                normalize_slots: self.normalize_slots,
            };
            let of_sums = memory_write_slot_gradient::reference(&slots, &self.functional);
            Found {
                written: memory_write_slots::reference(&slots),
                feature_gradient: memory_write_feature_gradient::reference(inputs, &of_sums),
            }
        })
    }

    /// The class sums, totals last, and the gradient of the functional of the sums.
    pub(crate) fn reference_sums(&self, normalize: bool) -> (Vec<f64>, Vec<f64>) {
        self.with_inputs(normalize, |inputs| {
            let gradient = memory_write_feature_gradient::reference(inputs, &self.functional);
            (memory_write_sums::reference(inputs), gradient)
        })
    }

    fn with_inputs<T>(&self, normalize: bool, use_them: impl Fn(&Inputs<'_>) -> T) -> T {
        let [_, height, width] = self.size;
        let [label_height, label_width] = self.label_size;
        use_them(&Inputs {
            channels: self.channels,
            classes: self.classes,
            features: &self.features,
            rows: &self.taps(label_height, height),
            columns: &self.taps(label_width, width),
            labels: &self.labels,
            label_size: self.label_size,
            normalize,
        })
    }
}

pub(crate) fn run(case: &Case, write: Write, device: &Device, dtype: DType) -> Found {
    let device = device.clone().autodiff();
    let [batch, height, width] = case.size;
    let [label_height, label_width] = case.label_size;
    let dims = [batch, case.channels, height, width];
    let features = tensor(&case.features, dims, &device, dtype).require_grad();
    let slots = [case.classes, case.channels];
    let memory = tensor(&case.memory, slots, &device, dtype);
    let maps = LabelMaps::new(&case.labels, [batch, label_height, label_width], &device);
    let written = write(features.clone(), &maps, memory, case.rule());
    let functional = tensor(&case.functional, slots, &device, dtype);
    let gradients = (written.clone() * functional).sum().backward();
    let feature_gradient = list(features.grad(&gradients).expect("a gradient"));
    Found { written: list(written), feature_gradient }
}

pub(crate) fn assert_same(what: &str, found: &Found, expected: &Found, tolerance: f64) {
    assert_close(&format!("{what}: written"), &found.written, &expected.written, tolerance);
    let (found, expected) = (&found.feature_gradient, &expected.feature_gradient);
    assert_close(&format!("{what}: gradient"), found, expected, tolerance);
}
