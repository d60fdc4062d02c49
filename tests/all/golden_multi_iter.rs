//! Three steps of each of the authors' four training loops: momentum, decay, rates and memory carry
//! over from step to step as theirs do.

use burn::tensor::{DType, Device};
use models::network::Network;
use training::method::{Algorithm, Method, ReadWeights};
use training::objective::Samples;
use training::optimizer::SgdSettings;
use training::schedule::{Decay, Schedule};
use training::state::State;
use training::step::{StepReport, StepSettings, aggregated_step, episodic_step};

use crate::golden::{self, GoldenFile, assert_close, assert_close_above, values};
use crate::golden_forward::tiny;

/// Where the steps are taken, and how near to the reference's f64 they must stay.
struct Place {
    device: Device,
    dtype: DType,
    tolerance: f64,
    /// Added for checksums, which cancel.
    floor: f64,
}

/// f64 on both sides; each step multiplies rounding by its conditioning, about a thousand.
fn cpu_f64() -> Place {
    Place { device: Device::flex(), dtype: DType::F64, tolerance: 1e-9, floor: 1e-10 }
}

/// The aggregated loops stay within 3e-6, buffers within 9e-6. An episode's image-level branch
/// normalises over two values, and rounding that crosses a kink multiplies: the losses of the first
/// two steps differ by 3e-5, the parameters after the third by a hundredth.
fn f32_on(device: Device) -> Place {
    Place { device, dtype: DType::F32, tolerance: 1e-5, floor: 2e-5 }
}

/// Loss values of an episode, of six, that f32 can be held to, and how near.
const F32_EPISODES: (usize, f64) = (4, 1e-4);

fn samples(tags: &[String], Place { device, dtype, .. }: &Place) -> Samples {
    let parts: Vec<_> = tags
        .iter()
        .map(|tag| {
            let shape = [2, 64, 64];
            (golden::image(tag, shape, device, *dtype), golden::labels(tag, shape))
        })
        .collect();
    let image = burn::tensor::Tensor::cat(parts.iter().map(|part| part.0.clone()).collect(), 0);
    let mut labels = parts[0].1.clone();
    for (_, more) in &parts[1..] {
        labels.batch += more.batch;
        labels.train_ids.extend(&more.train_ids);
    }
    Samples::new(image, labels, 19)
}

fn train_three_steps(
    network: &Network,
    method: &Method,
    place: &Place,
) -> (State, Vec<StepReport>) {
    let Place { device, dtype, .. } = place;
    let mut state = State::new(network, 0, device, *dtype);
    state.parameters = golden::parameters(&network.layout, device, *dtype);
    state.statistics = golden::statistics(&network.layout, device, *dtype);
    state.memory = network.config.memory.then(|| golden::memory(16, device, *dtype));
    let schedule = Schedule {
        learning_rate: 0.01,
        decay: Decay::Exponential { gamma: 9.0, steps: 120_000 },
        warmup_steps: 0,
        inner_ratio: 0.25,
        inner_warmup_steps: 0,
        first_inner_rate: Some(0.001),
    };
    let mut reports = Vec::new();
    for step in 0..3 {
        let settings = StepSettings {
            learning_rate: schedule.outer(step),
            inner_rate: schedule.inner(step),
            sgd: SgdSettings { momentum: 0.9, weight_decay: 5e-4, clip_gradient_norm: 0.0 },
            dropout: 0.0,
            seed: 0,
            gradient_checkpointing: false,
        };
        let [a, b] = ["A", "B"].map(|domain| format!("{domain}{step}"));
        let (next, report) = match method.algorithm {
            Algorithm::Aggregated => {
                aggregated_step(network, &state, &samples(&[a, b], place), (method, settings))
            }
            Algorithm::Episodic => {
                // The splits of the goldens: A|B, B|A, A|B.
                let (train, test) = if step == 1 { (b, a) } else { (a, b) };
                let episode = (&samples(&[train], place), &samples(&[test], place));
                episodic_step(network, &state, episode, (method, settings))
            }
        };
        state = next;
        reports.push(report);
    }
    (state, reports)
}

