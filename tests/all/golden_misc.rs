//! Resizing, label resizing and memory initialisation equal the reference's.

use burn::tensor::{DType, Device, Tensor};
use models::labels::LabelWeights;
use models::memory::MemoryInit;
use models::mode::Plain;
use models::resize::{resize_bilinear, resize_half_pixel};

use crate::golden::{GoldenFile, assert_close, values};

/// f64 on both sides, a handful of terms each.
const TOLERANCE: f64 = 1e-14;

fn file() -> (GoldenFile, Device) {
    (GoldenFile::read("misc_f64.safetensors"), Device::flex())
}

#[test]
fn resizing_with_aligned_corners_equals_the_reference() {
    let (file, device) = file();
    let x = file.get("interp.x").tensor::<4>(&device, DType::F64);
    let up = resize_bilinear::<Plain>(x, [13, 17]);
    assert_close("up", &values(&up), &file.get("interp.up_13x17").values, TOLERANCE);
}

#[test]
fn resizing_with_aligned_edges_equals_the_reference() {
    let (file, device) = file();
    let x = file.get("interp.x").tensor::<4>(&device, DType::F64);
    let up = resize_half_pixel::<Plain>(x, [13, 17]);
    let expected = &file.get("interp.pool_eval_false_13x17").values;
    assert_close("up", &values(&up), expected, TOLERANCE);
}

#[test]
fn labels_at_feature_size_equal_the_resized_one_hot_and_the_nearest_labels() {
    let (file, device) = file();
    let labels = file.get("interp.labels").labels();
    let weights = labels.maps(&device).weights([5, 7], 19, LabelWeights::Soft);
    // The golden is [1, 20, 5, 7] with the ignored pixels as channel 19.
    let golden = file.get("interp.onehot_down_5x7").tensor::<4>(&device, DType::F64);
    let expected = golden.narrow(1, 0, 19).permute([0, 2, 3, 1]).reshape([35, 19]);
    assert_close("soft", &weights, &values(&expected), TOLERANCE);

    let nearest = labels.nearest_targets([5, 7], 19, &device);
    let expected = file.get("interp.aux_nearest_5x7").labels();
    let valid = expected.train_ids.iter().filter(|&&id| id < 19).count();
    assert_eq!(nearest.valid, valid);
    assert_eq!(nearest.labels.ids.download(), expected.train_ids);
}

#[test]
fn memory_initialisation_over_two_batches_equals_the_reference() {
    let (file, device) = file();
    let mut init = MemoryInit::new(&Tensor::zeros([19, 6], (&device, DType::F64)));
    for batch in 0..2 {
        let feature = file.get(&format!("meminit.f{batch}")).tensor::<4>(&device, DType::F64);
        let labels = file.get(&format!("meminit.labels{batch}")).labels();
        init.add(feature, &labels.maps(&device), LabelWeights::Soft);
    }
    assert_close("memory", &values(&init.finish()), &file.get("meminit.M").values, TOLERANCE);
}
