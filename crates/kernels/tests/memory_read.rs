//! Three ways to read the memory agree, forward and backward: the plain-Rust reference, plain Burn
//! operations on the CPU, and WGSL on a software Vulkan adapter.

mod memory_read_case;
mod three_ways;

use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::{Noise, memory_read, memory_read_plain};
use memory_read_case::{
    Case, F32_TOLERANCE, Found, Read, assert_same, functional, joined_factors, lists, maps, matrix,
    reference, rows, run, run_burn, run_wgsl,
};
use three_ways::{F64_TOLERANCE, assert_close, assert_not_finite_alike, list, wgpu};

#[test]
fn all_three_ways_agree_at_every_edge_of_a_workgroup() {
    // Workgroups take 32 pixels, 20 slots and 32 or 64 channels; blocks of pixels are 128.
    for channels in [5, 33, 256] {
        for slots in [2, 19, 150] {
            for shape in [[1, 1, 1], [1, 31, 1], [2, 4, 4], [3, 1, 11], [7, 6, 7]] {
                let plain = Case::new(shape, channels, slots);
                let noisy = plain.clone().with_noise();
                let case = if shape[0] % 2 == 0 { noisy } else { plain };
                let what = format!("B, h, w {shape:?}, C {channels}, K {slots}");
                let expected = reference(&case);
                assert_same(&format!("WGSL: {what}"), &run_wgsl(&case), &expected, F32_TOLERANCE);
                assert_same(&format!("Burn: {what}"), &run_burn(&case), &expected, F32_TOLERANCE);
            }
        }
    }
}

#[test]
fn sizes_on_both_sides_of_every_tile_agree() {
    let few = [(31, 20), (32, 21), (63, 1), (64, 40), (65, 41), (257, 39), (2, 1)];
    for (channels, slots) in few {
        let case = Case::new([2, 3, 5], channels, slots);
        let what = format!("C {channels}, K {slots}");
        assert_same(&what, &run_wgsl(&case), &reference(&case), F32_TOLERANCE);
    }
    // A block of the memory's gradient takes 128 pixels, then whole tiles of 32 of many.
    for pixels in [32, 33, 127, 128, 129, 64 * 128, 64 * 128 + 1] {
        let case = Case::new([1, 1, pixels], 3, 19);
        let what = format!("{pixels} pixels");
        assert_same(&what, &run_wgsl(&case), &reference(&case), F32_TOLERANCE);
    }
}

#[test]
fn a_feature_that_is_no_number_spoils_its_pixel_and_no_other() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut case = Case::new([1, 5, 8], 33, 19);
        let clean = reference(&case).outputs;
        case.features[7 * 33 + 12] = bad;
        let expected = reference(&case);
        for (what, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
            let (of, there) = (&found.outputs, &expected.outputs);
            assert_not_finite_alike(what, &of.normalized, &there.normalized);
            assert_not_finite_alike(what, &of.readout, &there.readout);
            let Found { outputs, feature_gradient, memory_gradient } = found;
            for (what, found, expected) in [
                (format!("{what}: scores"), &outputs.scores, &clean.scores),
                (format!("{what}: weights"), &outputs.weights, &clean.weights),
            ] {
                let [before, spoilt, after] = [0..7 * 19, 7 * 19..8 * 19, 8 * 19..40 * 19];
                assert!(found[spoilt].iter().all(|value| value.is_nan()), "{what}, {bad}");
                for clean in [before, after] {
                    assert_close(&what, &found[clean.clone()], &expected[clean], F32_TOLERANCE);
                }
            }
            assert!(feature_gradient[7 * 33..8 * 33].iter().all(|value| value.is_nan()));
            assert!(memory_gradient.iter().all(|value| value.is_nan()), "{what}, {bad}");
        }
    }
}

#[test]
fn a_slot_that_is_no_number_spoils_every_weight() {
    let mut case = Case::new([1, 5, 8], 33, 19);
    case.memory[3 * 33 + 5] = f64::NAN;
    let expected = reference(&case).outputs;
    assert!(expected.weights.iter().all(|value| value.is_nan()));
    for (what, found) in [("WGSL", run_wgsl(&case)), ("Burn", run_burn(&case))] {
        assert_not_finite_alike(what, &found.outputs.scores, &expected.scores);
        assert_not_finite_alike(what, &found.outputs.weights, &expected.weights);
    }
}

