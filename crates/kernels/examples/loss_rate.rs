//! Prints how long the upsampled cross entropy takes on a device, and what it keeps for its
//! backward pass, ours beside plain Burn; and how long predictions and their counts take.
//!
//! Run: `cargo run --release --example loss_rate -- [DEVICE] [BATCH] [SIDE]`, where
//! DEVICE is one of the words that `train` takes (`auto` unless given; `gpu:0` is the software
//! adapter on a machine without a GPU) and the labels are [BATCH, SIDE, SIDE]; 8 and 768 unless
//! given. Where Burn's logits at the labels' size are more than the device binds at once, its figures
//! are infinite; where the logits themselves are, there is no row.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::time::Instant;

use burn::tensor::{DType, Device, Distribution, Int, Tensor};
use kernels::{
    PixelIds, PixelLabels, add_confusion, binding_bytes,
    device::{DeviceChoice, open},
    upsampled_argmax, upsampled_argmax_plain, upsampled_cross_entropy,
    upsampled_cross_entropy_pair, upsampled_cross_entropy_pair_plain,
    upsampled_cross_entropy_plain,
};

const ROUNDS: usize = 5;

/// Floats of the buffer whose copy measures the bandwidth, at most: 128 MiB, one binding of the
/// software driver.
const COPIED: usize = 32 << 20;

const F32: f64 = 4.0;

/// One use of the loss: its name, classes, and label pixels per logit along an axis.
const USES: [(&str, usize, usize); 4] = [
    ("segmentation, 19 classes, 4x", 19, 4),
    ("cohesion, 19 classes, 16x", 19, 16),
    ("auxiliary, 19 classes, 1x", 19, 1),
    ("150 classes, 4x", 150, 4),
];

/// What is measured of one use.
#[derive(Clone, Copy)]
enum Task {
    Loss,
    Pair,
    Argmax,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let choice: DeviceChoice = arguments.next().as_deref().unwrap_or("auto").parse().unwrap();
    let mut size = |otherwise| arguments.next().map_or(otherwise, |text| text.parse().unwrap());
    let (batch, side) = (size(8), size(768));
    let opened = open(choice).unwrap();
    let device = &opened.device;
    let bandwidth = copy_bandwidth(device);
    println!(
        "{}; labels [{batch}, {side}, {side}], least of {ROUNDS}; a copy moves {:.2} GB/s",
        opened.description,
        bandwidth / 1e9
    );
    let heads = ["Burn ms", "ours ms", "ratio", "of copy", "Burn MB", "ours MB", "ratio"];
    println!("{:48}{}", "", heads.map(|head| format!("{head:>10}")).concat());
    for (name, classes, factor) in USES {
        // The auxiliary head's labels are of the size of its logits.
        let label_side = if factor == 1 { side / 16 } else { side };
        let sizes = Sizes { batch, classes, side: label_side / factor, label_side };
        let binding = binding_bytes(device).map_or(f64::INFINITY, |bytes| bytes as f64);
        if F32 * sizes.logits() > binding {
            println!("{name}: the logits are more than the device binds");
            continue;
        }
        let burn_fits = F32 * classes as f64 * sizes.pixels() <= binding;
        for (task, text) in [
            (Task::Loss, "loss and gradient"),
            (Task::Pair, "second order"),
            (Task::Argmax, "argmax"),
        ] {
            let ([burn, ours], kept) = measure(task, sizes, (device, burn_fits));
            let kept = kept.map_or_else(String::new, |[burn, ours]| {
                format!("{:10.2}{:10.2}{:10.1}", burn / 1e6, ours / 1e6, burn / ours)
            });
            println!(
                "{:48}{:10.2}{:10.2}{:10.2}{:10.3}{kept}",
                format!("{name}: {text}"),
                burn * 1e3,
                ours * 1e3,
                burn / ours,
                moved(task, sizes) / ours / bandwidth,
            );
        }
    }
    let [host, ours] = counting([batch, side, side], device);
    // The ids of truth and prediction, a byte each.
    let bytes = 2.0 * (batch * side * side) as f64;
    println!(
        "{:48}{:10.2}{:10.2}{:10.2}{:10.3}",
        "confusion counts, 20 classes (not Burn: host)",
        host * 1e3,
        ours * 1e3,
        host / ours,
        bytes / ours / bandwidth,
    );
}

/// The least time of some rounds, in seconds, to add a batch of predictions on the device to the
/// counts there, after bringing them to the host to count them and without.
fn counting(shape: [usize; 3], device: &Device) -> [f64; 2] {
    const CLASSES: usize = 20;
    let ids = |run: usize| -> Vec<u8> {
        (0..shape.iter().product()).map(|at| (at / run % CLASSES) as u8).collect()
    };
    let truth_ids = ids(7);
    let [truth, prediction] = [&truth_ids, &ids(5)].map(|ids| PixelIds::upload(ids, shape, device));
    let mut counts = Tensor::<2, Int>::zeros([CLASSES; 2], (device, DType::I32));
    let mut host_counts = vec![0_u64; CLASSES * CLASSES];
    let mut least = [f64::INFINITY; 2];
    // The first round compiles the shader.
    for round in 0..=ROUNDS {
        device.sync().unwrap();
        let begun = Instant::now();
        for (&truth, predicted) in truth_ids.iter().zip(prediction.clone().download()) {
            host_counts[usize::from(truth) * CLASSES + usize::from(predicted)] += 1;
        }
        let host = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        counts = add_confusion(counts, &truth, &prediction);
        device.sync().unwrap();
        let ours = begun.elapsed().as_secs_f64();
        if round > 0 {
            least = [least[0].min(host), least[1].min(ours)];
        }
    }
    let counts: Vec<i64> = counts.try_into_vec_as().unwrap();
    assert!(host_counts.iter().zip(counts).all(|(&host, ours)| host == ours as u64));
    least
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    classes: usize,
    /// Of the logits.
    side: usize,
    label_side: usize,
}

