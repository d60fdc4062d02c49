//! Prints how long colour augmentation of one batch takes on a device, upload included.
//!
//! Run: `cargo run --release --example augment_rate -- [DEVICE] [BATCH] [SIDE]`, where DEVICE is one
//! of the words that `train` takes (`auto` unless given; `gpu:0` is the software adapter on a
//! machine without a GPU), and the batch is [BATCH, 3, SIDE, SIDE], 16 and 768 unless given.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use kernels::{
    ColourParameters, Jitter, Operation, augment, augment_plain,
    device::{DeviceChoice, open},
};

const ROUNDS: usize = 9;

type Augment = fn(&[u8], [usize; 3], &[ColourParameters], &[[f32; 256]; 3], &Device) -> Tensor<4>;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let choice: DeviceChoice = arguments.next().as_deref().unwrap_or("auto").parse().unwrap();
    let mut size = |otherwise| arguments.next().map_or(otherwise, |text| text.parse().unwrap());
    let (batch, side) = (size(16), size(768));
    let opened = open(choice).unwrap();
    println!("{}; batch [{batch}, 3, {side}, {side}], median of {ROUNDS}", opened.description);
    println!("{:34} {:>10} {:>10} {:>10}", "", "ms/batch", "ms/sample", "host ms");

    let levels: Vec<u8> = (0..batch * 3 * side * side)
        .map(|at| ((at as u32).wrapping_mul(0x9e37_79b9) >> 25) as u8 + (at % 128) as u8)
        .collect();
    let of = |jitter, blur_weights: &[f32]| {
        vec![ColourParameters { jitter, blur_weights: blur_weights.to_vec() }; batch]
    };
    let jitter = Some(Jitter {
        order: [Operation::Brightness, Operation::Hue, Operation::Contrast, Operation::Saturation],
        brightness: 1.2,
        contrast: 0.8,
        saturation: 1.3,
        hue_step: Some(15),
    });
    // Standard deviation 1.3, the largest of the authors' code.
    let blur = [0.306_9, 0.228_3, 0.094, 0.021_4, 0.002_7, 0.000_2];
    let (host, device): (Augment, Augment) = (augment_plain, augment);
    for (name, run, colours) in [
        ("augment_plain, no colours", host, of(None, &[])),
        ("augment, no colours", device, of(None, &[])),
        ("augment, jitter", device, of(jitter, &[])),
        ("augment, blur of radius 5", device, of(None, &blur)),
        ("augment, jitter and blur", device, of(jitter, &blur)),
    ] {
        let mut times: Vec<[f64; 2]> = vec![];
        // The first round compiles the shaders.
        for _ in 0..=ROUNDS {
            let values = [std::array::from_fn(|level| level as f32); 3];
            opened.device.sync().unwrap();
            let begun = Instant::now();
            let output = run(&levels, [batch, side, side], &colours, &values, &opened.device);
            let queued = begun.elapsed().as_secs_f64() * 1e3;
            opened.device.sync().unwrap();
            times.push([begun.elapsed().as_secs_f64() * 1e3, queued]);
            drop(output);
        }
        let median = |of: usize| {
            let mut sorted: Vec<f64> = times[1..].iter().map(|time| time[of]).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[ROUNDS / 2]
        };
        let (all, queued) = (median(0), median(1));
        println!("{name:34} {all:10.2} {:10.2} {queued:10.2}", all / batch as f64);
    }
}
