//! Prints how long the memory's operations take on a device, ours beside plain Burn, and what share
//! of the device's copy bandwidth they reach.
//!
//! Run: `cargo run --release --example memory_rate -- [DEVICE] [BATCH] [CROP] [CHANNELS]
//! [CLASSES]`, where DEVICE is one of the words that `train` takes (`auto` unless given; `gpu:0` is
//! the software adapter on a machine without a GPU), labels are [BATCH, CROP, CROP] and features
//! [BATCH, CHANNELS, CROP / 16, CROP / 16]; 8, 768, 256 and 19 unless given.
//!
//! The copied buffer holds 128 MiB, as in `loss_rate`, and its bytes count twice, read and written.
//! An operation's bytes are those of each tensor that it must read or write, once.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use kernels::{
    LabelMaps, LabelWeights, MemoryDivergence, MemoryRead, Noise, SlotSum, WriteRule,
    device::{DeviceChoice, open},
    memory_divergence, memory_divergence_plain, memory_read, memory_read_plain, memory_write,
    memory_write_plain,
};

const ROUNDS: usize = 9;

/// Launches that one timing spans, so that waiting for the device weighs little.
const REPEATS: usize = 8;

/// Floats of the buffer whose copy measures the bandwidth: 128 MiB, one binding of the software
/// driver.
const COPIED: usize = 32 << 20;

/// How a write moves slots in the released code.
const RULE: WriteRule =
    WriteRule { momentum: 0.8, normalize_slots: true, label_weights: LabelWeights::Soft };

/// Everything that the operations read.
struct Inputs {
    features: Tensor<4>,
    memory: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    labels: LabelMaps,
}

/// One operation: its name, the elements of 4 bytes and the bytes that must move, and one run of
/// ours and of plain Burn.
struct Row<'a> {
    name: &'static str,
    bytes: usize,
    ways: [Box<dyn Fn() + 'a>; 2],
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let choice: DeviceChoice = arguments.next().as_deref().unwrap_or("auto").parse().unwrap();
    let mut size = |otherwise| arguments.next().map_or(otherwise, |text| text.parse().unwrap());
    let [batch, crop, channels, classes] = [8, 768, 256, 19].map(&mut size);
    let opened = open(choice).unwrap();
    let device = opened.device;
    let side = crop / 16;
    println!(
        "{}; features [{batch}, {channels}, {side}, {side}], labels [{batch}, {crop}, {crop}], \
         {classes} classes; ms, least of {ROUNDS}",
        opened.description
    );
    let buffer = Tensor::<1>::zeros([COPIED], &device);
    let bytes = 2 * 4 * COPIED;
    // The buffer is shared, so the result is written elsewhere.
    let copy = || drop(buffer.clone().add_scalar(1.0));
    let [copied] = times(&device, &[&copy]);
    let bandwidth = bytes as f64 / copied / 1e6; // GB/s
    println!("copy: {copied:.3} ms for {:.2} MB, {bandwidth:.2} GB/s", bytes as f64 / 1e6);

    let heads = ["MB", "ours", "Burn", "ratio", "GB/s", "of copy"];
    println!("{:28}{}", "", heads.map(|head| format!("{head:>10}")).concat());
    let plain = inputs([batch, crop, channels, classes], &device);
    let tracked = inputs([batch, crop, channels, classes], &device.clone().autodiff());
    for row in rows(&plain, false).into_iter().chain(rows(&tracked, true)) {
        let [ours, burn] = &row.ways;
        let [ours, burn] = times(&device, &[ours, burn]);
        let rate = row.bytes as f64 / ours / 1e6;
        println!(
            "{:28}{:10.2}{ours:10.3}{burn:10.3}{:10.2}{rate:10.2}{:9.0}%",
            row.name,
            row.bytes as f64 / 1e6,
            burn / ours,
            100.0 * rate / bandwidth
        );
    }
}

fn inputs([batch, crop, channels, classes]: [usize; 4], device: &Device) -> Inputs {
    let side = crop / 16;
    let random = Distribution::Uniform(-1.0, 1.0);
    // Blocks of 24 x 48 pixels of one class, one in twenty ignored.
    let label = |at: usize| {
        let (row, column) = (at / crop, at % crop);
        let block = (row / 24) * 31 + column / 48;
        if block % 20 == 7 { 255 } else { (block * 7 % classes) as u8 }
    };
    let labels: Vec<u8> = (0..batch * crop * crop).map(label).collect();
    Inputs {
        features: Tensor::random([batch, channels, side, side], random, device),
        memory: Tensor::random([classes, channels], random, device),
        weight: Tensor::random([classes, channels], random, device),
        bias: Tensor::random([classes], random, device),
        labels: LabelMaps::new(&labels, [batch, crop, crop], device),
    }
}

