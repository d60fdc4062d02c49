//! Three ways to write the memory agree, forward and backward: the plain-Rust reference, plain Burn
//! operations on the CPU, and WGSL on a software Vulkan adapter.

mod memory_write_case;
mod three_ways;

use burn::tensor::{DType, Device, Tensor};
use kernels::{
    LabelMaps, LabelWeights, SumRule, class_sums, class_sums_plain, memory_write,
    memory_write_pair, memory_write_plain,
};
use memory_write_case::{Case, Found, Write, assert_same, run};
use three_ways::{
    F64_TOLERANCE, assert_close, assert_not_finite_alike, list, tensor, values, wgpu,
};

/// Relative to the largest expected value: a norm is a root of a sum of up to 256 squares in f32
/// and a class sum one of up to 300 products, whose roundings err by at most 300 * 2^-24 = 1.8e-5
/// of their terms, and by far less where their signs differ.
const F32_TOLERANCE: f64 = 1.5e-5;

fn run_wgsl(case: &Case) -> Found {
    run(case, memory_write, &wgpu(), DType::F32)
}

fn run_burn(case: &Case) -> Found {
    run(case, memory_write, &Device::flex(), DType::F32)
}

fn assert_three_ways(what: &str, case: &Case) {
    let expected = case.reference();
    assert_same(&format!("WGSL: {what}"), &run_wgsl(case), &expected, F32_TOLERANCE);
    assert_same(&format!("Burn: {what}"), &run_burn(case), &expected, F32_TOLERANCE);
}

#[test]
fn all_three_ways_agree_at_every_edge_of_a_workgroup() {
    // Workgroups take 8 pixels, 20 classes and 64 or 256 channels; blocks of pixels are 64.
    for channels in [16, 33, 256, 257] {
        for classes in [2, 19, 20, 21, 150] {
            for size in
                [[1, 1, 1], [1, 1, 7], [2, 2, 2], [3, 3, 1], [1, 5, 13], [7, 2, 3], [7, 6, 7]]
            {
                let case = Case::new(size, channels, classes, [17, 23]);
                assert_three_ways(&format!("{size:?}, C {channels}, K {classes}"), &case);
            }
        }
    }
}

#[test]
fn blocks_of_more_pixels_than_the_fewest_agree() {
    // 256 blocks of 64 pixels are 16384: one pixel less, as many, one more, and blocks of 72.
    for [height, width] in [[127, 129], [128, 128], [113, 145], [129, 131]] {
        for classes in [19, 21] {
            let case = Case::new([1, height, width], 16, classes, [257, 255]);
            assert_three_ways(&format!("{height}x{width}, K {classes}"), &case);
        }
    }
}

#[test]
fn what_is_no_number_makes_the_written_slots_none_in_all_three_ways() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for normalize_slots in [false, true] {
            let mut whole = Case { normalize_slots, ..Case::new([2, 5, 7], 33, 5, [33, 50]) };
            whole.labels.iter_mut().for_each(|id| *id = if *id == 4 { 255 } else { *id });
            let mut in_features = whole.clone();
            in_features.features[40] = bad;
            let [mut in_slot, mut in_absent_slot] = [whole.clone(), whole];
            in_slot.memory[40] = bad; // of class 1
            in_absent_slot.memory[4 * 33 + 7] = bad;
            for (place, case) in
                [("features", in_features), ("slot", in_slot), ("absent slot", in_absent_slot)]
            {
                let expected = case.reference().written;
                for (way, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
                    let what = format!("{way}: {bad} in the {place}, {normalize_slots}");
                    assert_not_finite_alike(&what, &found.written, &expected);
                }
            }
        }
    }
}

#[test]
fn labels_larger_equal_and_smaller_than_the_features_weigh_alike() {
    for kind in [LabelWeights::Soft, LabelWeights::Hard] {
        for label_size in [[1, 1], [1, 9], [4, 5], [5, 4], [3, 2], [64, 80], [97, 129]] {
            let case = Case { kind, ..Case::new([2, 4, 5], 33, 19, label_size) };
            assert_three_ways(&format!("{kind:?}, {label_size:?}"), &case);
        }
    }
}

