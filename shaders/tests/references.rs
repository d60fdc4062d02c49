//! The references against values by hand and against finite differences.

use shaders::{
    augment_blur,
    augment_jitter::{self, Jitter, Operation},
    col2im,
    im2col::{self, Windows},
    memory_read::{self, Inputs, Outputs},
    memory_read_feature_gradient, memory_read_memory_gradient, memory_read_score_gradient,
    sum_blocks,
};

const CHANNELS: usize = 3;

/// Two pixels, three slots of norms other than one; no two values equal.
const FEATURES: [f64; 6] = [0.3, -1.2, 0.7, 2.1, 0.4, -0.9];
const MEMORY: [f64; 9] = [0.5, 0.1, -0.8, -0.4, 1.3, 0.2, 0.9, -0.6, 0.35];
const NOISE: [f64; 6] = [0.2, -0.1, 0.45, 1.1, 0.05, -0.3];

fn inputs<'a>(features: &'a [f64], memory: &'a [f64]) -> Inputs<'a> {
    Inputs { channels: CHANNELS, features, memory, noise: Some(&NOISE), temperature: 0.7 }
}

/// Coefficients of a linear functional of the four results.
fn functional() -> Outputs {
    let values =
        |start: f64, count: usize| (0..count).map(|i| (start + 1.7 * i as f64).sin()).collect();
    Outputs {
        normalized: values(0.1, 6),
        scores: values(0.9, 6),
        weights: values(2.3, 6),
        readout: values(3.1, 6),
    }
}

fn value(outputs: &Outputs) -> f64 {
    let of = functional();
    let pairs = |left: &[f64], right: &[f64]| -> f64 {
        left.iter().zip(right).map(|(left, right)| left * right).sum()
    };
    pairs(&outputs.normalized, &of.normalized)
        + pairs(&outputs.scores, &of.scores)
        + pairs(&outputs.weights, &of.weights)
        + pairs(&outputs.readout, &of.readout)
}

#[test]
fn a_pixel_between_two_orthogonal_slots_reads_their_mean() {
    let outputs = memory_read::reference(&Inputs {
        channels: 2,
        features: &[3.0, 3.0],
        memory: &[1.0, 0.0, 0.0, 1.0],
        noise: None,
        temperature: 1.0,
    });
    let cosine = 0.5f64.sqrt();
    let expected = Outputs {
        normalized: vec![cosine; 2],
        scores: vec![cosine; 2],
        weights: vec![0.5; 2],
        readout: vec![0.5; 2],
    };
    for (found, expected) in [
        (&outputs.normalized, &expected.normalized),
        (&outputs.scores, &expected.scores),
        (&outputs.weights, &expected.weights),
        (&outputs.readout, &expected.readout),
    ] {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15); // a few roundings of f64
        }
    }
}

#[test]
fn a_zero_feature_stays_zero_and_reads_the_plain_mean() {
    let outputs = memory_read::reference(&Inputs {
        channels: 2,
        features: &[0.0, 0.0],
        memory: &[1.0, 0.0, 0.0, 1.0],
        noise: None,
        temperature: 1.0,
    });
    assert_eq!(outputs.normalized, [0.0, 0.0]);
    assert_eq!(outputs.readout, [0.5, 0.5]);
}

#[test]
fn the_backward_references_are_the_finite_differences_of_the_forward_one() {
    let inputs_here = inputs(&FEATURES, &MEMORY);
    let outputs = memory_read::reference(&inputs_here);
    let of = functional();
    let score_gradient = memory_read_score_gradient::reference(&inputs_here, &outputs, &of);
    let feature_gradient =
        memory_read_feature_gradient::reference(&inputs_here, &outputs, &of, &score_gradient);
    let memory_gradient =
        memory_read_memory_gradient::reference(&inputs_here, &outputs, &of, &score_gradient);

    // A central difference with step h errs by h^2 times a third derivative of order one, plus
    // rounding of order 1e-16 / h: 1e-10 and 1e-11 at h = 1e-5.
    let step = 1e-5;
    for (index, gradient) in feature_gradient.iter().enumerate() {
        let at = |offset: f64| {
            let mut features = FEATURES;
            features[index] += offset;
            value(&memory_read::reference(&inputs(&features, &MEMORY)))
        };
        let difference = (at(step) - at(-step)) / (2.0 * step);
        assert!((difference - gradient).abs() < 1e-8, "feature {index}: {difference} {gradient}");
    }
    for (index, gradient) in memory_gradient.iter().enumerate() {
        let at = |offset: f64| {
            let mut memory = MEMORY;
            memory[index] += offset;
            value(&memory_read::reference(&inputs(&FEATURES, &memory)))
        };
        let difference = (at(step) - at(-step)) / (2.0 * step);
        assert!((difference - gradient).abs() < 1e-8, "memory {index}: {difference} {gradient}");
    }
}