/// The three operations, forward or, `with_gradients`, forward and backward.
fn rows(inputs: &Inputs, with_gradients: bool) -> Vec<Row<'_>> {
    let [batch, channels, height, width] = inputs.features.dims();
    let [classes, _] = inputs.memory.dims();
    let pixels = batch * height * width;
    let features = 4 * pixels * channels;
    let scores = 4 * pixels * classes;
    let slots = 4 * classes * channels;
    // The 1x1 convolution that comes next takes the joined channels as they lie in memory.
    let joined_shape = [batch, 2 * channels, height * width];
    let read = move |read: fn(Tensor<4>, Tensor<2>, Noise, f64) -> MemoryRead| {
        Box::new(move || {
            let (features, memory) =
                leaves(with_gradients, inputs.features.clone(), inputs.memory.clone());
            let MemoryRead { joined, scores, .. } =
                read(features.clone(), memory.clone(), Noise::None, 1.0);
            let joined = joined.reshape(joined_shape);
            if with_gradients {
                let gradients = (joined.sum() + scores.sum()).backward();
                drop((features.grad(&gradients).unwrap(), memory.grad(&gradients).unwrap()));
            }
        })
    };
    let write = |write: fn(Tensor<4>, &LabelMaps, Tensor<2>, WriteRule) -> Tensor<2>| {
        Box::new(move || {
            let (features, _) =
                leaves(with_gradients, inputs.features.clone(), inputs.memory.clone());
            let written = write(features.clone(), &inputs.labels, inputs.memory.clone(), RULE);
            if with_gradients {
                drop(features.grad(&(written.square().sum()).backward()).unwrap());
            }
        })
    };
    type Losses = fn(Tensor<2>, Tensor<2>, Tensor<1>, SlotSum) -> MemoryDivergence;
    let diverge = |losses: Losses| {
        Box::new(move || {
            let (memory, weight) =
                leaves(with_gradients, inputs.memory.clone(), inputs.weight.clone());
            let found = losses(memory.clone(), weight.clone(), inputs.bias.clone(), SlotSum::Mean);
            if with_gradients {
                let gradients = (found.divergence + found.classification).backward();
                drop((memory.grad(&gradients).unwrap(), weight.grad(&gradients).unwrap()));
            }
        })
    };
    // Backward: the features once more, the gradients that come and the ones that go.
    let (names, bytes) = if with_gradients {
        let names = ["read and gradients", "write and gradient", "divergence and gradients"];
        (names, [7 * features + 4 * scores, 3 * features, 5 * slots])
    } else {
        (["read", "write", "divergence"], [3 * features + 2 * scores, features, 2 * slots])
    };
    vec![
        Row {
            name: names[0],
            bytes: bytes[0],
            ways: [read(memory_read) as Box<dyn Fn()>, read(memory_read_plain)],
        },
        Row {
            name: names[1],
            bytes: bytes[1],
            ways: [write(memory_write) as Box<dyn Fn()>, write(memory_write_plain)],
        },
        Row {
            name: names[2],
            bytes: bytes[2],
            ways: [diverge(memory_divergence) as Box<dyn Fn()>, diverge(memory_divergence_plain)],
        },
    ]
}

/// Leaves of a graph of their own where gradients are wanted.
fn leaves<const D: usize, const E: usize>(
    with_gradients: bool,
    a: Tensor<D>,
    b: Tensor<E>,
) -> (Tensor<D>, Tensor<E>) {
    if with_gradients { (a.detach().require_grad(), b.detach().require_grad()) } else { (a, b) }
}

/// The least time of some rounds for each way, which take turns, in milliseconds per run.
fn times<const N: usize>(device: &Device, ways: &[&dyn Fn(); N]) -> [f64; N] {
    let run = |way: &dyn Fn()| {
        device.sync().unwrap();
        let begun = Instant::now();
        for _ in 0..REPEATS {
            way();
        }
        device.sync().unwrap();
        begun.elapsed().as_secs_f64() * 1e3 / REPEATS as f64
    };
    // The first round compiles the shaders.
    let rounds: Vec<[f64; N]> = (0..=ROUNDS).map(|_| ways.map(run)).skip(1).collect();
    std::array::from_fn(|way| rounds.iter().map(|round| round[way]).fold(f64::INFINITY, f64::min))
}