#[test]
fn plain_burn_in_f64_is_the_reference() {
    for normalize_slots in [false, true] {
        let case = Case { normalize_slots, ..Case::new([2, 5, 7], 33, 19, [33, 50]) };
        let found = run(&case, memory_write, &Device::flex(), DType::F64);
        assert_same("f64", &found, &case.reference(), F64_TOLERANCE);
    }
}

#[test]
fn slots_that_are_not_normalised_agree_and_absent_ones_keep_their_bits() {
    let mut case = Case { normalize_slots: false, ..Case::new([2, 5, 7], 33, 19, [33, 50]) };
    case.labels.iter_mut().for_each(|id| *id = if *id == 4 { 255 } else { *id });
    assert_three_ways("momentum step", &case);
    for found in [run_wgsl(&case), run_burn(&case)] {
        assert_eq!(found.written[4 * 33..5 * 33], case.memory[4 * 33..5 * 33]);
    }
}

#[test]
fn ignored_labels_leave_every_slot_and_no_gradient() {
    let mut case = Case { normalize_slots: false, ..Case::new([2, 5, 7], 33, 19, [33, 50]) };
    // Ids from the number of classes on count as ignored too.
    case.labels.iter_mut().enumerate().for_each(|(at, id)| *id = [19, 150, 255][at % 3]);
    for found in [run_wgsl(&case), run_burn(&case)] {
        assert_eq!(found.written, case.memory);
        assert!(found.feature_gradient.iter().all(|&gradient| gradient == 0.0));
    }
}

#[test]
fn a_class_is_present_as_soon_as_its_weight_is_not_zero() {
    // Nine columns under four: the taps are at 0, 8/3, 16/3 and 8, the shares thirds. Column 1 is
    // looked at by none, column 2 by the second pixel, column 8 by the last alone.
    let mut case = Case::new([1, 1, 4], 33, 5, [1, 9]);
    case.normalize_slots = false;
    case.labels = vec![0, 1, 2, 0, 0, 0, 0, 0, 3];
    let moved = |found: &Found| -> Vec<bool> {
        let rows = found.written.chunks_exact(33).zip(case.memory.chunks_exact(33));
        rows.map(|(written, old)| written != old).collect()
    };
    for found in [run_wgsl(&case), run_burn(&case)] {
        assert_eq!(moved(&found), [true, false, true, true, false]);
    }
    assert_three_ways("presence", &case);
}

#[test]
fn the_label_before_an_exact_tap_makes_no_class_present_in_any_way() {
    // The last pixel of each looks at the last label alone, though (n - 1) * (labels - 1) / (n - 1)
    // in f64 falls short of it.
    for (labels, size) in [(384, 24), (640, 40)] {
        let mut case = Case::new([1, size, size], 16, 3, [labels, labels]);
        case.normalize_slots = false;
        case.labels = vec![0; labels * labels];
        for at in 0..labels {
            case.labels[at * labels + labels - 2] = 1;
            case.labels[(labels - 2) * labels + at] = 1;
        }
        *case.labels.last_mut().expect("labels") = 2;
        let expected = case.reference();
        for found in [&expected, &run_wgsl(&case), &run_burn(&case)] {
            let slots = found.written.chunks_exact(16).zip(case.memory.chunks_exact(16));
            let moved: Vec<bool> = slots.map(|(written, old)| written != old).collect();
            assert_eq!(moved, [true, false, true], "{labels} to {size}");
        }
        assert_three_ways(&format!("{labels} to {size}"), &case);
    }
}

#[test]
fn large_and_tiny_features_agree() {
    let mut case = Case::new([2, 5, 7], 33, 19, [33, 50]);
    let plane = 5 * 7;
    // Squares stay below the largest f32 and above the smallest.
    for (index, value) in case.features.iter_mut().enumerate() {
        let factor = [1e15f32, 1.0, 1e-9][index % plane % 3];
        *value = f64::from((*value * f64::from(factor)) as f32);
    }
    let expected = case.reference();
    for (what, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
        assert_close(what, &found.written, &expected.written, F32_TOLERANCE);
        // A gradient is as large as its feature is small: every size is compared on its own.
        for size in 0..3 {
            let of = |gradient: &[f64]| -> Vec<f64> {
                let all = gradient.iter().enumerate();
                all.filter(|(at, _)| at % plane % 3 == size).map(|(_, &value)| value).collect()
            };
            let what = format!("{what}: gradient of size {size}");
            let expected = of(&expected.feature_gradient);
            assert_close(&what, &of(&found.feature_gradient), &expected, F32_TOLERANCE);
        }
    }
}