#[test]
fn the_sum_over_blocks_keeps_the_elements_apart() {
    assert_eq!(sum_blocks::reference(&[1.0, 2.0, 10.0, 20.0, 100.0, 200.0], 2), [111.0, 222.0]);
}

/// Factors that change nothing, in the order of the authors' code.
const NEUTRAL: Jitter = Jitter {
    order: [Operation::Brightness, Operation::Contrast, Operation::Saturation, Operation::Hue],
    brightness: 1.0,
    contrast: 1.0,
    saturation: 1.0,
    hue_step: None,
};

/// One red and one dark pixel, jittered.
fn jittered(jitter: Jitter) -> [[u8; 3]; 2] {
    let mut planes = [255, 10, 0, 20, 0, 31];
    augment_jitter::reference(&jitter, &mut planes);
    [0, 1].map(|pixel| [planes[pixel], planes[2 + pixel], planes[4 + pixel]])
}

#[test]
fn each_operation_of_the_jitter_has_its_value_by_hand() {
    assert_eq!(jittered(NEUTRAL), [[255, 0, 0], [10, 20, 31]]);
    let brighter = Jitter { brightness: 1.55, ..NEUTRAL };
    assert_eq!(jittered(brighter), [[255, 0, 0], [15, 31, 48]]);
    // Grey levels 76 and 18 (18.3 rounded), mean 47.
    assert_eq!(jittered(Jitter { contrast: 0.0, ..NEUTRAL }), [[47; 3]; 2]);
    assert_eq!(jittered(Jitter { saturation: 0.0, ..NEUTRAL }), [[76; 3], [18; 3]]);
    // A third of a turn takes red to green.
    assert_eq!(jittered(Jitter { hue_step: Some(85), ..NEUTRAL })[0], [0, 255, 0]);
}

#[test]
fn contrast_takes_the_mean_of_the_image_as_it_is_by_then() {
    use Operation::{Brightness, Contrast, Hue, Saturation};
    let dark = Jitter { brightness: 0.0, contrast: 0.0, ..NEUTRAL };
    assert_eq!(jittered(dark), [[0; 3]; 2]);
    let order = [Contrast, Hue, Saturation, Brightness];
    assert_eq!(jittered(Jitter { brightness: 2.0, contrast: 0.0, order, ..NEUTRAL }), [[94; 3]; 2]);
}

#[test]
fn a_blur_repeats_the_edge_and_truncates() {
    let mut plane = [0, 100, 0, 0];
    augment_blur::reference(&[0.5, 0.25], 4, &mut plane);
    assert_eq!(plane, [25, 50, 25, 0]);
    let mut plane = [3, 0, 0];
    augment_blur::reference(&[0.5, 0.25], 1, &mut plane);
    assert_eq!(plane, [2, 0, 0]); // 2.25, 0.75, 0
}

/// An image of 3 x 4 pixels and 2 channels under a kernel of 2 x 3 taps.
const WINDOWS: Windows = Windows {
    image: [3, 4],
    channels: 2,
    output: [2, 2],
    kernel: [2, 3],
    stride: [1, 2],
    padding: [0, 2],
    dilation: [1, 2],
};

#[test]
fn columns_are_the_pixels_under_each_tap_and_zero_outside() {
    let input: Vec<f64> = (1..=24).map(f64::from).collect();
    let columns = im2col::reference(&WINDOWS, &input);
    // The second window of the first row: pixels 0, 2 and 4 of rows 0 and 1.
    let expected = [1.0, 2.0, 5.0, 6.0, 0.0, 0.0, 9.0, 10.0, 13.0, 14.0, 0.0, 0.0];
    assert_eq!(columns[12..24], expected);
    // The first window of the second row: pixels -2, 0 and 2 of rows 1 and 2.
    let expected = [0.0, 0.0, 9.0, 10.0, 13.0, 14.0, 0.0, 0.0, 17.0, 18.0, 21.0, 22.0];
    assert_eq!(columns[24..36], expected);
}

#[test]
fn col2im_is_the_adjoint_of_im2col() {
    let images: Vec<f64> = (0..2 * 24).map(|index| f64::from(index * 7 % 11)).collect();
    let columns: Vec<f64> = (0..2 * 48).map(|index| f64::from(index * 5 % 13)).collect();
    let dot = |left: &[f64], right: &[f64]| -> f64 {
        assert_eq!(left.len(), right.len());
        left.iter().zip(right).map(|(left, right)| left * right).sum()
    };
    let through_columns = dot(&im2col::reference(&WINDOWS, &images), &columns);
    let through_images = dot(&images, &col2im::reference(&WINDOWS, &columns));
    assert_eq!(through_columns, through_images);
    assert!(through_images > 0.0);
}