fn check(name: &str, algorithm: Algorithm, memory: bool, place: &Place) {
    let Place { tolerance, floor, .. } = *place;
    let json = &golden::json("multi_iter_tiny_f64.json")[name];
    let file = GoldenFile::read("multi_iter_tiny_f64.safetensors");
    let network = tiny(memory);
    let method = Method { algorithm, read: ReadWeights::Softmax, ..Method::released() };
    let (state, reports) = train_three_steps(&network, &method, place);

    let calls = json["losses_in_call_order"].as_array().expect("a list");
    let passes: Vec<_> = reports
        .iter()
        .flat_map(|report| [Some(&report.inner), report.outer.as_ref()])
        .flatten()
        .collect();
    assert_eq!(passes.len(), calls.len());
    let rounds_much = place.dtype == DType::F32 && algorithm == Algorithm::Episodic;
    let (compared, loss_tolerance) =
        if rounds_much { F32_EPISODES } else { (calls.len(), tolerance) };
    for (index, (pass, expected)) in passes.iter().zip(calls).enumerate().take(compared) {
        for (loss, key) in [("total", "total"), ("segmentation", "seg"), ("auxiliary", "aux")] {
            let (_, got) = pass.losses.iter().find(|(name, _)| *name == loss).expect("a loss");
            let expected = expected[key].as_f64().expect("a number");
            assert_close(
                &format!("{name} call {index} {loss}"),
                &values(got),
                &[expected],
                loss_tolerance,
            );
        }
    }

    if rounds_much {
        return;
    }

    let names = json["param_names"].as_array().expect("a list");
    assert_eq!(names.len(), network.layout.parameters.len());
    for (parameter, expected) in names.iter().zip(json["params_ck"].as_array().expect("a list")) {
        let key = parameter.as_str().expect("a name");
        let got = golden::checksum(&values(&state.parameters[network.layout.parameter(key)]));
        let expected: Vec<f64> = serde_json::from_value(expected.clone()).expect("a checksum");
        assert_close_above(&format!("{name} {key}"), &got, &expected, (tolerance, floor));
    }
    let buffers = json["buffers_ck"].as_object().expect("an object");
    for (layer, (layer_name, _)) in network.layout.batch_norms.iter().enumerate() {
        let running = &state.statistics[layer];
        for (kind, got) in [("running_mean", &running.mean), ("running_var", &running.variance)] {
            let key = format!("{layer_name}.{kind}");
            let expected: Vec<f64> =
                serde_json::from_value(buffers[&key].clone()).expect("a checksum");
            let got = golden::checksum(&values(got));
            assert_close_above(&format!("{name} {key}"), &got, &expected, (tolerance, floor));
        }
    }
    if let Some(memory) = &state.memory {
        let expected = &file.get(&format!("{name}.memory")).values;
        assert_close(&format!("{name} memory"), &values(memory), expected, tolerance);
    }
}

fn check_every_loop(place: &Place) {
    for (name, algorithm, memory) in [
        ("train_memory_mldg", Algorithm::Episodic, true),
        ("train_mldg", Algorithm::Episodic, false),
        ("train_agg", Algorithm::Aggregated, false),
        ("train_memory_agg", Algorithm::Aggregated, true),
    ] {
        check(name, algorithm, memory, place);
    }
}

#[test]
fn three_steps_of_each_loop_in_f64_equal_the_references() {
    check_every_loop(&cpu_f64());
}

#[test]
fn three_aggregated_steps_and_the_losses_of_two_episodes_in_f32_equal_the_references() {
    check_every_loop(&f32_on(Device::flex()));
}

#[test]
fn three_aggregated_steps_and_the_losses_of_two_episodes_on_software_vulkan_equal_the_references() {
    let opened = kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}"));
    check_every_loop(&f32_on(opened.device));
}
