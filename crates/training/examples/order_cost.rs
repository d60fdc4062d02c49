//! What the exact second-order term costs: CPU seconds and peak memory of one training step.
//!
//!     cargo run --release --example order_cost -- [WIDTH_DIVISOR [CROP [IMAGES [ROUNDS]]]]
//!
//! DeepLabV3+ on ResNet-50 with its memory, on the CPU, two domains with IMAGES crops each. Every
//! variant runs in a process of its own, in turn, ROUNDS times; the least CPU time counts, since
//! other programs only add to it. Needs Linux, which says what a process took.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::expect_used, reason = "a benchmark stops at the first error")]

use std::env;
use std::fs;
use std::process::Command;

use burn::tensor::{DType, Device, Distribution, Tensor};
use models::labels::LabelBatch;
use models::network::{Network, NetworkConfig};
use models::random::Stream;
use training::method::{Method, Order};
use training::objective::Samples;
use training::optimizer::SgdSettings;
use training::state::State;
use training::step::{StepSettings, aggregated_step, episodic_step};

/// Steps of one process; the first warms up and is not counted.
const STEPS: usize = 3;
/// Clock ticks of `/proc/self/stat`, which Linux fixes for programs at 100 a second.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy)]
enum Variant {
    Aggregated,
    FirstOrder,
    SecondOrder,
    SecondOrderCheckpointed,
}

impl Variant {
    const ALL: [Self; 4] =
        [Self::FirstOrder, Self::SecondOrder, Self::SecondOrderCheckpointed, Self::Aggregated];

    fn name(self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated",
            Self::FirstOrder => "first order",
            Self::SecondOrder => "second order",
            Self::SecondOrderCheckpointed => "second order, gradient checkpointing",
        }
    }
}

/// Sizes of the measured step.
struct Sizes {
    width_divisor: usize,
    crop: usize,
    images: usize,
    rounds: usize,
}

fn main() {
    let numbers: Vec<usize> =
        env::args().skip(1).map(|text| text.parse().expect("whole numbers")).collect();
    let at = |index: usize, otherwise| numbers.get(index).copied().unwrap_or(otherwise);
    let sizes =
        Sizes { width_divisor: at(0, 1), crop: at(1, 96), images: at(2, 2), rounds: at(3, 3) };
    match env::var("ORDER_COST_VARIANT") {
        Ok(variant) => {
            let variant: usize = variant.parse().expect("a place in the list");
            let (seconds, mebibytes) = measure(Variant::ALL[variant], &sizes);
            println!("{seconds} {mebibytes}");
        }
        Err(_) => compare(&sizes),
    }
}

fn compare(sizes: &Sizes) {
    let mut best = [(f64::INFINITY, 0.0f64); Variant::ALL.len()];
    for _ in 0..sizes.rounds {
        for (index, best) in best.iter_mut().enumerate() {
            let output = Command::new(env::current_exe().expect("this program"))
                .args([sizes.width_divisor, sizes.crop, sizes.images].map(|x| x.to_string()))
                .env("ORDER_COST_VARIANT", index.to_string())
                .output()
                .expect("this program starts");
            let text = String::from_utf8_lossy(&output.stdout);
            let mut numbers = text.split_whitespace().map(|x| x.parse::<f64>().expect("a number"));
            let mut next = || numbers.next().unwrap_or_else(|| panic!("{output:?}"));
            *best = (best.0.min(next()), best.1.max(next()));
        }
    }
    let first = best[0].0;
    println!(
        "width 1/{}, crop {}, 2 domains x {} images, {} rounds\n\n\
         | step | CPU seconds | ratio to first order | peak resident MiB |\n|---|---|---|---|",
        sizes.width_divisor, sizes.crop, sizes.images, sizes.rounds
    );
    for (variant, (seconds, mebibytes)) in Variant::ALL.iter().zip(best) {
        let ratio = seconds / first;
        println!("| {} | {seconds:.2} | {ratio:.2} | {mebibytes:.0} |", variant.name());
    }
}

/// CPU seconds of a step and the process's largest resident set, in MiB.
fn measure(variant: Variant, sizes: &Sizes) -> (f64, f64) {
    let device = Device::flex();
    let full = NetworkConfig::deeplab_v3_plus_resnet50(19, true);
    let network = Network::new(NetworkConfig { width_divisor: sizes.width_divisor, ..full });
    let parameters = network.layout.init_parameters(7, &device, DType::F32);
    let channels = 256 / sizes.width_divisor;
    let slots = Tensor::<2>::random([19, channels], Distribution::Uniform(0.0, 1.0), &device);
    let mut state = State {
        step: 0,
        momentum: parameters.iter().map(Tensor::zeros_like).collect(),
        parameters,
        statistics: network.layout.init_statistics(&device, DType::F32),
        memory: Some(slots),
        memory_history: None,
        sensitive_pairs: None,
        empty_batches: 0,
    };
    let order = match variant {
        Variant::SecondOrder | Variant::SecondOrderCheckpointed => Order::Second,
        _ => Order::First,
    };
    let method = Method { order, ..Method::released() };
    let settings = StepSettings {
        learning_rate: 0.01,
        inner_rate: 0.0025,
        sgd: SgdSettings { momentum: 0.9, weight_decay: 5e-4, clip_gradient_norm: 1.0 },
        dropout: 0.1,
        seed: 7,
        gradient_checkpointing: matches!(variant, Variant::SecondOrderCheckpointed),
    };
    let samples = |name, images| samples(name, [images, sizes.crop, sizes.crop], &device);
    let mut begun = 0.0;
    for step in 0..STEPS {
        if step == 1 {
            begun = cpu_seconds();
        }
        let next = match variant {
            Variant::Aggregated => {
                let both = samples("both", 2 * sizes.images);
                aggregated_step(&network, &state, &both, (&method, settings)).0
            }
            _ => {
                let (train, test) = (samples("train", sizes.images), samples("test", sizes.images));
                episodic_step(&network, &state, (&train, &test), (&method, settings)).0
            }
        };
        state = next;
    }
    ((cpu_seconds() - begun) / (STEPS - 1) as f64, status_mebibytes("VmHWM:"))
}

/// Random images with labels in blocks of 16 pixels.
fn samples(name: &str, [batch, height, width]: [usize; 3], device: &Device) -> Samples {
    let shape = [batch, 3, height, width];
    let image = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), device);
    let stream = Stream::named(name);
    let train_ids = (0..batch * height * width)
        .map(|pixel| {
            let (row, column) = (pixel / width, pixel % width);
            (stream.uniform((row / 16 * width + column / 16) as u64) * 19.0) as u8
        })
        .collect();
    Samples::new(image, LabelBatch { batch, height, width, train_ids }, 19)
}

/// User and system time of the process.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("Linux has this file");
    // Behind the name, which may hold blanks, state is the first field: these are 14 and 15 of all.
    let (_, fields) = text.rsplit_once(')').expect("the name is in parentheses");
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|x| x.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

fn status_mebibytes(key: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").expect("Linux has this file");
    let line = text.lines().find(|line| line.starts_with(key)).expect("Linux counts this");
    let kibibytes: f64 =
        line.split_whitespace().nth(1).and_then(|x| x.parse().ok()).expect("a number");
    kibibytes / 1024.0
}
