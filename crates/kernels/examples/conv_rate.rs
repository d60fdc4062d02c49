//! Prints how long the convolutions of a ResNet-50 take on a device, ours beside Burn's own.
//!
//! Run: `cargo run --release --example conv_rate -- [DEVICE] [BATCH] [SIDE] [DIVISOR]`,
//! where DEVICE is one of the words that `train` takes (`auto` unless given; `gpu:0` is the software
//! adapter on a machine without a GPU), the images are [BATCH, 3, SIDE, SIDE], every channel count
//! is that of ResNet-50 divided by DIVISOR, and dilations shrink with images below the crop of 768;
//! 8, 768 and 1 unless given.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor, module, ops::ConvOptions};
use kernels::{
    conv2d,
    device::{DeviceChoice, open},
};

const ROUNDS: usize = 7;

/// One convolution: its place, input channels, output channels, kernel, the input's pixels per
/// pixel of the image, stride, dilation and groups.
struct Shape(&'static str, usize, usize, usize, usize, usize, usize, usize);

/// Every kind of convolution in DeepLabV3+ over ResNet-50 at output stride 16.
const SHAPES: &[Shape] = &[
    Shape("stem 7x7 /2", 3, 64, 7, 1, 2, 1, 1),
    Shape("layer1 1x1", 64, 256, 1, 4, 1, 1, 1),
    Shape("layer1 3x3", 64, 64, 3, 4, 1, 1, 1),
    Shape("layer2 3x3 /2", 128, 128, 3, 4, 2, 1, 1),
    Shape("layer2 1x1 /2", 256, 512, 1, 4, 2, 1, 1),
    Shape("layer2 3x3", 128, 128, 3, 8, 1, 1, 1),
    Shape("layer3 1x1", 1024, 256, 1, 16, 1, 1, 1),
    Shape("layer3 3x3", 256, 256, 3, 16, 1, 1, 1),
    Shape("layer4 3x3, dilation 2", 512, 512, 3, 16, 1, 2, 1),
    Shape("pyramid 3x3, dilation 12", 2048, 256, 3, 16, 1, 12, 1),
    Shape("decoder 3x3", 304, 256, 3, 4, 1, 1, 1),
    Shape("32 groups 3x3", 128, 128, 3, 8, 1, 1, 32),
    Shape("depthwise 3x3", 128, 128, 3, 8, 1, 1, 128),
];

type Convolve = fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, ConvOptions<2>) -> Tensor<4>;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let choice: DeviceChoice = arguments.next().as_deref().unwrap_or("auto").parse().unwrap();
    let mut size = |otherwise| arguments.next().map_or(otherwise, |text| text.parse().unwrap());
    let (batch, side, divisor) = (size(8), size(768), size(1));
    let opened = open(choice).unwrap();
    println!(
        "{}; images [{batch}, 3, {side}, {side}], channels / {divisor}, ms, least of {ROUNDS}",
        opened.description
    );
    println!("{:26}{:>30}{:>30}", "", "forward", "forward and both gradients");
    let heads = ["Burn", "ours", "ratio", "Burn", "ours", "ratio"];
    println!("{:26}{}", "", heads.map(|head| format!("{head:>10}")).concat());
    for shape in SHAPES {
        let columns = [false, true].map(|with_gradients| {
            let [burn, ours] = times(shape, with_gradients, [batch, side, divisor], &opened.device);
            format!("{burn:10.2}{ours:10.2}{:10.2}", burn / ours)
        });
        println!("{:26}{}", shape.0, columns.concat());
    }
}

/// The least time of some rounds with Burn's convolution and with ours, which take turns, in
/// milliseconds.
fn times(
    &Shape(_, inputs, outputs, kernel, pixels, stride, dilation, groups): &Shape,
    with_gradients: bool,
    [batch, crop, divisor]: [usize; 3],
    device: &Device,
) -> [f64; 2] {
    let scaled = |channels: usize| if channels == 3 { 3 } else { channels / divisor };
    let groups = if groups == inputs { scaled(groups) } else { groups };
    let (inputs, outputs, side) = (scaled(inputs), scaled(outputs), crop / pixels);
    let dilation = (dilation * crop).div_ceil(768).clamp(1, dilation);
    let padding = dilation * (kernel / 2);
    let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups);
    let with_autodiff = if with_gradients { device.clone().autodiff() } else { device.clone() };
    let random = |dims: [usize; 4]| {
        Tensor::<4>::random(dims, Distribution::Uniform(-1.0, 1.0), &with_autodiff)
    };
    let x = random([batch, inputs, side, side]);
    let weight = random([outputs, inputs / groups, kernel, kernel]);
    let run = |convolve: Convolve| {
        device.sync().unwrap();
        let begun = Instant::now();
        if with_gradients {
            let (x, weight) = (x.clone().require_grad(), weight.clone().require_grad());
            let output = convolve(x.clone(), weight.clone(), None, options.clone());
            let gradients = output.sum().backward();
            let found = (x.grad(&gradients).unwrap(), weight.grad(&gradients).unwrap());
            device.sync().unwrap();
            drop(found);
        } else {
            let output = convolve(x.clone(), weight.clone(), None, options.clone());
            device.sync().unwrap();
            drop(output);
        }
        begun.elapsed().as_secs_f64() * 1e3
    };
    let ways: [Convolve; 2] =
        [|x, weight, bias, options| module::conv2d(x, weight, bias, options), conv2d];
    // The first round compiles the shaders.
    let rounds: Vec<[f64; 2]> = (0..=ROUNDS).map(|_| ways.map(run)).skip(1).collect();
    [0, 1].map(|way| rounds.iter().map(|round| round[way]).fold(f64::INFINITY, f64::min))
}