impl Sizes {
    fn logits(self) -> f64 {
        (self.batch * self.classes * self.side * self.side) as f64
    }

    fn pixels(self) -> f64 {
        (self.batch * self.label_side * self.label_side) as f64
    }
}

/// Bytes that the operation cannot but move: inputs and results once, and once more what the
/// backward pass reads again.
fn moved(task: Task, sizes: Sizes) -> f64 {
    let (logits, pixels) = (F32 * sizes.logits(), sizes.pixels());
    match task {
        // Logits and labels twice, the log sums written and read, the gradient.
        Task::Loss => 3.0 * logits + 2.0 * pixels + 2.0 * F32 * pixels,
        Task::Pair => 6.0 * logits + 2.0 * pixels + 4.0 * F32 * pixels,
        Task::Argmax => logits + pixels,
    }
}

/// The least time of some rounds with plain Burn and with ours, which take turns, in seconds, and
/// the bytes that each keeps from its forward pass for the backward one, where there is one.
fn measure(
    task: Task,
    sizes: Sizes,
    (device, burn_fits): (&Device, bool),
) -> ([f64; 2], Option<[f64; 2]>) {
    let Sizes { batch, classes, side, label_side } = sizes;
    let tracked = device.clone().autodiff();
    let random = || {
        let uniform = Distribution::Uniform(-4.0, 4.0);
        Tensor::<4>::random([batch, classes, side, side], uniform, &tracked)
    };
    let (logits, tangent) = (random(), random());
    let ids: Vec<u8> = (0..batch * label_side * label_side).map(|at| (at / 7 % 20) as u8).collect();
    let labels = PixelLabels::upload(&ids, [batch, label_side, label_side], device);
    let run = |is_ours: bool| {
        device.sync().unwrap();
        let begun = Instant::now();
        let (logits, tangent) = (logits.clone().require_grad(), tangent.clone().require_grad());
        match task {
            Task::Loss => {
                let gradients = loss_of(is_ours)(logits.clone(), &labels, None).backward();
                let gradient = logits.grad(&gradients).unwrap();
                device.sync().unwrap();
                drop(gradient);
            }
            Task::Pair => {
                let pair = pair_of(is_ours)(logits.clone(), tangent.clone(), &labels, None);
                let gradients = pair.1.backward();
                let found = (logits.grad(&gradients).unwrap(), tangent.grad(&gradients).unwrap());
                device.sync().unwrap();
                drop(found);
            }
            Task::Argmax => {
                let size = [label_side, label_side];
                let logits = logits.without_autodiff();
                let ids = match is_ours {
                    true => upsampled_argmax(logits, size),
                    false => upsampled_argmax_plain(logits, size),
                };
                // Plain Burn packs on the host: both are timed to their predictions there.
                drop(ids.download());
            }
        }
        begun.elapsed().as_secs_f64()
    };
    // The first round compiles the shaders.
    let burn = || if burn_fits { run(false) } else { f64::INFINITY };
    let rounds: Vec<_> = (0..=ROUNDS).map(|_| [burn(), run(true)]).skip(1).collect();
    let kept = [false, true].map(|is_ours| {
        if !is_ours && !burn_fits {
            return f64::INFINITY;
        }
        let (logits, tangent) = (logits.clone().require_grad(), tangent.clone().require_grad());
        let before = bytes_in_use(device);
        let output = match task {
            Task::Pair => pair_of(is_ours)(logits, tangent, &labels, None).1,
            Task::Loss | Task::Argmax => loss_of(is_ours)(logits, &labels, None),
        };
        let kept = bytes_in_use(device) - before;
        drop(output);
        kept
    });
    let times =
        [0, 1].map(|way| rounds.iter().map(|round| round[way]).fold(f64::INFINITY, f64::min));
    (times, (!matches!(task, Task::Argmax)).then_some(kept))
}

type Loss = fn(Tensor<4>, &PixelLabels, Option<&[f64]>) -> Tensor<1>;
type Pair = fn(Tensor<4>, Tensor<4>, &PixelLabels, Option<&[f64]>) -> (Tensor<1>, Tensor<1>);

fn loss_of(is_ours: bool) -> Loss {
    if is_ours { upsampled_cross_entropy } else { upsampled_cross_entropy_plain }
}

fn pair_of(is_ours: bool) -> Pair {
    if is_ours { upsampled_cross_entropy_pair } else { upsampled_cross_entropy_pair_plain }
}

/// Bytes that live allocations take once all work is done.
fn bytes_in_use(device: &Device) -> f64 {
    device.sync().unwrap();
    device.memory_pool_usage().map_or(f64::NAN, |usage| usage.bytes_in_use as f64)
}

/// Bytes per second of the fastest copy of a big buffer, read and written.
fn copy_bandwidth(device: &Device) -> f64 {
    let source = Tensor::<1>::zeros([COPIED], device);
    let copies = (0..=ROUNDS).map(|_| {
        device.sync().unwrap();
        let begun = Instant::now();
        // The source is shared, so the sum is written elsewhere.
        let copy = source.clone().add_scalar(1.0);
        device.sync().unwrap();
        drop(copy);
        begun.elapsed().as_secs_f64()
    });
    2.0 * F32 * COPIED as f64 / copies.skip(1).fold(f64::INFINITY, f64::min)
}
