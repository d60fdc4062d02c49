//! Prints the device memory that one loss and its gradient take at their peak, the upsampled cross
//! entropy beside plain Burn.
//!
//! Run: `cargo run --release --example loss_peak -- [DEVICE] [BATCH] [SIDE] [CLASSES]`, where DEVICE
//! is one of the words that `train` takes (`auto` unless given; `gpu:0` is the software adapter on a
//! machine without a GPU), labels are [BATCH, SIDE, SIDE] and logits a quarter of that along an axis;
//! 8, 768 and 19 unless given.
//!
//! Every figure is what a process of its own has reserved on the device after one pass less what it
//! had before, when logits and labels were there: an allocator gives nothing back meanwhile, so that
//! this is the peak, rounded up to its pages. A pass that the device refuses is named as such.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::process::{Command, Stdio};

use burn::tensor::{Device, Distribution, Tensor};
use kernels::{
    PixelLabels,
    device::{DeviceChoice, open},
    upsampled_cross_entropy, upsampled_cross_entropy_pair, upsampled_cross_entropy_pair_plain,
    upsampled_cross_entropy_plain,
};

/// The ways and orders of derivatives that are measured, and the argument that asks for each.
const PASSES: [(&str, &str); 4] = [
    ("burn", "Burn: loss and gradient"),
    ("ours", "ours: loss and gradient"),
    ("burn-pair", "Burn: second order"),
    ("ours-pair", "ours: second order"),
];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let pass = arguments.iter().position(|word| word == "--pass");
    let pass = pass.map(|at| arguments.drain(at..).nth(1).unwrap());
    let device = arguments.first().map_or("auto", String::as_str);
    let size = |at: usize, otherwise: usize| {
        arguments.get(at).map_or(otherwise, |text| text.parse().unwrap())
    };
    let [batch, side, classes] = [size(1, 8), size(2, 768), size(3, 19)];
    if let Some(pass) = pass {
        let opened = open(device.parse::<DeviceChoice>().unwrap()).unwrap();
        println!("{}", reserved_by(&pass, [batch, side, classes], &opened.device));
        return;
    }
    let full = 4 * batch * classes * side * side;
    println!(
        "labels [{batch}, {side}, {side}], {classes} classes; logits at the labels' size would"
    );
    println!("take {:.1} MB; reserved at the peak:", full as f64 / 1e6);
    for (pass, name) in PASSES {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let sizes = [batch, side, classes].map(|size| size.to_string());
        child.arg(device).args(sizes).args(["--pass", pass]).stderr(Stdio::null());
        let output = child.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        match (output.status.success(), text.trim().parse::<f64>()) {
            (true, Ok(bytes)) => println!("{name:28}{:10.1} MB", bytes / 1e6),
            _ => println!("{name:28} refused by the device"),
        }
    }
}

/// Bytes that the device's allocator has reserved for one pass, in a process that made no other.
fn reserved_by(pass: &str, [batch, side, classes]: [usize; 3], device: &Device) -> u64 {
    let tracked = device.clone().autodiff();
    let random = || {
        let uniform = Distribution::Uniform(-4.0, 4.0);
        Tensor::<4>::random([batch, classes, side / 4, side / 4], uniform, &tracked)
    };
    let (logits, tangent) = (random().require_grad(), random().require_grad());
    let ids: Vec<u8> = (0..batch * side * side).map(|at| (at / 7 % 20) as u8).collect();
    let labels = PixelLabels::upload(&ids, [batch, side, side], device);
    let before = reserved(device);
    let loss = match pass {
        "burn" => upsampled_cross_entropy_plain(logits.clone(), &labels, None),
        "ours" => upsampled_cross_entropy(logits.clone(), &labels, None),
        "burn-pair" => upsampled_cross_entropy_pair_plain(logits.clone(), tangent, &labels, None).1,
        _ => upsampled_cross_entropy_pair(logits.clone(), tangent, &labels, None).1,
    };
    let gradients = loss.backward();
    let gradient = logits.grad(&gradients).unwrap();
    // Read, so that a pass which failed on the way ends here.
    assert!(gradient.sum().into_scalar::<f32>().is_finite());
    reserved(device) - before
}

fn reserved(device: &Device) -> u64 {
    device.sync().unwrap();
    device.memory_pool_usage().unwrap().bytes_reserved
}