#[test]
fn plain_burn_in_f64_is_the_reference() {
    for shape in [[1, 1, 1], [1, 1, 17]] {
        let mut case = Case::new(shape, 33, 19).with_noise();
        case.temperature = 0.1;
        let found = run(&case, memory_read, &Device::flex(), DType::F64);
        assert_same("f64", &found, &reference(&case), F64_TOLERANCE);
    }
}

#[test]
fn a_low_temperature_sharpens_all_three_alike() {
    for case in [Case::new([2, 5, 13], 33, 19), Case::new([2, 5, 13], 33, 19).with_noise()] {
        let case = Case { temperature: 0.1, ..case };
        let expected = reference(&case);
        // The temperature multiplies the scores' errors by ten.
        assert_same("WGSL", &run_wgsl(&case), &expected, 10.0 * F32_TOLERANCE);
        assert_same("Burn", &run_burn(&case), &expected, 10.0 * F32_TOLERANCE);
    }
}

#[test]
fn large_features_and_slots_agree() {
    let mut case = Case::new([1, 5, 8], 33, 19);
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
    let mut case = Case::new([2, 3, 3], 33, 19);
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
    let mut case = Case::new([1, 17, 1], 33, 19);
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
    let whole = Case::new([1, 17, 1], 33, 19).with_noise();
    let device = wgpu().autodiff();
    for used in 0..3 {
        let mut case = whole.clone();
        let of = &mut case.functional;
        let results = [&mut of.normalized, &mut of.readout, &mut of.scores, &mut of.weights];
        // Normalised features and readout are one result.
        for (result, of) in [0, 0, 1, 2].into_iter().zip(results) {
            if result != used {
                of.fill(0.0);
            }
        }

        let features = maps(&case.features, case.shape, &device, DType::F32).require_grad();
        let memory = matrix(&case.memory, 33, &device, DType::F32).require_grad();
        let noise = case.noise.as_ref().map(|noise| matrix(noise, 19, &device, DType::F32));
        let noise = noise.map_or(Noise::None, Noise::Given);
        let read = memory_read(features.clone(), memory.clone(), noise, 1.0);
        let of = &case.functional;
        let (output, of) = match used {
            0 => (read.joined, joined_factors(&case)),
            1 => (read.scores, of.scores.clone()),
            _ => (read.weights, of.weights.clone()),
        };
        let gradients = (output * maps(&of, case.shape, &device, DType::F32)).sum().backward();
        let expected = reference(&case);
        let found = rows(features.grad(&gradients).unwrap());
        let what = format!("result {used}");
        // Two f32 sums of up to 33 and 19 terms that nearly cancel: well within 256 roundings.
        assert_close(&what, &found, &expected.feature_gradient, F32_TOLERANCE);
        let found = list(memory.grad(&gradients).unwrap());
        assert_close(&what, &found, &expected.memory_gradient, F32_TOLERANCE);
    }
}

#[test]
fn strided_inputs_and_gradients_give_the_bits_of_contiguous_ones() {
    let case = Case::new([2, 7, 5], 33, 19);
    let device = wgpu().autodiff();
    // Channels last, upside down, or transposed, as the buffer lies.
    for order in [[0, 2, 3, 1], [1, 3, 2, 0], [3, 1, 0, 2]] {
        let back: [isize; 4] = std::array::from_fn(|axis| {
            order.iter().position(|&from| from == axis).expect("a permutation") as isize
        });
        let order = order.map(|axis| axis as isize);
        // A leaf in another order, of which `permute(back)` is a strided view.
        let strided = |values: &[f64]| {
            let maps = maps(values, case.shape, &device, DType::F32).permute(order);
            let shape = maps.dims();
            Tensor::<4>::from_data(TensorData::new(list(maps), shape), (&device, DType::F32))
        };
        let features = strided(&case.features).require_grad();
        let memory = matrix(&case.memory, 33, &device, DType::F32).transpose();
        let memory = matrix(&list(memory), 19, &device, DType::F32).require_grad();
        let read = memory_read(
            features.clone().permute(back),
            memory.clone().transpose(),
            Noise::None,
            1.0,
        );
        let term =
            |output: &Tensor<4>, of: &[f64]| (output.clone().permute(order) * strided(of)).sum();
        let sum = term(&read.joined, &joined_factors(&case))
            + term(&read.scores, &case.functional.scores)
            + term(&read.weights, &case.functional.weights);
        let gradients = sum.backward();
        let found = Found {
            outputs: lists(read),
            feature_gradient: rows(features.grad(&gradients).unwrap().permute(back)),
            memory_gradient: list(memory.grad(&gradients).unwrap().transpose()),
        };
        assert!(found == run_wgsl(&case), "bits differ with axes in the order {order:?}");
    }
}

