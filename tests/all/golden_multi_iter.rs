//! Three steps of each of the authors' four training loops: momentum, decay, rates and memory carry
//! over from step to step as theirs do.

use burn::tensor::{DType, Device};
use models::network::Network;
use serde_json::Value;
use training::method::{Algorithm, Method, ReadWeights};
use training::objective::Samples;
use training::recipe::Recipe;
use training::state::State;
use training::step::{PassReport, StepReport, StepSettings, aggregated_step, episodic_step};

use crate::golden::{self, GoldenFile, assert_close, assert_close_above, values};
use crate::golden_forward::tiny;
use crate::toy::project;

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

/// The recipe of the authors' training, whose rates, optimiser and method the loops take.
fn released() -> Recipe {
    let path = project().join("recipes/released.toml");
    Recipe::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn method(algorithm: Algorithm) -> Method {
    // Ran without Gumbel noise.
    Method { algorithm, read: ReadWeights::Softmax, ..released().method }
}

/// Three steps, each with the state that it gave.
fn train_three_steps(
    network: &Network,
    method: &Method,
    place: &Place,
) -> Vec<(State, StepReport)> {
    let Place { device, dtype, .. } = place;
    let mut state = State::new(network, 0, device, *dtype);
    state.parameters = golden::parameters(&network.layout, device, *dtype);
    state.statistics = golden::statistics(&network.layout, device, *dtype);
    state.memory = network.config.memory.then(|| golden::memory(16, device, *dtype));
    let Recipe { schedule, optimizer, .. } = released();
    let mut steps = Vec::new();
    for step in 0..3 {
        let settings = StepSettings {
            learning_rate: schedule.outer(step),
            inner_rate: schedule.inner(step),
            sgd: optimizer,
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
        state = next.clone();
        steps.push((next, report));
    }
    steps
}

/// Our name of each loss, and the reference's.
const LOSSES: [(&str, &str); 6] = [
    ("total", "total"),
    ("segmentation", "seg"),
    ("auxiliary", "aux"),
    ("cohesion", "coh"),
    ("divergence", "div"),
    ("classification", "cls"),
];

/// The losses of passes, in their order, against the reference's.
fn check_losses(name: &str, passes: &[&PassReport], calls: &[Value], tolerance: f64) {
    for (index, (pass, expected)) in passes.iter().zip(calls).enumerate() {
        for (loss, key) in LOSSES {
            let what = format!("{name} call {index} {loss}");
            let got = pass.losses.iter().find(|(name, _)| *name == loss);
            match (got, expected.get(key).map(|loss| loss.as_f64().expect("a number"))) {
                (Some((_, got)), Some(expected)) => {
                    assert_close(&what, &values(got), &[expected], tolerance);
                }
                // The reference reports losses of the memory that it did not compute as zeros.
                (None, Some(0.0) | None) => {}
                (got, expected) => panic!("{what}: {got:?}, expected {expected:?}"),
            }
        }
    }
}

/// The rates of the recipe against those that the reference trained with.
fn check_rates(calls: &[Value], algorithm: Algorithm) {
    let schedule = released().schedule;
    let passes = calls.len() as u64 / 3;
    for (call, expected) in (0..).zip(calls) {
        let rate = |key: &str| expected[key].as_f64().expect("a rate");
        let step = call / passes;
        // One rounding each of another exponential and of two products.
        assert_close("rate", &[schedule.outer(step)], &[rate("lr")], 1e-15);
        if algorithm == Algorithm::Episodic {
            assert_close("inner rate", &[schedule.inner(step)], &[rate("inner_lr")], 1e-15);
        }
    }
}

fn check(name: &str, algorithm: Algorithm, memory: bool, place: &Place) {
    let Place { tolerance, floor, .. } = *place;
    let json = &golden::json("multi_iter_tiny_f64.json")[name];
    let file = GoldenFile::read("multi_iter_tiny_f64.safetensors");
    let network = tiny(memory);
    let steps = train_three_steps(&network, &method(algorithm), place);
    let (state, _) = steps.last().expect("three steps");

    let calls = json["losses_in_call_order"].as_array().expect("a list");
    let passes: Vec<_> = steps
        .iter()
        .flat_map(|(_, report)| [Some(&report.inner), report.outer.as_ref()])
        .flatten()
        .collect();
    assert_eq!(passes.len(), calls.len());
    check_rates(calls, algorithm);
    let rounds_much = place.dtype == DType::F32 && algorithm == Algorithm::Episodic;
    let (compared, loss_tolerance) =
        if rounds_much { F32_EPISODES } else { (calls.len(), tolerance) };
    check_losses(name, &passes[..compared], calls, loss_tolerance);

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

/// The authors' loops: name, algorithm, and whether there is a memory.
const LOOPS: [(&str, Algorithm, bool); 4] = [
    ("train_memory_mldg", Algorithm::Episodic, true),
    ("train_mldg", Algorithm::Episodic, false),
    ("train_agg", Algorithm::Aggregated, false),
    ("train_memory_agg", Algorithm::Aggregated, true),
];

fn check_every_loop(place: &Place) {
    for (name, algorithm, memory) in LOOPS {
        check(name, algorithm, memory, place);
    }
}

/// The state after steps in f32 against our own in f64, for as many steps of each loop as rounding
/// leaves small: the image-level branch of an episode normalises over two values, and in the last
/// step or two of its loops rounding crosses kinks, where gradients jump.
fn check_f32_state(device: Device) {
    for ((name, algorithm, memory), compared) in LOOPS.into_iter().zip([1, 2, 3, 3]) {
        let (network, method) = (tiny(memory), method(algorithm));
        let exact = train_three_steps(&network, &method, &cpu_f64());
        let rounded = train_three_steps(&network, &method, &f32_on(device.clone()));
        for (step, (exact, rounded)) in exact.iter().zip(&rounded).enumerate().take(compared) {
            let parts = state_parts(&network, &exact.0).into_iter();
            for ((part, exact), (_, rounded)) in parts.zip(state_parts(&network, &rounded.0)) {
                let what = format!("{name} step {step}: {part}");
                assert_close(&what, &rounded, &exact, F32_STATE);
            }
        }
    }
}

/// A thousand roundings of 2^-24, the conditioning of a step; 1.5e-5 was the most that was seen.
const F32_STATE: f64 = 6e-5;

/// Parameters, running statistics and memory, by name.
fn state_parts(network: &Network, state: &State) -> Vec<(String, Vec<f64>)> {
    let layout = &network.layout;
    let names = layout.parameters.iter().map(|spec| spec.name.clone());
    let mut parts: Vec<_> = names.zip(state.parameters.iter().map(values)).collect();
    for ((name, _), running) in layout.batch_norms.iter().zip(&state.statistics) {
        parts.push((format!("mean of {name}"), values(&running.mean)));
        parts.push((format!("variance of {name}"), values(&running.variance)));
    }
    parts.extend(state.memory.iter().map(|memory| ("memory".to_owned(), values(memory))));
    parts
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

#[test]
fn the_state_in_f32_stays_near_our_own_in_f64_as_long_as_rounding_stays_small() {
    check_f32_state(Device::flex());
}

#[test]
fn the_state_on_software_vulkan_stays_near_our_own_in_f64_as_long_as_rounding_stays_small() {
    let opened = kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}"));
    check_f32_state(opened.device);
}
