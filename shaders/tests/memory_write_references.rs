//! The references of the memory write and its losses against values by hand and finite differences.

use shaders::{
    memory_divergence, memory_divergence_gradient, memory_write_feature_gradient,
    memory_write_slot_gradient,
    memory_write_slots::{self, Inputs as Slots},
    memory_write_sums::{self, Inputs, Tap},
};

/// A central difference with step h errs by h^2 times a third derivative of order one, plus
/// rounding of order 1e-16 / h: 1e-10 and 1e-11 here.
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-8;

/// Two pixels side by side over three columns of labels: the first looks at column 0, the second
/// at a quarter of column 1 and three quarters of column 2.
const COLUMNS: [Tap; 2] = [
    Tap { low: 0, high: 1, low_weight: 1.0, high_weight: 0.0 },
    Tap { low: 1, high: 2, low_weight: 0.25, high_weight: 0.75 },
];
const ROWS: [Tap; 1] = [Tap { low: 0, high: 0, low_weight: 1.0, high_weight: 0.0 }];

/// Three channels of two pixels.
const FEATURES: [f64; 6] = [3.0, -1.2, 0.7, 2.1, 4.0, -0.9];

fn inputs(features: &[f64], normalize: bool) -> Inputs<'_> {
    Inputs {
        channels: 3,
        classes: 3,
        features,
        rows: &ROWS,
        columns: &COLUMNS,
        labels: &[1, 255, 0],
        label_size: [1, 3],
        normalize,
    }
}

#[test]
fn class_sums_are_the_weighed_features_with_their_totals() {
    let sums = memory_write_sums::reference(&inputs(&FEATURES, false));
    // Class 0 has three quarters of the second pixel, class 1 the first, class 2 nothing.
    let expected = [-0.9, 1.575, -0.675, 0.75, 3.0, 0.7, 4.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    for (found, expected) in sums.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{sums:?}"); // a few roundings of f64
    }
}

const MEMORY: [f64; 9] = [0.5, 0.1, -0.8, -0.4, 1.3, 0.2, 0.9, -0.6, 0.35];
const FUNCTIONAL: [f64; 9] = [0.3, -0.7, 1.1, 0.2, 0.9, -0.4, 0.8, -0.1, 0.6];

fn slots(sums: &[f64], normalize_slots: bool) -> Slots<'_> {
    Slots { channels: 3, sums, memory: &MEMORY, momentum: 0.8, normalize_slots }
}

#[test]
fn a_slot_moves_by_a_fifth_of_the_way_to_the_mean_and_an_absent_one_stays() {
    let sums = memory_write_sums::reference(&inputs(&FEATURES, false));
    let written = memory_write_slots::reference(&slots(&sums, false));
    let expected = [0.16, 0.5, -0.82, 0.28, 1.18, 0.96];
    for (found, expected) in written.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{written:?}"); // a few roundings of f64
    }
    assert_eq!(written[6..], MEMORY[6..]);
}

#[test]
fn the_writes_backward_references_are_the_finite_differences_of_the_forward_ones() {
    for (normalize, normalize_slots) in [(true, true), (true, false), (false, true)] {
        let value = |features: &[f64]| -> f64 {
            let sums = memory_write_sums::reference(&inputs(features, normalize));
            let written = memory_write_slots::reference(&slots(&sums, normalize_slots));
            written.iter().zip(FUNCTIONAL).map(|(value, of)| value * of).sum()
        };
        let sums = memory_write_sums::reference(&inputs(&FEATURES, normalize));
        let of_sums =
            memory_write_slot_gradient::reference(&slots(&sums, normalize_slots), &FUNCTIONAL);
        let gradient =
            memory_write_feature_gradient::reference(&inputs(&FEATURES, normalize), &of_sums);
        for (index, gradient) in gradient.iter().enumerate() {
            let at = |offset: f64| {
                let mut features = FEATURES;
                features[index] += offset;
                value(&features)
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            assert!((difference - gradient).abs() < TOLERANCE, "{index}: {difference} {gradient}");
        }
    }
}

const WEIGHT: [f64; 9] = [0.2, 0.5, 0.4, -0.3, 0.6, 0.1, 0.7, 0.2, -0.5];
const BIAS: [f64; 3] = [0.1, -0.2, 0.3];

fn losses(numbers: &[f64]) -> memory_divergence::Inputs<'_> {
    memory_divergence::Inputs {
        channels: 3,
        memory: &numbers[..9],
        weight: &numbers[9..18],
        bias: &numbers[18..],
        divergence_scale: 1.0 / 6.0,
        classification_scale: 1.0 / 3.0,
    }
}

#[test]
fn two_slots_at_60_degrees_diverge_by_a_half_and_even_scores_cost_ln_2() {
    let [divergence, classification] = memory_divergence::reference(&memory_divergence::Inputs {
        channels: 2,
        memory: &[1.0, 0.0, 0.5, 0.75f64.sqrt()],
        weight: &[0.0; 4],
        bias: &[7.0, 7.0],
        divergence_scale: 0.5,
        classification_scale: 0.5,
    });
    assert_eq!(divergence, 0.5);
    assert!((classification - 2.0f64.ln()).abs() < 1e-15); // a few roundings of f64
}

#[test]
fn the_losses_backward_reference_is_the_finite_difference_of_the_forward_one() {
    let numbers = [&MEMORY[..], &WEIGHT, &BIAS].concat();
    let of = [0.7, 1.9];
    let found = memory_divergence_gradient::reference(&losses(&numbers), of);
    let gradient = [found.memory, found.weight, found.bias].concat();
    for (index, gradient) in gradient.iter().enumerate() {
        let at = |offset: f64| {
            let mut numbers = numbers.clone();
            numbers[index] += offset;
            let [divergence, classification] = memory_divergence::reference(&losses(&numbers));
            of[0] * divergence + of[1] * classification
        };
        let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        assert!((difference - gradient).abs() < TOLERANCE, "{index}: {difference} {gradient}");
    }
}