#[test]
fn parts_repetitions_and_mirror_images_of_a_buffer_give_the_bits_of_their_copies() {
    let case = Case::new([2, 7, 5], 66, 19);
    let device = wgpu();
    let whole = maps(&case.features, case.shape, &device, DType::F32);
    for (what, part) in [
        ("channels", whole.clone().slice_dim(1, 20..53)),
        ("rows", whole.clone().slice([1..2, 0..33, 2..5, 0..5])),
        ("one column", whole.clone().slice([0..2, 33..66, 0..7, 3..4])),
        ("one image, repeated", whole.clone().slice([0..1, 0..33]).expand([3, 33, 7, 5])),
        ("mirrored", whole.slice_dim(1, 0..33).flip([3])),
    ] {
        let memory = matrix(&case.memory[..19 * 33], 33, &device, DType::F32);
        let values = list(part.clone());
        let copy = Tensor::from_data(TensorData::new(values, part.dims()), (&device, DType::F32));
        let [found, expected] = [part, copy]
            .map(|x: Tensor<4>| lists(memory_read(x, memory.clone(), Noise::None, 1.0)));
        assert!(found == expected, "{what}: bits differ");
    }
}

#[test]
fn two_runs_give_equal_bits() {
    let case = Case::new([3, 10, 10], 33, 19).with_noise();
    assert!(run_wgsl(&case) == run_wgsl(&case), "bits differ");
}

#[test]
fn evaluation_without_autodiff_gives_the_bits_of_training() {
    let case = Case::new([1, 17, 1], 33, 19);
    let device = wgpu();
    let features = maps(&case.features, case.shape, &device, DType::F32);
    let memory = matrix(&case.memory, 33, &device, DType::F32);
    let outputs = lists(memory_read(features, memory, Noise::None, 1.0));
    assert!(outputs == run_wgsl(&case).outputs, "bits differ");
}

#[test]
fn a_memory_that_is_constant_leaves_the_gradient_of_the_features() {
    let case = Case::new([1, 17, 1], 33, 19);
    let device = wgpu().autodiff().gradient_checkpointing();
    let features = maps(&case.features, case.shape, &device, DType::F32).require_grad();
    let memory = matrix(&case.memory, 33, &device, DType::F32);
    let read = memory_read(features.clone(), memory.clone(), Noise::None, 1.0);
    let gradients = functional(&read, &case, &device, DType::F32).backward();
    assert!(memory.grad(&gradients).is_none());
    let found = rows(features.grad(&gradients).unwrap());
    assert!(found == run_wgsl(&case).feature_gradient, "bits differ");
}

#[test]
fn no_pixels_are_no_results_and_no_gradient() {
    // Plain Burn cannot copy an empty map on wgpu: it binds no buffer of no bytes.
    let ways: [(Device, Read); 3] =
        [(wgpu(), memory_read), (Device::flex(), memory_read), (Device::flex(), memory_read_plain)];
    for (device, read) in ways {
        let device = device.autodiff();
        let features = Tensor::<4>::zeros([0, 16, 3, 2], &device).require_grad();
        let memory = Case::new([1, 1, 1], 16, 2).memory;
        let memory = matrix(&memory, 16, &device, DType::F32).require_grad();
        let read = read(features.clone(), memory.clone(), Noise::None, 1.0);
        assert_eq!(read.joined.dims(), [0, 32, 3, 2]);
        assert_eq!(read.scores.dims(), [0, 2, 3, 2]);
        assert_eq!(read.weights.dims(), [0, 2, 3, 2]);
        let gradients = (read.joined.sum() + memory.clone().sum()).backward();
        assert_eq!(features.grad(&gradients).expect("a gradient").dims(), [0, 16, 3, 2]);
        assert_eq!(list(memory.grad(&gradients).expect("a gradient")), [1.0; 32]);
    }
}