#[test]
fn features_of_zero_and_nearly_zero_norm_have_the_gradient_of_a_constant_norm() {
    let mut case = Case::new([1, 3, 3], 33, 5, [9, 9]);
    for channel in 0..33 {
        case.features[channel * 9 + 2] = 0.0;
        let tiny = (case.features[channel * 9 + 4] * 1e-13) as f32;
        case.features[channel * 9 + 4] = f64::from(tiny);
    }
    let expected = case.reference();
    for (what, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
        assert_close(what, &found.written, &expected.written, F32_TOLERANCE);
        for pixel in 0..9 {
            let of = |gradient: &[f64]| -> Vec<f64> {
                gradient.iter().skip(pixel).step_by(9).copied().collect()
            };
            let expected = of(&expected.feature_gradient);
            let what = format!("{what}: pixel {pixel}");
            assert_close(&what, &of(&found.feature_gradient), &expected, F32_TOLERANCE);
        }
    }
}

#[test]
fn a_strided_input_and_gradient_give_the_bits_of_contiguous_ones() {
    let case = Case::new([2, 5, 7], 33, 19, [33, 50]);
    let device = wgpu().autodiff();
    let features = tensor(&case.features, [2, 33, 5, 7], &device, DType::F32);
    // Channels last in memory.
    let stored = list(features.permute([0, 2, 3, 1]));
    let leaf = tensor(&stored, [2, 5, 7, 33], &device, DType::F32).require_grad();
    let maps = LabelMaps::new(&case.labels, [2, 33, 50], &device);
    let memory = tensor(&case.memory, [19, 33], &device, DType::F32);
    let written = memory_write(leaf.clone().permute([0, 3, 1, 2]), &maps, memory, case.rule());
    let functional = tensor(&case.functional, [19, 33], &device, DType::F32);
    let transposed = written.clone().transpose() * functional.transpose();
    let gradients = transposed.sum().backward();
    let gradient = leaf.grad(&gradients).expect("a gradient").permute([0, 3, 1, 2]);
    let found = Found { written: list(written), feature_gradient: list(gradient) };
    assert!(found == run_wgsl(&case), "bits differ");
}

#[test]
fn two_runs_give_equal_bits_with_and_without_autodiff() {
    let case = Case::new([7, 6, 7], 33, 19, [50, 33]);
    let found = run_wgsl(&case);
    assert!(found == run_wgsl(&case), "bits differ");
    let device = wgpu();
    let features = tensor(&case.features, [7, 33, 6, 7], &device, DType::F32);
    let memory = tensor(&case.memory, [19, 33], &device, DType::F32);
    let maps = LabelMaps::new(&case.labels, [7, 50, 33], &device);
    let written = memory_write(features, &maps, memory, case.rule());
    assert!(list(written) == found.written, "bits differ");
}

#[test]
fn the_old_memory_is_a_constant() {
    let case = Case::new([1, 3, 3], 16, 5, [9, 9]);
    for (device, write) in [(wgpu(), memory_write as Write), (Device::flex(), memory_write_plain)] {
        let device = device.autodiff().gradient_checkpointing();
        let features = tensor(&case.features, [1, 16, 3, 3], &device, DType::F32);
        let features = features.require_grad();
        let memory = tensor(&case.memory, [5, 16], &device, DType::F32).require_grad();
        let maps = LabelMaps::new(&case.labels, [1, 9, 9], &device);
        let gradients =
            write(features.clone(), &maps, memory.clone(), case.rule()).sum().backward();
        assert!(memory.grad(&gradients).is_none());
        assert!(features.grad(&gradients).is_some());
    }
}

