//! The references against values by hand and against finite differences.

use shaders::{
    augment_blur,
    augment_jitter::{self, Jitter, Operation},
    col2im, confusion_counts,
    im2col::{self, Windows},
    memory_read::{self, Inputs, Outputs},
    memory_read_gradient, memory_read_memory_gradient, sum_blocks, sum_rows, upsampled_argmax,
    upsampled_cross_entropy, upsampled_cross_entropy_gradient,
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
    let score_gradient = memory_read_gradient::score_gradient(&inputs_here, &outputs, &of);
    let feature_gradient =
        memory_read_gradient::feature_gradient(&inputs_here, &outputs, &of, &score_gradient);
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

#[test]
fn the_sum_over_rows_keeps_the_rows_apart() {
    assert_eq!(sum_rows::reference(&[1.0, 2.0, 10.0, 20.0, 100.0, 200.0], 3, 0.5), [6.5, 160.0]);
}

/// Two images of 2 x 3 logits and three classes under labels of 4 x 4, two of which do not count.
fn loss_inputs<'a>(logits: &'a [f64], tangent: &'a [f64]) -> upsampled_cross_entropy::Inputs<'a> {
    const LABELS: [u8; 32] = [
        0, 1, 1, 2, 255, 0, 1, 2, 2, 0, 1, 1, 2, 0, 0, 0, //
        1, 2, 0, 1, 3, 2, 1, 0, 0, 1, 2, 2, 1, 2, 1, 0,
    ];
    upsampled_cross_entropy::Inputs {
        batch: 2,
        size: [2, 3],
        label_size: [4, 4],
        logits,
        tangent,
        labels: &LABELS,
        class_weights: &[1.0, 0.25, 1.75],
    }
}

#[test]
fn the_loss_between_two_logits_is_that_of_their_mean() {
    let found = upsampled_cross_entropy::reference(&upsampled_cross_entropy::Inputs {
        batch: 1,
        size: [1, 2],
        label_size: [1, 3],
        logits: &[0.0, 2.0, 0.0, 0.0],
        tangent: &[0.0; 4],
        labels: &[255, 1, 2],
        class_weights: &[1.0, 1.0],
    });
    // Logits 1 and 0, label 1.
    assert!((found.loss - (1.0 + 1f64.exp()).ln()).abs() < 1e-15); // a few roundings of f64
    assert_eq!(found.log_sums, [0.0, found.loss, 0.0]);
}

#[test]
fn derivative_and_gradients_of_the_loss_are_its_finite_differences() {
    let values =
        |start: f64| -> Vec<f64> { (0..36).map(|i| (start + 1.7 * f64::from(i)).sin()).collect() };
    let (logits, tangent) = (values(0.3), values(1.1));
    let moved = |values: &[f64], along: &[f64], step: f64| -> Vec<f64> {
        values.iter().zip(along).map(|(value, along)| value + step * along).collect()
    };
    let at = |logits: &[f64], tangent: &[f64]| {
        upsampled_cross_entropy::reference(&loss_inputs(logits, tangent))
    };
    // As above: 1e-10 and 1e-11 at this step, times the 30 pixels.
    let (step, tolerance) = (1e-5, 3e-8);
    let outputs = at(&logits, &tangent);
    let [ahead, behind] = [step, -step].map(|step| at(&moved(&logits, &tangent, step), &tangent));
    let difference = (ahead.loss - behind.loss) / (2.0 * step);
    assert!((difference - outputs.derivative).abs() < tolerance, "{difference}");

    let of_outputs = [0.6, -1.2];
    let (gradient, tangent_gradient) = upsampled_cross_entropy_gradient::reference(
        &loss_inputs(&logits, &tangent),
        &outputs,
        of_outputs,
    );
    let value = |logits: &[f64], tangent: &[f64]| {
        let outputs = at(logits, tangent);
        of_outputs[0] * outputs.loss + of_outputs[1] * outputs.derivative
    };
    for index in 0..36 {
        let mut axis = vec![0.0; 36];
        axis[index] = 1.0;
        let [ahead, behind] =
            [step, -step].map(|step| value(&moved(&logits, &axis, step), &tangent));
        let difference = (ahead - behind) / (2.0 * step);
        assert!((difference - gradient[index]).abs() < tolerance, "logit {index}");
        let [ahead, behind] =
            [step, -step].map(|step| value(&logits, &moved(&tangent, &axis, step)));
        let difference = (ahead - behind) / (2.0 * step);
        assert!((difference - tangent_gradient[index]).abs() < tolerance, "tangent {index}");
    }
}

#[test]
fn the_class_between_two_logits_is_that_of_the_nearer_and_the_lowest_half_way() {
    let logits = [1.0, 0.0, 0.0, 1.0];
    assert_eq!(upsampled_argmax::reference(&logits, [1, 2, 1, 2], [1, 5]), [0, 0, 0, 1, 1]);
}

#[test]
fn a_pixel_has_no_class_where_a_logit_that_counts_is_not_finite() {
    const NONE: u8 = upsampled_argmax::NO_CLASS;
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // Pixel 2 is the middle logit, to which the right one adds nothing.
        let logits = [1.0, 0.0, 0.0, 0.0, 1.0, wrong];
        let found = upsampled_argmax::reference(&logits, [1, 2, 1, 3], [1, 5]);
        assert_eq!(found, [0, 0, 1, NONE, NONE]);
    }
}

#[test]
fn counts_have_the_truth_as_rows_and_what_is_no_class_last() {
    let mut counts = [5, 0, 0, 0, 0, 0, 0, 0, 0];
    confusion_counts::reference(&[0, 0, 1, 255, 0], &[0, 1, 0, 0, 2], 2, &mut counts);
    assert_eq!(counts, [6, 1, 1, 1, 0, 0, 1, 0, 0]);
}
