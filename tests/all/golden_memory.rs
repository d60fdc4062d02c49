//! The memory's read, write, losses and gradients equal the reference's in all seven cases.

use burn::tensor::{DType, Device, Tensor};
use models::labels::LabelBatch;
use models::layout::tensor_from;
use models::memory::{self, Noise, Read, ReadOptions, SlotSum, WriteOptions};
use models::mode::{BatchStatistics, MemoryDivergenceOf, Plain};
use models::network::{Network, NetworkConfig};
use models::pass::{Normalization, Pass, updated_statistics};
use training::losses;
use training::method::EmptyBatch;

use crate::golden::{GoldenFile, assert_close, values};

const PARAMETERS: [&str; 8] = [
    "output.0.weight",
    "output.1.weight",
    "output.1.bias",
    "writenet.writefeat.0.weight",
    "writenet.writefeat.1.weight",
    "writenet.writefeat.1.bias",
    "clsfier.weight",
    "clsfier.bias",
];

/// One case of the file, on one device.
struct Case<'a> {
    file: &'a GoldenFile,
    name: &'a str,
    network: Network,
    feature: Tensor<4>,
    memory: Tensor<2>,
    labels: LabelBatch,
    leaves: Vec<Tensor<1>>,
    statistics: Vec<BatchStatistics>,
    device: Device,
    dtype: DType,
    tolerance: f64,
}

impl<'a> Case<'a> {
    fn new(
        file: &'a GoldenFile,
        name: &'a str,
        (device, dtype): (&Device, DType),
        tolerance: f64,
    ) -> Self {
        let input = |key: &str| file.get(&format!("{}.in.{key}", name));
        let channels = input("F").shape[1];
        // Only the memory's part of the layout is used; the width follows from the case.
        let config = NetworkConfig {
            width_divisor: 256 / channels,
            blocks: Some([1; 4]),
            ..NetworkConfig::deeplab_v3_plus_resnet50(19, true)
        };
        let network = Network::new(config);
        let stored = |key: &str| file.find(&format!("{}.param.{key}", name));
        let leaves = network
            .layout
            .parameters
            .iter()
            .map(|spec| {
                let found = spec.name.strip_prefix("memory.").and_then(stored);
                let values =
                    found.map_or_else(|| vec![0.0; spec.len()], |golden| golden.values.clone());
                tensor_from(&values, device, dtype).autodiff().require_grad()
            })
            .collect();
        let mut statistics = network.layout.init_statistics(device, dtype);
        for (layer, (name, _)) in network.layout.batch_norms.iter().enumerate() {
            if let Some(name) = name.strip_prefix("memory.") {
                let running = |key: &str| {
                    let golden = stored(&format!("{name}.{key}")).expect("running statistics");
                    golden.tensor(device, dtype)
                };
                statistics[layer] = BatchStatistics {
                    mean: running("running_mean"),
                    variance: running("running_var"),
                };
            }
        }
        Self {
            feature: input("F").tensor::<4>(device, dtype).autodiff().require_grad(),
            memory: input("M").tensor::<2>(device, dtype),
            labels: input("labels").labels(),
            network,
            leaves,
            statistics,
            file,
            name,
            device: device.clone(),
            dtype,
            tolerance,
        }
    }

