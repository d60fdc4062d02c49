//! The counts of a confusion matrix on a software Vulkan adapter and on the CPU are those of the
//! plain-Rust reference.

use burn::tensor::{DType, Device, Int, Tensor};
use kernels::{PixelIds, add_confusion, device::software_vulkan};
use shaders::confusion_counts;

fn devices() -> [Device; 2] {
    let software = software_vulkan().unwrap_or_else(|error| panic!("{error}"));
    [software.device, Device::flex()]
}

/// A well-mixed function of `name` and `index`.
fn hash(name: u64, index: u64) -> u64 {
    let z = (name << 40 | index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Ids of classes, of up to three others, and of none.
fn ids(name: u64, classes: usize, pixels: usize) -> Vec<u8> {
    let some = |index| (hash(name, index) % (classes as u64 + 3)).min(255) as u8;
    (0..pixels as u64).map(|index| if index % 7 == name % 7 { 255 } else { some(index) }).collect()
}

fn no_counts(classes: usize, device: &Device) -> Tensor<2, Int> {
    Tensor::zeros([classes + 1, classes + 1], (device, DType::I32))
}

fn downloaded(counts: Tensor<2, Int>) -> Vec<u32> {
    let counts: Vec<i32> = counts.try_into_vec_as().expect("counts");
    counts.into_iter().map(|count| count as u32).collect()
}

#[test]
fn counts_of_several_batches_add_up_and_leave_earlier_ones_alone() {
    // Around the pixels of one workgroup, 1024, and of one word, and those of real sizes.
    let shapes =
        [[1, 1, 1], [1, 1, 3], [7, 1, 5], [1, 3, 341], [1, 32, 32], [5, 5, 41], [3, 41, 53]];
    for device in devices() {
        for classes in [1, 2, 19, 150, 255] {
            let mut counts = no_counts(classes, &device);
            let mut expected = vec![0; (classes + 1) * (classes + 1)];
            for (batch, shape) in (0..).zip(shapes) {
                let before = counts.clone();
                let pixels = shape.iter().product();
                let [truth, prediction] = [0, 1].map(|map| ids(2 * batch + map, classes, pixels));
                let upload = |ids: &[u8]| PixelIds::upload(ids, shape, &device);
                counts = add_confusion(counts, &upload(&truth), &upload(&prediction));
                assert_eq!(downloaded(before), expected, "{classes} classes, {shape:?}");
                confusion_counts::reference(&truth, &prediction, classes, &mut expected);
            }
            assert_eq!(downloaded(counts), expected, "{classes} classes");
            assert_eq!(expected.iter().sum::<u32>(), 1 + 3 + 35 + 1023 + 1024 + 1025 + 6519);
        }
    }
}

#[test]
fn no_pixels_change_no_count() {
    for device in devices() {
        let none = PixelIds::upload(&[], [0, 4, 4], &device);
        let counts = Tensor::<2, Int>::ones([3, 3], (&device, DType::I32));
        assert_eq!(downloaded(add_confusion(counts, &none, &none)), [1; 9]);
    }
}

#[test]
fn pixels_without_a_true_class_are_in_the_last_row_alone() {
    for device in devices() {
        let truth = PixelIds::upload(&[255; 9], [1, 3, 3], &device);
        let prediction = PixelIds::upload(&[0, 1, 0, 1, 1, 255, 2, 1, 1], [1, 3, 3], &device);
        let counts = add_confusion(no_counts(2, &device), &truth, &prediction);
        assert_eq!(downloaded(counts), [0, 0, 0, 0, 0, 0, 2, 5, 2]);
    }
}

#[test]
fn more_words_than_all_workgroups_take_at_a_time_are_all_counted() {
    // 16384 workgroups of 256 lanes take 16777216 pixels.
    let pixels = (1 << 24) + 5;
    let [device, _] = devices();
    let upload = |ids: &[u8]| PixelIds::upload(ids, [1, 1, pixels], &device);
    let mut prediction = vec![1; pixels];
    prediction[pixels - 1] = 0;
    let counts =
        add_confusion(no_counts(2, &device), &upload(&vec![0; pixels]), &upload(&prediction));
    assert_eq!(downloaded(counts), [1, pixels as u32 - 1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_count_beyond_what_a_signed_number_holds_is_exact() {
    for device in devices() {
        let counts = Tensor::<2, Int>::full([2, 2], i32::MAX, (&device, DType::I32));
        let ids = PixelIds::upload(&[0; 5], [1, 1, 5], &device);
        let found = downloaded(add_confusion(counts, &ids, &ids));
        assert_eq!(found, [(1 << 31) + 4, (1 << 31) - 1, (1 << 31) - 1, (1 << 31) - 1]);
    }
}
