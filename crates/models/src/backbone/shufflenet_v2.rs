//! ShuffleNetV2 x1.0: half of the channels goes through a block, and a shuffle mixes the halves.
//!
//! Source: Ma et al., ECCV 2018, as in torchvision; `network/deepv3plus.py` of the reference puts
//! its parts into the stages, so that the first one ends at stride 8 and the last one is the 1x1
//! convolution to 1024 channels. As there, a smaller output stride gives dilation to the very
//! convolutions that lose their stride of 2, and to none behind them; their blocks keep both branches.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::pass::Pass;

use super::{BackboneConfig, Stages, stride_and_dilation};

const STEM: usize = 24;
/// Width of a branch, which is half of a block's output, in the reference's layer1 to layer3.
const BRANCHES: [usize; 3] = [58, 116, 232];
const BLOCKS: [usize; 3] = [4, 8, 4];
const LAST: usize = 1024;

/// A ShuffleNetV2's sizes.
#[derive(Clone, Debug)]
pub struct ShuffleNetV2 {
    width_divisor: usize,
    output_stride: usize,
}

/// One block's place.
#[derive(Clone, Copy)]
struct Place<'a> {
    prefix: &'a str,
    input: usize,
    /// Width of each branch.
    branch: usize,
    /// Whether all channels go through both branches: the first block of a stage.
    is_first: bool,
    /// Of the depthwise convolutions.
    stride: usize,
    dilation: usize,
}

impl ShuffleNetV2 {
    pub(super) fn new(config: &BackboneConfig) -> Self {
        let BackboneConfig { width_divisor, output_stride, .. } = *config;
        Self { width_divisor, output_stride }
    }

    pub(super) fn channels(&self) -> [usize; 4] {
        let [first, second, third] = BRANCHES.map(|branch| 2 * (branch / self.width_divisor));
        [first, second, third, LAST / self.width_divisor]
    }

    pub(super) fn declare(&self, layout: &mut Layout) {
        let mut conv_norm = |[conv, norm]: [&str; 2], shape: [usize; 3]| {
            layout.conv(conv, shape, Init::UniformFanIn);
            layout.batch_norm_layer(norm, shape[0], 0.0);
        };
        conv_norm(["layer0.layer.0.0", "layer0.layer.0.1"], [STEM / self.width_divisor, 3, 3]);
        self.for_each_stage_block(|_, Place { prefix, input, branch, is_first, .. }| {
            let mut conv_norm = |[conv, norm]: [&str; 2], shape: [usize; 3]| {
                let [conv, norm] = [conv, norm].map(|part| format!("{prefix}.{part}"));
                conv_norm([&conv, &norm], shape);
            };
            if is_first {
                conv_norm(["branch1.0", "branch1.1"], [input, 1, 3]);
                conv_norm(["branch1.2", "branch1.3"], [branch, input, 1]);
            }
            let input = if is_first { input } else { branch };
            conv_norm(["branch2.0", "branch2.1"], [branch, input, 1]);
            conv_norm(["branch2.3", "branch2.4"], [branch, 1, 3]);
            conv_norm(["branch2.5", "branch2.6"], [branch, branch, 1]);
        });
        let [.., input, last] = self.channels();
        conv_norm(["layer4.layer.0", "layer4.layer.1"], [last, input, 1]);
    }

    pub(super) fn run<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Stages<M> {
        let stem = ["layer0.layer.0.0", "layer0.layer.0.1"];
        let x = pass.conv_norm_relu(stem, image, Conv::same3(2, 1));
        let mut x = M::max_pool3(x);
        let mut ends = Vec::with_capacity(BRANCHES.len());
        let mut last = 0;
        self.for_each_stage_block(|stage, place| {
            if stage != last {
                ends.push(x.clone());
                last = stage;
            }
            x = run_block(pass, place, x.clone());
        });
        let [first, second] = ends.try_into().ok().expect("invariant: three stages of blocks");
        let names = ["layer4.layer.0", "layer4.layer.1"];
        let last = pass.conv_norm_relu(names, x.clone(), Conv::POINTWISE);
        Stages { stages: [first, second, x, last], whitened: Vec::new() }
    }

    /// Calls with the stage's number from 0 and each of its blocks, in order.
    fn for_each_stage_block(&self, mut use_block: impl FnMut(usize, Place<'_>)) {
        let mut input = STEM / self.width_divisor;
        for (stage, (branch, blocks)) in BRANCHES.into_iter().zip(BLOCKS).enumerate() {
            let branch = branch / self.width_divisor;
            for block in 0..blocks {
                // The stages have the strides to 8, 16 and 32, as the last three of a ResNet.
                let (stride, dilation) = match block {
                    0 => stride_and_dilation(self.output_stride, stage + 1),
                    _ => (1, 1),
                };
                let prefix = format!("layer{}.{block}", stage + 1);
                let (prefix, is_first) = (&*prefix, block == 0);
                use_block(stage, Place { prefix, input, branch, is_first, stride, dilation });
                input = 2 * branch;
            }
        }
    }
}

fn run_block<M: Mode>(pass: &mut Pass<'_, M>, place: Place<'_>, x: M::T<4>) -> M::T<4> {
    let Place { prefix, input, branch, is_first, stride, dilation } = place;
    let name = |part: &str| format!("{prefix}.{part}");
    let depthwise = |groups| Conv { groups, ..Conv::same3(stride, dilation) };
    let (one, two) = if is_first {
        let y = pass.conv(&name("branch1.0"), x.clone(), depthwise(input));
        let y = pass.batch_norm(&name("branch1.1"), y);
        let names = [&*name("branch1.2"), &*name("branch1.3")];
        (pass.conv_norm_relu(names, y, Conv::POINTWISE), x)
    } else {
        (M::channels(x.clone(), 0..branch), M::channels(x, branch..2 * branch))
    };
    let names = [&*name("branch2.0"), &*name("branch2.1")];
    let two = pass.conv_norm_relu(names, two, Conv::POINTWISE);
    let two = pass.conv(&name("branch2.3"), two, depthwise(branch));
    let two = pass.batch_norm(&name("branch2.4"), two);
    let names = [&*name("branch2.5"), &*name("branch2.6")];
    let two = pass.conv_norm_relu(names, two, Conv::POINTWISE);
    shuffle::<M>(M::cat(vec![one, two], 1))
}

/// The channels of the two halves in turn.
fn shuffle<M: Mode>(x: M::T<4>) -> M::T<4> {
    let [batch, channels, height, width] = M::dims(&x);
    let halves = M::reshape(x, [batch, 2, channels / 2, height, width]);
    // [B, C/2, 2, H, W]
    let turns = M::permute(halves, [0, 2, 1, 3, 4]);
    M::reshape(turns, [batch, channels, height, width])
}