    fn pass(&self, normalization: Normalization) -> Pass<'_, Plain> {
        Pass::new(&self.network.layout, self.leaves.clone(), &self.statistics, normalization)
    }

    fn check(&self, key: &str, got: &[f64]) {
        let key = format!("{}.{key}", self.name);
        let golden = self.file.get(&key);
        assert_close(&key, got, &golden.values, self.tolerance);
    }

    fn check_if_stored(&self, key: &str, got: &[f64]) {
        if self.file.find(&format!("{}.{key}", self.name)).is_some() {
            self.check(key, got);
        }
    }

    fn input<const D: usize>(&self, key: &str) -> Tensor<D> {
        let key = format!("{}.in.{key}", self.name);
        self.file.get(&key).tensor(&self.device, self.dtype)
    }

    fn read(&self, pass: &mut Pass<'_, Plain>, memory: Tensor<2>) -> Read<Plain> {
        let noise = match self.name {
            "G" => Noise::Given(self.input("gumbel_memory")),
            _ => Noise::None,
        };
        let options = ReadOptions { temperature: 1.0, noise };
        memory::read(pass, self.feature.clone(), memory, &options)
    }

    fn write(&self, pass: &mut Pass<'_, Plain>) -> Tensor<2> {
        let labels = self.labels.maps(&self.device);
        let feature = self.feature.clone();
        memory::write(pass, feature, &self.memory, &labels, WriteOptions::RELEASED)
    }

    fn cohesion(&self, read: &Read<Plain>) -> Tensor<1> {
        let targets = self.labels.targets(19, &self.device);
        let scores = read.scores.clone();
        losses::cohesion::<Plain>(scores, &targets, EmptyBatch::Nan)
    }

    fn parameter_gradients(&self, prefix: &str, loss: &Tensor<1>) -> Option<Tensor<4>> {
        let gradients = loss.backward();
        for name in PARAMETERS {
            let index = self.network.layout.parameter(&format!("memory.{name}"));
            let leaf = &self.leaves[index];
            let gradient = leaf.grad(&gradients).unwrap_or_else(|| leaf.clone().zeros_like());
            self.check_if_stored(&format!("{prefix}.{name}"), &values(&gradient));
        }
        self.feature.grad(&gradients)
    }

    fn check_write(&self) {
        let mut pass = self.pass(Normalization::Batch);
        let read = self.read(&mut pass, self.memory.clone());
        let cohesion = self.cohesion(&read);
        let written = self.write(&mut pass);
        let MemoryDivergenceOf { divergence, classification } =
            memory::slot_losses::<Plain>(&pass, written.clone(), SlotSum::Mean);
        let total = (read.feature.clone() * self.input::<4>("cR")).sum()
            + cohesion.clone().mul_scalar(0.02)
            + divergence.clone().mul_scalar(0.4)
            + classification.clone().mul_scalar(0.2);
        for (key, got) in [
            ("write.R", values(&read.feature)),
            ("write.W", values(&memory::to_rows::<Plain>(read.weights.clone()))),
            ("write.M_new", values(&written)),
            ("write.L_coh", values(&cohesion)),
            ("write.L_div", values(&divergence)),
            ("write.L_cls", values(&classification)),
            ("write.L_total", values(&total)),
        ] {
            self.check(key, &got);
        }
        let after = updated_statistics(&self.statistics, &pass.observed);
        for (layer, (name, _)) in self.network.layout.batch_norms.iter().enumerate() {
            if let Some(name) = name.strip_prefix("memory.") {
                let check = |key: &str, got: &Tensor<1>| {
                    self.check(&format!("write.after.{name}.{key}"), &values(got));
                };
                check("running_mean", &after[layer].mean);
                check("running_var", &after[layer].variance);
            }
        }
        let gradient = self.parameter_gradients("write.grad", &total);
        self.check("write.grad.F", &values(&gradient.expect("F is in the graph")));
    }

    fn check_single_losses(&self) {
        type Loss = fn(&Case<'_>) -> Tensor<1>;
        let losses: [(&str, Loss); 3] = [
            ("coh", |case| {
                let read = case.read(&mut case.pass(Normalization::Batch), case.memory.clone());
                case.cohesion(&read)
            }),
            ("div", |case| {
                let mut pass = case.pass(Normalization::Batch);
                let written = case.write(&mut pass);
                memory::slot_losses::<Plain>(&pass, written, SlotSum::Mean).divergence
            }),
            ("cls", |case| {
                let mut pass = case.pass(Normalization::Batch);
                let written = case.write(&mut pass);
                memory::slot_losses::<Plain>(&pass, written, SlotSum::Mean).classification
            }),
        ];
        for (name, loss) in losses {
            let gradients = loss(self).backward();
            let gradient = self.feature.grad(&gradients);
            let gradient = gradient.unwrap_or_else(|| self.feature.clone().zeros_like());
            self.check_if_stored(&format!("write.dF.{name}"), &values(&gradient));
        }
    }

    fn check_update_vjp(&self) {
        if self.name == "I" {
            // Without a labelled pixel the write does not depend on the features.
            return;
        }
        let written = self.write(&mut self.pass(Normalization::Batch));
        let loss = (written * self.input::<2>("cM")).sum();
        let gradient = self.parameter_gradients("update_vjp", &loss);
        self.check("update_vjp.F", &values(&gradient.expect("F is in the graph")));
    }

    fn check_read(&self) {
        let slots = self.memory.clone().autodiff().require_grad();
        let mut pass = self.pass(Normalization::Batch);
        let read = self.read(&mut pass, slots.clone());
        let cohesion = self.cohesion(&read);
        let total = (read.feature.clone() * self.input::<4>("cR")).sum()
            + cohesion.clone().mul_scalar(0.02);
        self.check("read.R", &values(&read.feature));
        self.check("read.L_coh", &values(&cohesion));
        self.check("read.L_total", &values(&total));
        let gradients = total.backward();
        self.check("read.grad.M", &values(&slots.grad(&gradients).expect("M is in the graph")));
        let gradient = self.feature.grad(&gradients).expect("F is in the graph");
        self.check("read.grad.F", &values(&gradient));
        for name in &PARAMETERS[..3] {
            let leaf = &self.leaves[self.network.layout.parameter(&format!("memory.{name}"))];
            let gradient = leaf.grad(&gradients).expect("the read convolution is in the graph");
            self.check(&format!("read.grad.{name}"), &values(&gradient));
        }
    }

    fn check_eval(&self) {
        let mut pass = self.pass(Normalization::Running);
        let read = self.read(&mut pass, self.memory.clone());
        let cohesion = self.cohesion(&read);
        let written = self.write(&mut pass);
        self.check("eval.R", &values(&read.feature));
        self.check("eval.W", &values(&memory::to_rows::<Plain>(read.weights.clone())));
        self.check("eval.M_new", &values(&written));
        self.check("eval.L_coh", &values(&cohesion));
    }
}

fn check_all(place: (&Device, DType), tolerance: f64) {
    let file = GoldenFile::read("memory_f64.safetensors");
    for name in ["A", "B", "C", "D", "I", "G", "V"] {
        let case = Case::new(&file, name, place, tolerance);
        case.check_single_losses();
        case.check_write();
        case.check_update_vjp();
        case.check_read();
        case.check_eval();
    }
}

#[test]
fn memory_in_f64_equals_the_reference() {
    // Sums of at most a few thousand terms, on both sides in f64: 1e-14 is seen.
    check_all((&Device::flex(), DType::F64), 1e-12);
}

#[test]
fn memory_in_f32_equals_the_reference() {
    // The reference's own f32 run differs from its f64 run by 3e-6 of a tensor's maximum; the
    // sums here run in another order: 7e-6 is seen in L_total, which cancels terms of both signs.
    check_all((&Device::flex(), DType::F32), 1e-5);
}

#[test]
fn memory_on_software_vulkan_equals_the_reference() {
    // As on the CPU, through the shaders of read, write, divergence losses and cross entropy.
    let opened = kernels::device::software_vulkan().unwrap_or_else(|error| panic!("{error}"));
    check_all((&opened.device, DType::F32), 1e-5);
}
