//! Three ways to predicted classes agree: the plain-Rust reference, plain Burn operations on the
//! CPU, and WGSL on a software Vulkan adapter.

use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::{
    NO_CLASS, PixelIds, device::software_vulkan, upsampled_argmax, upsampled_argmax_plain,
};
use shaders::upsampled_argmax as shader;

fn wgpu() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

/// A well-mixed function of `name` and `index`.
fn hash(name: u64, index: u64) -> u64 {
    let z = (name << 40 | index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whole numbers from -2 to 2, of which many are equal.
fn logits(dims: [usize; 4]) -> Vec<f64> {
    let count = dims.iter().product::<usize>() as u64;
    (0..count).map(|index| (hash(1, index) % 5) as f64 - 2.0).collect()
}

fn tensor(values: &[f64], dims: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (device, DType::F32))
}

#[test]
fn all_three_ways_take_the_lowest_of_equal_classes() {
    // Ratios of 1, 1/2, 1/4 and 1/8: f32 holds every upsampled logit exactly, so ties are ties.
    for (dims, size) in [
        ([1, 2, 1, 1], [1, 1]),
        ([1, 19, 1, 1], [3, 2]),
        ([2, 19, 5, 9], [5, 9]),
        ([7, 19, 5, 3], [17, 5]),
        ([1, 150, 3, 3], [17, 17]),
        ([1, 255, 2, 2], [3, 3]),
        ([1, 33, 9, 9], [5, 3]),
        ([1, 2, 3, 3], [1, 17]),
        ([1, 1, 3, 3], [5, 5]),
    ] {
        let values = logits(dims);
        let expected = shader::reference(&values, dims, size);
        let found = upsampled_argmax(tensor(&values, dims, &wgpu()), size);
        assert_eq!(found.shape(), [dims[0], size[0], size[1]]);
        assert_eq!(found.download(), expected, "WGSL: {dims:?} to {size:?}");
        let found = upsampled_argmax(tensor(&values, dims, &Device::flex()), size);
        assert_eq!(found.download(), expected, "Burn: {dims:?} to {size:?}");
    }
}

#[test]
fn more_words_than_all_workgroups_take_at_a_time_are_all_written() {
    // 16384 workgroups of 64 lanes take 4194304 pixels.
    let (dims, size) = ([1, 2, 3, 3], [2049, 2049]);
    let values = logits(dims);
    let found = upsampled_argmax(tensor(&values, dims, &wgpu()), size).download();
    assert!(found == shader::reference(&values, dims, size), "classes differ");
}

#[test]
fn at_any_ratio_only_ties_within_rounding_may_differ() {
    let (dims, size) = ([2, 19, 6, 7], [45, 37]);
    let values: Vec<f64> =
        (0..2 * 19 * 42).map(|index| (hash(2, index) >> 40) as f64 / (1 << 23) as f64).collect();
    let found = upsampled_argmax(tensor(&values, dims, &wgpu()), size).download();
    let plain = upsampled_argmax_plain(tensor(&values, dims, &Device::flex()), size).download();
    let expected = shader::reference(&values, dims, size);
    for (way, found) in [("WGSL", found), ("Burn", plain)] {
        let wrong = found.iter().zip(&expected).filter(|(found, expected)| found != expected);
        // The two largest of 19 numbers in [0, 2) are within some roundings, 1e-6, of each other at
        // one of 10^5 pixels; here are 3330.
        assert!(wrong.count() <= 1, "{way}");
    }
}

#[test]
fn logits_in_another_layout_and_with_autodiff_give_the_same_classes() {
    let (dims, size) = ([2, 19, 5, 6], [17, 21]);
    let values = logits(dims);
    let device = wgpu().autodiff();
    let innermost: Vec<f32> = tensor(&values, dims, &device)
        .permute([0, 2, 3, 1])
        .into_data()
        .try_into_vec()
        .expect("f32 values");
    let rows = Tensor::<4>::from_data(TensorData::new(innermost, [2, 5, 6, 19]), &device);
    let found = upsampled_argmax(rows.permute([0, 3, 1, 2]), size).download();
    assert_eq!(found, upsampled_argmax(tensor(&values, dims, &wgpu()), size).download());
}

#[test]
fn all_three_ways_give_no_class_exactly_where_a_logit_that_counts_is_not_finite() {
    // Sizes at which pixels lie on logits and between them, and an axis of one logit or pixel.
    for (dims, size) in [
        ([1, 1, 1, 1], [1, 1]),
        ([2, 19, 5, 9], [5, 9]),
        ([2, 19, 5, 7], [33, 45]),
        ([1, 3, 1, 4], [5, 19]),
        ([1, 3, 7, 5], [4, 1]),
        ([1, 255, 4, 4], [7, 10]),
    ] {
        for (number, wrong) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().enumerate()
        {
            let mut values = logits(dims);
            let at = hash(5, number as u64) as usize % values.len();
            values[at] = wrong;
            let expected = without_class(&shader::reference(&values, dims, size));
            // Of seven rows, four pixels lie on every other one.
            assert!(size == [4, 1] || expected.contains(&true), "{dims:?}");
            let found = upsampled_argmax(tensor(&values, dims, &wgpu()), size).download();
            assert!(without_class(&found) == expected, "WGSL: {dims:?} to {size:?}, {wrong}");
            let plain = upsampled_argmax(tensor(&values, dims, &Device::flex()), size).download();
            assert!(without_class(&plain) == expected, "Burn: {dims:?} to {size:?}, {wrong}");
        }
    }
}

fn without_class(ids: &[u8]) -> Vec<bool> {
    ids.iter().map(|&id| id == NO_CLASS).collect()
}

#[test]
fn logits_none_of_which_is_a_number_give_no_class_and_the_largest_numbers_do() {
    let (dims, size) = ([1, 19, 3, 3], [9, 9]);
    for device in [wgpu(), Device::flex()] {
        let nan = tensor(&[f64::NAN; 19 * 9], dims, &device);
        assert_eq!(upsampled_argmax(nan, size).download(), [NO_CLASS; 81]);
        let largest = tensor(&[f64::from(f32::MAX); 19 * 9], dims, &device);
        assert_eq!(upsampled_argmax(largest, [3, 3]).download(), [0; 9]);
    }
}

#[test]
fn no_pixels_are_no_classes() {
    for device in [wgpu(), Device::flex()] {
        let found = upsampled_argmax(tensor(&[], [0, 3, 2, 2], &device), [5, 5]);
        assert_eq!(found.download(), [0_u8; 0]);
    }
}

#[test]
fn ids_come_back_as_they_went_up() {
    for pixels in [1, 3, 4, 5, 257] {
        let ids: Vec<u8> = (0..pixels).map(|index| hash(3, index as u64) as u8).collect();
        for device in [wgpu(), Device::flex()] {
            assert_eq!(PixelIds::upload(&ids, [1, 1, pixels], &device).download(), ids);
        }
    }
}

#[test]
fn maps_of_whole_words_are_stacked() {
    for device in [wgpu(), Device::flex()] {
        let map = |first: u8, rows: u8| {
            let ids: Vec<u8> = (first..first + 6 * rows).collect();
            PixelIds::upload(&ids, [1, usize::from(rows), 6], &device)
        };
        let stacked = PixelIds::stacked(vec![map(0, 4), map(24, 2), map(36, 3)]);
        assert_eq!(stacked.shape(), [1, 9, 6]);
        assert_eq!(stacked.download(), (0..54).collect::<Vec<u8>>());
        assert_eq!(PixelIds::stacked(vec![map(7, 1)]).download(), (7..13).collect::<Vec<u8>>());
    }
}

#[test]
#[should_panic(expected = "map 0 of [1, 1, 6] is followed by others")]
fn a_map_of_six_pixels_is_followed_by_none() {
    let map = || PixelIds::upload(&[0; 6], [1, 1, 6], &Device::flex());
    drop(PixelIds::stacked(vec![map(), map()]));
}
