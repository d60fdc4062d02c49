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

/// f64 on both sides; each step multiplies rounding by its conditioning, about a thousand.
const TOLERANCE: f64 = 1e-9;

fn samples(tags: &[String], device: &Device) -> Samples {
    let parts: Vec<_> = tags
        .iter()
        .map(|tag| {
            let shape = [2, 64, 64];
            (golden::image(tag, shape, device, DType::F64), golden::labels(tag, shape))
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
    device: &Device,
) -> (State, Vec<StepReport>) {
    let mut state = State::new(network, 0, device, DType::F64);
    state.parameters = golden::parameters(&network.layout, device, DType::F64);
    state.statistics = golden::statistics(&network.layout, device, DType::F64);
    state.memory = network.config.memory.then(|| golden::memory(16, device, DType::F64));
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
                aggregated_step(network, &state, &samples(&[a, b], device), (method, settings))
            }
            Algorithm::Episodic => {
                // The splits of the goldens: A|B, B|A, A|B.
                let (train, test) = if step == 1 { (b, a) } else { (a, b) };
                let episode = (&samples(&[train], device), &samples(&[test], device));
                episodic_step(network, &state, episode, (method, settings))
            }
        };
        state = next;
        reports.push(report);
    }
    (state, reports)
}

fn check(name: &str, algorithm: Algorithm, memory: bool) {
    let json = &golden::json("multi_iter_tiny_f64.json")[name];
    let file = GoldenFile::read("multi_iter_tiny_f64.safetensors");
    let device = Device::flex();
    let network = tiny(memory);
    let method = Method { algorithm, read: ReadWeights::Softmax, ..Method::released() };
    let (state, reports) = train_three_steps(&network, &method, &device);

    let calls = json["losses_in_call_order"].as_array().expect("a list");
    let passes: Vec<_> = reports
        .iter()
        .flat_map(|report| [Some(&report.inner), report.outer.as_ref()])
        .flatten()
        .collect();
    assert_eq!(passes.len(), calls.len());
    for (index, (pass, expected)) in passes.iter().zip(calls).enumerate() {
        for (loss, key) in [("total", "total"), ("segmentation", "seg"), ("auxiliary", "aux")] {
            let (_, got) = pass.losses.iter().find(|(name, _)| *name == loss).expect("a loss");
            let expected = expected[key].as_f64().expect("a number");
            assert_close(
                &format!("{name} call {index} {loss}"),
                &values(got),
                &[expected],
                TOLERANCE,
            );
        }
    }

    let names = json["param_names"].as_array().expect("a list");
    assert_eq!(names.len(), network.layout.parameters.len());
    for (parameter, expected) in names.iter().zip(json["params_ck"].as_array().expect("a list")) {
        let key = parameter.as_str().expect("a name");
        let got = golden::checksum(&values(&state.parameters[network.layout.parameter(key)]));
        let expected: Vec<f64> = serde_json::from_value(expected.clone()).expect("a checksum");
        assert_close_above(&format!("{name} {key}"), &got, &expected, (TOLERANCE, 1e-10));
    }
    let buffers = json["buffers_ck"].as_object().expect("an object");
    for (layer, (layer_name, _)) in network.layout.batch_norms.iter().enumerate() {
        let running = &state.statistics[layer];
        for (kind, got) in [("running_mean", &running.mean), ("running_var", &running.variance)] {
            let key = format!("{layer_name}.{kind}");
            let expected: Vec<f64> =
                serde_json::from_value(buffers[&key].clone()).expect("a checksum");
            let got = golden::checksum(&values(got));
            assert_close_above(&format!("{name} {key}"), &got, &expected, (TOLERANCE, 1e-10));
        }
    }
    if let Some(memory) = &state.memory {
        let expected = &file.get(&format!("{name}.memory")).values;
        assert_close(&format!("{name} memory"), &values(memory), expected, TOLERANCE);
    }
}

#[test]
fn three_steps_of_pin_the_memory_equal_the_references() {
    check("train_memory_mldg", Algorithm::Episodic, true);
}

#[test]
fn three_steps_of_mldg_equal_the_references() {
    check("train_mldg", Algorithm::Episodic, false);
}

#[test]
fn three_steps_of_the_aggregated_baseline_equal_the_references() {
    check("train_agg", Algorithm::Aggregated, false);
}

#[test]
fn three_steps_of_the_memory_without_episodes_equal_the_references() {
    check("train_memory_agg", Algorithm::Aggregated, true);
}
