//! Prediction of images as large as those of Cityscapes on a device that binds 128 MiB at once: fewer
//! bytes than logits of 19 classes at that size take.

use std::sync::LazyLock;

use burn::tensor::Device;
use evaluation::protocol::InferenceProtocol;
use kernels::device::software_vulkan;
use shard_store::StoreOptions;
use training::run::{self, Machine};

use crate::toy::{Silent, Toy};

#[test]
fn an_image_whose_logits_are_more_than_the_device_binds_is_predicted_under_every_protocol() {
    let toy = Toy::new();
    let out = toy.path("run");
    let recipe = toy.recipe(&["steps=1", "model.backbone=resnet18", "model.width_divisor=32"]);
    let (cpu, store) = (Device::flex(), StoreOptions::default());
    let machine = Machine { device: &cpu, device_name: "CPU", store: &store };
    run::start(&recipe, &out, machine, &mut Silent::default()).unwrap();
    let size = [1024, 2048];
    let pixels: Vec<u8> =
        (0..3 * 1024 * 2048_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let software = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    for name in ["whole", "sliding", "sliding-flip"] {
        let protocol = InferenceProtocol::named(name, [768, 768]).unwrap();
        let [found, expected] = [&software, &cpu].map(|device| {
            let predictor = run::load(&out, device).unwrap().predictor;
            let started = std::time::Instant::now();
            let ids = predictor.predict(&pixels, size, (protocol, 0)).download();
            eprintln!("{name}: {:?}", started.elapsed());
            ids
        });
        let other = found.iter().zip(&expected).filter(|(found, expected)| found != expected);
        eprintln!("{name}: {} differ", other.count());
    }
}
