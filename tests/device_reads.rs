//! No training step and no prediction waits for the device: whatever its numbers are, the host goes
//! on at once.
//!
//! While a graph is captured, the runtime of a wgpu device records launches and refuses every read
//! with an error, which Burn's readers turn into a panic. So work that comes to its end in such a
//! window has read nothing. A window takes in whatever runs on a stream; therefore these tests are a
//! program of their own and run one after the other.
#![cfg(test)]

use std::sync::{Mutex, PoisonError};

use burn::backend::{CubeDevice, DispatchDevice};
use burn::tensor::{DType, Device, Int, Tensor};
use evaluation::predictor::{Predictor, ReadSettings};
use evaluation::protocol::InferenceProtocol;
use kernels::device::software_vulkan;
use kernels::{PixelIds, add_confusion};
use models::image;
use models::labels::LabelBatch;
use models::network::{Network, NetworkConfig};
use training::method::{Algorithm, Method, Order};
use training::metrics::MetricsLine;
use training::objective::Samples;
use training::optimizer::SgdSettings;
use training::state::State;
use training::step::{StepReport, StepSettings, aggregated_step, episodic_step};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const CLASSES: usize = 19;

fn device() -> Device {
    software_vulkan().unwrap_or_else(|error| panic!("{error}")).device
}

fn cube_device(device: &Device) -> &CubeDevice {
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => device,
        other => panic!("{other:?} is no wgpu device"),
    }
}

/// Does `work` in a window that refuses reads; `probe` gives a number of its result.
fn without_reads<T>(device: &Device, work: impl FnOnce() -> T, probe: fn(&T) -> Tensor<1>) -> T {
    let client = cube_device(device).client();
    client.graph_prepare().expect("a capture can be prepared");
    client.start_capture().expect("a window opens");
    let result = work();
    let read = probe(&result).try_into_vec_as::<f32>();
    assert!(read.is_err(), "the window let a read pass");
    // What was uploaded in it is no part of a graph, which is an error and no matter.
    drop(client.stop_capture());
    result
}

fn network(memory: bool) -> Network {
    Network::new(NetworkConfig {
        blocks: Some([1; 4]),
        width_divisor: 32,
        ..NetworkConfig::deeplab_v3_plus_resnet50(CLASSES, memory)
    })
}

fn levels(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|at| ((at + seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn samples(seed: usize, device: &Device) -> Samples {
    let shape @ [batch, height, width] = [2, 33, 33];
    let pixels = batch * height * width;
    let image = image::upload(&levels(3 * pixels, seed), shape, device);
    let train_ids = levels(pixels, seed + 1).into_iter().map(|level| level % 20).collect();
    Samples::new(image, LabelBatch { batch, height, width, train_ids }, CLASSES)
}

/// A step, its batch included.
fn step(network: &Network, state: &State, method: &Method, device: &Device) -> (State, StepReport) {
    let settings = StepSettings {
        learning_rate: 0.01,
        inner_rate: 0.0025,
        sgd: SgdSettings { momentum: 0.9, weight_decay: 5e-4, clip_gradient_norm: 1.0 },
        dropout: 0.1,
        seed: 3,
        gradient_checkpointing: false,
    };
    let first = samples(5, device);
    match method.algorithm {
        Algorithm::Aggregated => aggregated_step(network, state, &first, (method, settings)),
        Algorithm::Episodic => {
            let second = samples(6, device);
            episodic_step(network, state, (&first, &second), (method, settings))
        }
    }
}

#[test]
fn a_step_of_every_loop_reads_nothing_from_the_device() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let device = device();
    let first_order = Method { order: Order::First, ..Method::paper() };
    for (name, memory, method) in [
        ("aggregated", false, Method::aggregated()),
        ("aggregated, memory", true, Method::aggregated()),
        ("episodes", false, first_order),
        ("episodes, memory, second order", true, Method::paper()),
        ("episodes, memory, released", true, Method::released()),
    ] {
        let network = network(memory);
        let mut state = State::new(&network, 1, &device, DType::F32);
        state.memory = state.memory.map(|slots| slots.ones_like());
        // Outside of a window first: in it no memory is allocated.
        let (next, report) = step(&network, &state, &method, &device);
        let rates = [0.01, 0.0025];
        assert_eq!(MetricsLine::new(1, rates, &report).not_finite([&[]; 2]), None, "{name}");
        let loss = |(_, report): &(State, StepReport)| report.inner.losses[0].1.clone();
        let (after, _) = without_reads(&device, || step(&network, &next, &method, &device), loss);
        assert_eq!(after.step, 2, "{name}");
    }
}

#[test]
fn a_prediction_and_its_counts_read_nothing_from_the_device() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let device = device();
    let network = network(true);
    let state = State::new(&network, 1, &device, DType::F32);
    let predictor = Predictor {
        network,
        parameters: state.parameters,
        statistics: state.statistics,
        memory: state.memory,
        read: ReadSettings { temperature: 1.0, gumbel_seed: Some(1) },
        device: device.clone(),
    };
    let size @ [height, width] = [48, 80];
    let (pixels, truth) = (levels(3 * height * width, 7), levels(height * width, 8));
    for name in ["whole", "sliding", "sliding-flip"] {
        let protocol = InferenceProtocol::named(name, [33; 2]).expect("a protocol");
        let counted = || {
            let prediction = predictor.predict(&pixels, size, (protocol, 0));
            let truth = PixelIds::upload(&truth, [1, height, width], &device);
            let counts: Tensor<2, Int> =
                Tensor::zeros([CLASSES + 1, CLASSES + 1], (&device, DType::I32));
            add_confusion(counts, &truth, &prediction)
        };
        let pixels_counted = |counts: &Tensor<2, Int>| counts.clone().sum().float();
        let found: Vec<f32> = pixels_counted(&counted()).try_into_vec_as().expect("a count");
        assert_eq!(found, [(height * width) as f32], "{name}");
        drop(without_reads(&device, counted, pixels_counted));
    }
}
