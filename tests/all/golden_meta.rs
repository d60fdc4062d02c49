//! One whole training step equals the reference's: losses, gradients, parameters, memories.

use burn::tensor::{DType, Device, Tensor};
use models::deeplab_v3_plus::DeepLabV3Plus;
use training::method::{Method, Order, OuterGradient, ReadWeights};
use training::objective::Samples;
use training::optimizer::SgdSettings;
use training::state::State;
use training::step::{StepReport, StepSettings, episodic_step};

use crate::golden::{self, GoldenFile, assert_close, assert_close_above, values};
use crate::golden_forward::tiny;

/// Largest difference allowed, relative to the largest value of each tensor.
struct Tolerance {
    losses: f64,
    gradients: f64,
    /// Of the image-level branch, whose batch normalisation sees two values per channel.
    image_branch_gradients: f64,
    parameters: f64,
    memory: f64,
}

fn samples(file: &GoldenFile, prefix: &str, device: &Device, dtype: DType) -> Samples {
    let image = file.get(&format!("{prefix}.input")).tensor::<4>(device, dtype);
    Samples::new(image, file.get(&format!("{prefix}.labels")).labels(), 19)
}

fn run(
    network: &DeepLabV3Plus,
    file: &GoldenFile,
    order: Order,
    (device, dtype): (&Device, DType),
) -> (State, StepReport) {
    let parameters = golden::parameters(&network.layout, device, dtype);
    let state = State {
        step: 0,
        momentum: parameters.iter().map(Tensor::zeros_like).collect(),
        parameters,
        statistics: golden::statistics(&network.layout, device, dtype),
        memory: Some(golden::memory(16, device, dtype)),
    };
    let method = Method {
        order,
        outer_gradient: OuterGradient::Sum,
        read: ReadWeights::Softmax,
        ..Method::released()
    };
    let settings = StepSettings {
        learning_rate: 0.01,
        inner_rate: 0.0025,
        sgd: SgdSettings { momentum: 0.9, weight_decay: 5e-4, clip_gradient_norm: 0.0 },
        dropout: 0.0,
        seed: 0,
    };
    let meta_train = samples(file, "mtr", device, dtype);
    let meta_test = samples(file, "mte", device, dtype);
    episodic_step(network, &state, (&meta_train, &meta_test), (&method, settings))
}

fn check(order: Order, device: &Device, dtype: DType, tolerance: &Tolerance) {
    let file = GoldenFile::read("meta_tiny_f64.safetensors");
    let json = golden::json("meta_tiny.json");
    let network = tiny(true);
    let (state, report) = run(&network, &file, order, (device, dtype));
    let suffix = match order {
        Order::First => "fo",
        Order::Second => "so",
    };

    let outer = report.outer.as_ref().expect("an episode has an outer pass");
    for (pass, losses) in [("inner", &report.inner.losses), ("outer_fo", &outer.losses)] {
        for (name, got) in losses {
            let short = match *name {
                "segmentation" => "seg",
                "auxiliary" => "aux",
                "cohesion" => "coh",
                "divergence" => "div",
                "classification" => "cls",
                other => other,
            };
            let expected = json["f64"][pass][short].as_f64().expect("a loss");
            assert_close(&format!("{pass} {name}"), &values(got), &[expected], tolerance.losses);
        }
    }

    let details = &report.details;
    let outer_key = format!("g_outer_{suffix}");
    for (what, gradients) in
        [("g_inner", &details.inner_gradient), (outer_key.as_str(), &details.outer_gradient)]
    {
        for (spec, gradient) in network.layout.parameters.iter().zip(gradients) {
            let key = format!("{what}.{}", spec.name);
            // A parameter outside the graph has no gradient; the reference stores zeros or nothing.
            let got = gradient.as_ref().map_or_else(|| vec![0.0; spec.len()], values);
            if let Some(expected) = file.find(&key) {
                let allowed = match spec.name.starts_with("aspp.img_conv") {
                    true => tolerance.image_branch_gradients,
                    false => tolerance.gradients,
                };
                // Biases before a batch normalisation have a zero gradient but for rounding.
                let floor = 1e-4 * tolerance.gradients;
                assert_close_above(&key, &got, &expected.values, (allowed, floor));
            }
        }
    }
    for (spec, parameter) in network.layout.parameters.iter().zip(&state.parameters) {
        let key = format!("params_{suffix}.{}", spec.name);
        let expected = &file.get(&key).values;
        assert_close(&key, &values(parameter), expected, tolerance.parameters);
    }
    let checksums = file.get("ck.buffers_after").values.chunks_exact(3);
    let buffers = state.statistics.iter().flat_map(|s| [values(&s.mean), values(&s.variance)]);
    for (index, (buffer, expected)) in buffers.zip(checksums).enumerate() {
        let got = golden::checksum(&buffer);
        assert_close(&format!("buffer {index}"), &got, expected, tolerance.parameters);
    }
    for (name, memory) in [
        ("mem_hat".to_owned(), &details.inner_memory),
        ("mem_prime".to_owned(), &details.meta_memory),
        (format!("mem_final_{suffix}"), &state.memory),
    ] {
        let got = values(memory.as_ref().expect("the network has a memory"));
        assert_close(&name, &got, &file.get(&name).values, tolerance.memory);
    }
}

/// Both sides round in f64; a hundred times the differences seen, which are up to 1e-14 in
/// losses, memories and parameters, and 7e-13 in the gradients of the image-level branch.
const F64: Tolerance = Tolerance {
    losses: 1e-12,
    gradients: 1e-11,
    image_branch_gradients: 1e-10,
    parameters: 1e-12,
    memory: 1e-12,
};

/// The reference's own f32 step differs from its f64 step by up to 1e-3 of the gradients' maximum:
/// batch normalisation over the two values of the image-level branch amplifies rounding. The rest
/// stays within a few hundred roundings of 6e-8.
const F32: Tolerance = Tolerance {
    losses: 1e-5,
    gradients: 1e-4,
    image_branch_gradients: 1e-3,
    parameters: 1e-5,
    memory: 1e-5,
};

#[test]
fn first_order_step_in_f64_equals_the_reference() {
    check(Order::First, &Device::flex(), DType::F64, &F64);
}

#[test]
fn second_order_step_in_f64_equals_the_reference() {
    check(Order::Second, &Device::flex(), DType::F64, &F64);
}

#[test]
fn first_order_step_in_f32_equals_the_reference() {
    check(Order::First, &Device::flex(), DType::F32, &F32);
}

#[test]
fn second_order_step_in_f32_equals_the_reference() {
    check(Order::Second, &Device::flex(), DType::F32, &F32);
}

#[test]
fn first_order_step_on_software_vulkan_equals_the_reference() {
    // The inner pass reads the memory through the WGSL shaders, forward and backward.
    check(Order::First, &software_vulkan(), DType::F32, &F32);
}

#[test]
fn second_order_step_on_software_vulkan_equals_the_reference() {
    check(Order::Second, &software_vulkan(), DType::F32, &F32);
}

fn software_vulkan() -> Device {
    kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}
