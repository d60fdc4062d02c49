//! ShuffleNetV2 x1.0: half of the channels goes through a block, and a shuffle mixes the halves.
//!
//! Source: Ma et al., ECCV 2018, as in torchvision; `network/deepv3plus.py` of the reference puts
//! its parts into the stages, so that the first one ends at stride 8 and the last one is the 1x1
//! convolution to 1024 channels. As there, a smaller output stride gives dilation to the very
//! convolutions that lose their stride of 2, and to none behind them; their blocks keep both branches.
//!
//! Norms are those of RobustNet's `network/Shufflenet.py`: behind the shuffle of the last blocks of
//! layer1 to layer3, and in place of the batch norm in the stem (the third place) and in layer4,
//! whose tensors stay in the file and are not used. Whitening of the reference's blocks fails, as they
//! take three of two results, and a ReLU in place overwrites the maps of the other two places; ours
//! are those of its ResNets. The reference has nothing where we have switchable whitening.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::normalization::places::{NormKind, NormPlace, NormPlaces};
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
    places: NormPlaces,
}

/// The stem and layer4: a convolution and a batch norm, in whose place another norm may stand.
#[derive(Clone, Copy)]
struct ConvNorm {
    conv: &'static str,
    batch_norm: &'static str,
    other_norm: &'static str,
    place: NormPlace,
}

const FIRST_LAYER: ConvNorm = ConvNorm {
    conv: "layer0.layer.0.0",
    batch_norm: "layer0.layer.0.1",
    other_norm: "layer0.instance_norm_layer",
    place: NormPlace::MOBILE_STEM,
};
const LAST_LAYER: ConvNorm = ConvNorm {
    conv: "layer4.layer.0",
    batch_norm: "layer4.layer.1",
    other_norm: "layer4.instance_norm_layer",
    place: NormPlace::stage(3),
};

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
    /// What stands behind it: the last block of a stage alone has such a place.
    norm: Option<NormPlace>,
}

impl ShuffleNetV2 {
    pub(super) fn new(config: &BackboneConfig) -> Self {
        let BackboneConfig { width_divisor, output_stride, normalization: places, .. } = *config;
        Self { width_divisor, output_stride, places }
    }

    pub(super) fn channels(&self) -> [usize; 4] {
        let [first, second, third] = BRANCHES.map(|branch| 2 * (branch / self.width_divisor));
        [first, second, third, LAST / self.width_divisor]
    }

    pub(super) fn place_channels(&self) -> [usize; 7] {
        let [first, second, third, fourth] = self.channels();
        [0, 0, STEM / self.width_divisor, first, second, third, fourth]
    }

    pub(super) fn declare(&self, layout: &mut Layout) {
        self.declare_outer(layout, FIRST_LAYER, [STEM / self.width_divisor, 3, 3]);
        self.for_each_block(|Place { prefix, input, branch, is_first, norm, .. }| {
            let mut conv_norm = |parts: [&str; 2], shape: [usize; 3]| {
                let [conv, norm] = parts.map(|part| format!("{prefix}.{part}"));
                declare_conv_norm(layout, [&conv, &norm], shape);
            };
            if is_first {
                conv_norm(["branch1.0", "branch1.1"], [input, 1, 3]);
                conv_norm(["branch1.2", "branch1.3"], [branch, input, 1]);
            }
            let input = if is_first { input } else { branch };
            conv_norm(["branch2.0", "branch2.1"], [branch, input, 1]);
            conv_norm(["branch2.3", "branch2.4"], [branch, 1, 3]);
            conv_norm(["branch2.5", "branch2.6"], [branch, branch, 1]);
            if let Some(norm) = norm {
                self.places.declare(layout, &behind(prefix), norm, 2 * branch);
            }
        });
        let [.., input, last] = self.channels();
        self.declare_outer(layout, LAST_LAYER, [last, input, 1]);
    }

    pub(super) fn run<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Stages<M> {
        let mut whitened = Vec::new();
        let x = pass.conv(FIRST_LAYER.conv, image, Conv::same3(2, 1));
        let x = self.norm_relu(pass, FIRST_LAYER, x, &mut whitened);
        let mut x = M::max_pool3(x);
        let mut ends = Vec::with_capacity(BRANCHES.len());
        self.for_each_block(|place| {
            x = run_block(pass, place, x.clone());
            if let Some(norm) = place.norm {
                let name = behind(place.prefix);
                x = self.places.apply(pass, &name, norm, x.clone(), &mut whitened);
                ends.push(x.clone());
            }
        });
        let [first, second, third] =
            ends.try_into().ok().expect("invariant: three stages of blocks");
        let x = pass.conv(LAST_LAYER.conv, third.clone(), Conv::POINTWISE);
        let last = self.norm_relu(pass, LAST_LAYER, x, &mut whitened);
        Stages { stages: [first, second, third, last], whitened }
    }

    fn declare_outer(&self, layout: &mut Layout, layer: ConvNorm, shape: [usize; 3]) {
        declare_conv_norm(layout, [layer.conv, layer.batch_norm], shape);
        self.places.declare(layout, layer.other_norm, layer.place, shape[0]);
    }

    /// The norm of the stem or of layer4, then ReLU.
    fn norm_relu<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        layer: ConvNorm,
        x: M::T<4>,
        whitened: &mut Vec<M::T<4>>,
    ) -> M::T<4> {
        M::relu(match self.places.at(layer.place) {
            NormKind::Batch => pass.batch_norm(layer.batch_norm, x),
            _ => self.places.apply(pass, layer.other_norm, layer.place, x, whitened),
        })
    }

    /// Calls with each block, in order.
    fn for_each_block(&self, mut use_block: impl FnMut(Place<'_>)) {
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
                let norm = (block + 1 == blocks).then(|| NormPlace::stage(stage));
                use_block(Place { prefix, input, branch, is_first, stride, dilation, norm });
                input = 2 * branch;
            }
        }
    }
}

fn declare_conv_norm(layout: &mut Layout, [conv, norm]: [&str; 2], shape: [usize; 3]) {
    layout.conv(conv, shape, Init::UniformFanIn);
    layout.batch_norm_layer(norm, shape[0], 0.0);
}

/// Name of the norm behind a block.
fn behind(prefix: &str) -> String {
    format!("{prefix}.instance_norm_layer")
}

fn run_block<M: Mode>(pass: &mut Pass<'_, M>, place: Place<'_>, x: M::T<4>) -> M::T<4> {
    let Place { prefix, input, branch, is_first, stride, dilation, .. } = place;
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