#[test]
fn no_images_leave_every_slot() {
    let memory = values(2, 5 * 16);
    for device in [wgpu(), Device::flex()] {
        let device = device.autodiff();
        let case = Case { memory: memory.clone(), ..Case::new([0, 3, 3], 16, 5, [9, 9]) };
        let features = Tensor::<4>::zeros([0, 16, 3, 3], &device).require_grad();
        let slots = tensor(&memory, [5, 16], &device, DType::F32);
        let maps = LabelMaps::new(&[], [0, 9, 9], &device);
        let rule = kernels::WriteRule { normalize_slots: false, ..case.rule() };
        for write in [memory_write, memory_write_plain] as [Write; 2] {
            assert_eq!(list(write(features.clone(), &maps, slots.clone(), rule)), memory);
        }
    }
}

#[test]
fn class_sums_and_their_gradient_agree_with_and_without_the_norm() {
    let case = Case::new([2, 5, 7], 33, 19, [33, 50]);
    for normalize in [false, true] {
        let (expected, gradient) = case.reference_sums(normalize);
        let rule = SumRule { classes: 19, label_weights: case.kind, normalize };
        for (what, device, sum) in [
            ("WGSL", wgpu(), class_sums as fn(Tensor<4>, &LabelMaps, SumRule) -> _),
            ("Burn", Device::flex(), class_sums_plain),
        ] {
            let device = device.autodiff();
            let features = tensor(&case.features, [2, 33, 5, 7], &device, DType::F32);
            let features = features.require_grad();
            let maps = LabelMaps::new(&case.labels, [2, 33, 50], &device);
            let found = sum(features.clone(), &maps, rule);
            let sums = list(found.sums.clone());
            let totals = list(found.totals);
            for class in 0..19 {
                let row = &expected[class * 34..][..34];
                let what = format!("{what}: class {class}");
                assert_close(&what, &sums[class * 33..][..33], &row[..33], F32_TOLERANCE);
                assert_close(&what, &totals[class..=class], &row[33..], F32_TOLERANCE);
            }
            let functional = tensor(&case.functional, [19, 33], &device, DType::F32);
            let gradients = (found.sums * functional).sum().backward();
            let found = list(features.grad(&gradients).expect("a gradient"));
            assert_close(&format!("{what}: gradient"), &found, &gradient, F32_TOLERANCE);
        }
    }
}

/// Value and tangent of a write along random features' directions, and the gradients of
/// `<functional, value> - <functional, tangent>` by features and by their tangent.
fn pair(case: &Case, device: &Device, dtype: DType) -> [Vec<f64>; 4] {
    let device = device.clone().autodiff();
    let dims = [case.size[0], case.channels, case.size[1], case.size[2]];
    let features = tensor(&case.features, dims, &device, dtype).require_grad();
    let direction = values(5, case.features.len());
    let direction = tensor(&direction, dims, &device, dtype).require_grad();
    let [label_height, label_width] = case.label_size;
    let maps = LabelMaps::new(&case.labels, [case.size[0], label_height, label_width], &device);
    let slots = [case.classes, case.channels];
    let memory = tensor(&case.memory, slots, &device, dtype);
    let (value, tangent) =
        memory_write_pair(features.clone(), direction.clone(), &maps, memory, case.rule());
    let functional = tensor(&case.functional, slots, &device, dtype);
    let gradients = ((value.clone() - tangent.clone()) * functional).sum().backward();
    let gradient = |leaf: &Tensor<4>| list(leaf.grad(&gradients).expect("a gradient"));
    [list(value), list(tangent), gradient(&features), gradient(&direction)]
}

#[test]
fn the_pair_in_wgsl_is_the_pair_in_f64_and_its_value_the_write() {
    for normalize_slots in [false, true] {
        let case = Case { normalize_slots, ..Case::new([2, 5, 7], 33, 19, [33, 50]) };
        let found = pair(&case, &wgpu(), DType::F32);
        let expected = pair(&case, &Device::flex(), DType::F64);
        assert_close("write", &found[0], &case.reference().written, F32_TOLERANCE);
        for (index, what) in
            ["value", "tangent", "gradient", "gradient of the tangent"].into_iter().enumerate()
        {
            // Second derivatives of a norm are differences of a few terms of their own size.
            assert_close(what, &found[index], &expected[index], 4.0 * F32_TOLERANCE);
        }
    }
}
