//! What evaluation refuses of a network: scores that are no numbers, maps that no device can hold.

use burn::tensor::Device;
use evaluation::protocol::InferenceProtocol;
use evaluation::targets::{EvaluationError, Target};
use evaluation::view::View;
use kernels::binding_bytes;
use kernels::device::software_vulkan;
use models::network::{Network, NetworkConfig};
use training::run;

use crate::runs::{STORE, train};
use crate::toy::Toy;

fn software() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

#[test]
fn scores_that_are_no_numbers_are_an_error_that_names_the_image() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    for device in [Device::flex(), software()] {
        let mut trained = run::load(&out, &device).unwrap();
        let mut specs = trained.predictor.network.layout.parameters.iter();
        let place = specs.position(|spec| spec.name == "final2.0.bias").unwrap();
        for wrong in [f32::NAN, f32::INFINITY] {
            // One class of nineteen.
            let bias = &mut trained.predictor.parameters[place];
            *bias = bias.clone().slice_fill(7..8, wrong);
            let target = Target::open(&toy.target, &trained.facts.classes, &STORE).unwrap();
            for name in ["whole", "sliding-flip"] {
                let protocol = InferenceProtocol::named(name, [64, 64]).unwrap();
                let error = target.score(&trained.predictor, protocol, &mut |_, _| ()).unwrap_err();
                let message = error.to_string();
                let image = target.picture(0).unwrap().id;
                let expected =
                    format!("image {image}: 8192 of 8192 pixels have a score that is NaN");
                assert!(message.contains(&expected), "{message}");
                assert!(message.contains("hint: the run diverged or its weights are damaged"));
            }
        }
    }
}

#[test]
fn a_network_too_large_for_the_device_is_an_error_that_names_image_and_map() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=1"]), &out);
    let device = software();
    let mut trained = run::load(&out, &device).unwrap();
    trained.predictor.network = Network::new(NetworkConfig::deeplab_v3_plus_resnet50(19, true));
    // Images of 1536x1536 pixels, on which the decoder joins 304 channels at a quarter of the size.
    let bytes = 4 * 304 * 384 * 384;
    let limit = binding_bytes(&device).unwrap();
    assert!(limit < bytes, "this adapter binds {limit} bytes");
    let target = Target::open(&toy.target, &trained.facts.classes, &STORE).unwrap();
    let target = target.with_view(View::ReleasedMapillary);
    let protocol = InferenceProtocol::named("whole", [64, 64]).unwrap();
    let error = target.score(&trained.predictor, protocol, &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, EvaluationError::TooLarge { .. }), "{error}");
    let expected = format!("on 1536 x 1536 pixels the network has a map of {bytes} bytes");
    assert!(error.to_string().contains(&expected), "{error}");
    assert!(error.to_string().contains(&target.picture(0).unwrap().id), "{error}");
}
