//! The tiny network's forward pass equals the reference's.

use burn::tensor::{DType, Device, Tensor};
use models::memory::{self, ReadOptions};
use models::mode::Plain;
use models::network::{Network, NetworkConfig};
use models::pass::{Normalization, Pass};
use models::resize::resize_bilinear;

use crate::golden::{self, GoldenFile, assert_close, values};
use crate::watching::{Watching, take_maps};

/// The reference's network with all widths divided by 16 and one block per stage.
pub(crate) fn tiny(memory: bool) -> Network {
    let full = NetworkConfig::deeplab_v3_plus_resnet50(19, memory);
    Network::new(NetworkConfig { blocks: Some([1; 4]), width_divisor: 16, ..full })
}

pub(crate) fn resnet50(memory: bool) -> Network {
    Network::new(NetworkConfig::deeplab_v3_plus_resnet50(19, memory))
}

fn check_tiny_forward(device: &Device, dtype: DType, tolerance: f64) {
    let file = GoldenFile::read("forward_tiny_f64.safetensors");
    let network = tiny(true);
    let parameters = golden::parameters(&network.layout, device, dtype);
    let statistics = golden::statistics(&network.layout, device, dtype);
    let mut pass =
        Pass::<Watching>::new(&network.layout, parameters, &statistics, Normalization::Running);
    let image = golden::image("fwd", [2, 97, 129], device, dtype);
    assert_close("input", &values(&image), &file.get("input").values, 0.0);
    let encoded = network.encode(&mut pass, image);
    let slots = golden::memory(16, device, dtype);
    let read = memory::read(&mut pass, encoded.feature.clone(), slots, &ReadOptions::PAPER);
    let logits = network.decode(&mut pass, encoded.skips, read.feature.clone());
    let full = resize_bilinear::<Plain>(logits.clone(), [97, 129]);
    for (name, got) in [
        ("feature", values(&encoded.feature)),
        ("W", values(&memory::to_rows::<Plain>(read.weights.clone()))),
        ("R", values(&read.feature)),
        ("logits_small", values(&logits)),
        ("logits", values(&full)),
    ] {
        assert_close(name, &got, &file.get(name).values, tolerance);
    }
    assert_same_classes(&file, full, tolerance);

    let maps = take_maps();
    let checksums = golden::json("forward_checksums.json");
    let stages = checksums["tiny_f64"]["stage"].as_object().expect("stages");
    assert_eq!(stages.len(), 11, "stages");
    for (stage, golden) in stages {
        golden::assert_among(stage, golden, &maps, tolerance);
    }
}

/// A class may be another than the golden's where the golden logits of both are as near to each
/// other as `tolerance` lets single logits be.
fn assert_same_classes(file: &GoldenFile, logits: Tensor<4>, tolerance: f64) {
    let [_, kinds, height, width] = logits.dims();
    let classes: Vec<i64> = logits.argmax(1).try_into_vec_as().expect("class indices");
    let golden = &file.get("logits").values;
    let largest = golden.iter().fold(0f64, |largest, logit| largest.max(logit.abs()));
    for (pixel, (&found, &expected)) in classes.iter().zip(&file.get("argmax").values).enumerate() {
        let (image, place) = (pixel / (height * width), pixel % (height * width));
        let logit = |class: usize| golden[(image * kinds + class) * height * width + place];
        let gap = logit(expected as usize) - logit(found as usize);
        assert!(gap <= 2.0 * tolerance * largest, "pixel {pixel}: class {found}, not {expected}");
    }
}

#[test]
fn tiny_forward_in_f64_equals_the_reference() {
    // Both sides round every operation of some 40 layers in f64: 1e-12 is a few thousand ulp.
    check_tiny_forward(&Device::flex(), DType::F64, 1e-12);
}

#[test]
fn tiny_forward_in_f32_equals_the_reference() {
    // The reference's own f32 run differs from its f64 run by 1e-6 of the maximum.
    check_tiny_forward(&Device::flex(), DType::F32, 5e-6);
}

#[test]
fn parameter_counts_equal_the_papers() {
    assert_eq!(resnet50(false).layout.parameter_count(), 45_081_542);
    assert_eq!(tiny(true).layout.parameter_count(), 119_651);
}

#[test]
fn tiny_forward_on_software_vulkan_equals_the_reference() {
    let opened = kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}"));
    // As on the CPU; the driver may fuse multiplications and additions.
    check_tiny_forward(&opened.device, DType::F32, 1e-5);
}
