//! DeepLabV3+ on a ResNet with bottleneck blocks, at any width, with the reference's tensor names.
//!
//! Source: `network/deepv3plus.py` (variant D16) and Chen et al., ECCV 2018. Differences from the
//! paper that the reference has and we keep: the stride of a block is on its 3x3 convolution, every
//! resize aligns corners, and the image-level features come first in the ASPP concatenation.

use serde::{Deserialize, Serialize};

use crate::layout::{Init, Layout};
use crate::memory;
use crate::mode::{Conv, Mode};
use crate::pass::Pass;
use crate::resize::resize_bilinear;

/// Channels of a block's output per channel of its 3x3 convolution.
const EXPANSION: usize = 4;

/// Sizes of the network; [`DeepLabV3PlusConfig::resnet50`] divided by `width_divisor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepLabV3PlusConfig {
    /// Bottleneck blocks per stage; ResNet-50 has `[3, 4, 6, 3]`.
    pub blocks: [usize; 4],
    /// All widths are those of the reference divided by this; 1, 2, 4, 8 or 16.
    pub width_divisor: usize,
    /// Input pixels per feature pixel: 8, 16 or 32.
    pub output_stride: usize,
    /// Dilations of the three 3x3 branches of the ASPP; the reference has `[6, 12, 18]` at 16.
    pub aspp_rates: [usize; 3],
    /// Classes, which are also the memory's slots.
    pub classes: usize,
    /// Whether the network has a memory between encoder and decoder.
    pub memory: bool,
}

impl DeepLabV3PlusConfig {
    /// The reference's DeepLabV3+ ResNet-50 with output stride 16.
    #[must_use]
    pub fn resnet50(classes: usize, memory: bool) -> Self {
        Self {
            blocks: [3, 4, 6, 3],
            width_divisor: 1,
            output_stride: 16,
            aspp_rates: [6, 12, 18],
            classes,
            memory,
        }
    }

    /// Channels of F, of the memory and of the decoder (256 in the reference).
    #[must_use]
    pub fn feature_channels(&self) -> usize {
        256 / self.width_divisor
    }

    fn stem_channels(&self) -> usize {
        64 / self.width_divisor
    }

    fn fine_channels(&self) -> usize {
        48 / self.width_divisor
    }

    fn auxiliary_channels(&self) -> usize {
        512 / self.width_divisor
    }

    fn stage(&self, stage: usize) -> Stage {
        let planes = (64 << stage) / self.width_divisor;
        // Strides of the stages at output stride 32; a smaller one turns strides into dilation.
        let (stride, dilation) = match (self.output_stride, stage) {
            (_, 0) => (1, 1),
            (8, 2) | (16, 3) => (1, 2),
            (8, 3) => (1, 4),
            _ => (2, 1),
        };
        Stage { planes, stride, dilation, blocks: self.blocks[stage] }
    }
}

struct Stage {
    planes: usize,
    stride: usize,
    dilation: usize,
    blocks: usize,
}

/// What the decoder and the losses need from the encoder.
pub struct Encoded<M: Mode> {
    /// Stage 1, `[B, 256/d, H/4, W/4]`.
    pub low_level: M::T<4>,
    /// Stage 3, for the auxiliary head.
    pub stage3: M::T<4>,
    /// F, `[B, 256/d, h, w]`.
    pub feature: M::T<4>,
}

/// The network: its sizes and the names of its tensors.
#[derive(Clone, Debug)]
pub struct DeepLabV3Plus {
    /// Sizes.
    pub config: DeepLabV3PlusConfig,
    /// Names and shapes.
    pub layout: Layout,
}

impl DeepLabV3Plus {
    /// Lays the network out.
    #[must_use]
    pub fn new(config: DeepLabV3PlusConfig) -> Self {
        let mut layout = Layout::default();
        declare_backbone(&config, &mut layout);
        declare_head(&config, &mut layout);
        if config.memory {
            memory::declare(&mut layout, config.classes, config.feature_channels());
        }
        Self { config, layout }
    }

    /// Image `[B, 3, H, W]` to features.
    pub fn encode<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Encoded<M> {
        let stem = Conv { stride: 2, padding: 3, dilation: 1 };
        let x = pass.conv_norm_relu(["layer0.0", "layer0.1"], image, stem);
        let low_level = self.run_stage(pass, 0, M::max_pool3(x));
        let x = self.run_stage(pass, 1, low_level.clone());
        let stage3 = self.run_stage(pass, 2, x);
        let x = self.run_stage(pass, 3, stage3.clone());
        let x = self.run_aspp(pass, x);
        let feature = pass.conv_norm_relu(["bot_aspp.0", "bot_aspp.1"], x, Conv::POINTWISE);
        Encoded { low_level, stage3, feature }
    }

    /// F, or R where the network has a memory, to logits `[B, K, H/4, W/4]`.
    pub fn decode<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        low_level: M::T<4>,
        feature: M::T<4>,
    ) -> M::T<4> {
        let [_, _, height, width] = M::value(&low_level).dims();
        let fine = pass.conv_norm_relu(["bot_fine.0", "bot_fine.1"], low_level, Conv::POINTWISE);
        let coarse = resize_bilinear::<M>(feature, [height, width]);
        let x = M::cat(vec![fine, coarse], 1);
        let x = pass.conv_norm_relu(["final1.0", "final1.1"], x, Conv::same3(1, 1));
        let x = pass.conv_norm_relu(["final1.3", "final1.4"], x, Conv::same3(1, 1));
        pass.conv_bias("final2.0", x, Conv::POINTWISE)
    }

    /// Stage 3 to auxiliary logits `[B, K, h, w]`.
    pub fn auxiliary<M: Mode>(&self, pass: &mut Pass<'_, M>, stage3: M::T<4>) -> M::T<4> {
        let x = pass.conv_bias("dsn.0", stage3, Conv::same3(1, 1));
        let x = M::relu(pass.batch_norm("dsn.1", x));
        let x = pass.dropout_channels(x);
        pass.conv_bias("dsn.4", x, Conv::POINTWISE)
    }

    fn run_stage<M: Mode>(&self, pass: &mut Pass<'_, M>, stage: usize, x: M::T<4>) -> M::T<4> {
        let Stage { stride, dilation, blocks, .. } = self.config.stage(stage);
        (0..blocks).fold(x, |x, block| {
            let prefix = format!("layer{}.{block}", stage + 1);
            let stride = if block == 0 { stride } else { 1 };
            run_bottleneck(pass, &prefix, x, Conv::same3(stride, dilation))
        })
    }

    fn run_aspp<M: Mode>(&self, pass: &mut Pass<'_, M>, x: M::T<4>) -> M::T<4> {
        let [_, _, height, width] = M::value(&x).dims();
        let pooled = M::linear(x.clone(), |x| x.mean_dims(&[2, 3]));
        let pooled =
            pass.conv_norm_relu(["aspp.img_conv.0", "aspp.img_conv.1"], pooled, Conv::POINTWISE);
        let mut branches = vec![resize_bilinear::<M>(pooled, [height, width])];
        for branch in 0..4 {
            let conv = match branch {
                0 => Conv::POINTWISE,
                _ => Conv::same3(1, self.config.aspp_rates[branch - 1]),
            };
            let [conv_name, norm_name] =
                [0, 1].map(|part| format!("aspp.features.{branch}.{part}"));
            branches.push(pass.conv_norm_relu([&conv_name, &norm_name], x.clone(), conv));
        }
        M::cat(branches, 1)
    }
}

fn run_bottleneck<M: Mode>(
    pass: &mut Pass<'_, M>,
    prefix: &str,
    x: M::T<4>,
    middle: Conv,
) -> M::T<4> {
    let name = |part: &str| format!("{prefix}.{part}");
    let y = pass.conv_norm_relu([&name("conv1"), &name("bn1")], x.clone(), Conv::POINTWISE);
    let y = pass.conv_norm_relu([&name("conv2"), &name("bn2")], y, middle);
    let y = pass.conv(&name("conv3"), y, Conv::POINTWISE);
    let y = pass.batch_norm(&name("bn3"), y);
    let shortcut = if prefix.ends_with(".0") {
        let conv = Conv { stride: middle.stride, ..Conv::POINTWISE };
        let x = pass.conv(&name("downsample.0"), x, conv);
        pass.batch_norm(&name("downsample.1"), x)
    } else {
        x
    };
    M::relu(M::add(y, shortcut))
}

fn declare_backbone(config: &DeepLabV3PlusConfig, layout: &mut Layout) {
    let stem = config.stem_channels();
    layout.conv("layer0.0", [stem, 3, 7], Init::KaimingFanOut);
    layout.batch_norm_layer("layer0.1", stem, 0.0);
    let mut input = stem;
    for stage in 0..4 {
        let Stage { planes, blocks, .. } = config.stage(stage);
        let output = planes * EXPANSION;
        for block in 0..blocks {
            let name = |part: &str| format!("layer{}.{block}.{part}", stage + 1);
            for (part, shape) in
                [(1, [planes, input, 1]), (2, [planes, planes, 3]), (3, [output, planes, 1])]
            {
                layout.conv(&name(&format!("conv{part}")), shape, Init::KaimingFanOut);
                layout.batch_norm_layer(&name(&format!("bn{part}")), shape[0], 0.0);
            }
            if block == 0 {
                layout.conv(&name("downsample.0"), [output, input, 1], Init::KaimingFanOut);
                layout.batch_norm_layer(&name("downsample.1"), output, 0.0);
            }
            input = output;
        }
    }
}

fn declare_head(config: &DeepLabV3PlusConfig, layout: &mut Layout) {
    let stage_output = |stage: usize| config.stage(stage).planes * EXPANSION;
    let feature = config.feature_channels();
    for branch in 0..4 {
        let kernel = if branch == 0 { 1 } else { 3 };
        let shape = [feature, stage_output(3), kernel];
        layout.conv(&format!("aspp.features.{branch}.0"), shape, Init::KaimingFanIn);
        layout.batch_norm_layer(&format!("aspp.features.{branch}.1"), feature, 0.0);
    }
    layout.conv("aspp.img_conv.0", [feature, stage_output(3), 1], Init::KaimingFanIn);
    layout.batch_norm_layer("aspp.img_conv.1", feature, 0.0);
    let fine = config.fine_channels();
    layout.conv("bot_fine.0", [fine, stage_output(0), 1], Init::KaimingFanIn);
    layout.batch_norm_layer("bot_fine.1", fine, 0.0);
    layout.conv("bot_aspp.0", [feature, 5 * feature, 1], Init::KaimingFanIn);
    layout.batch_norm_layer("bot_aspp.1", feature, 0.0);
    layout.conv("final1.0", [feature, fine + feature, 3], Init::KaimingFanIn);
    layout.batch_norm_layer("final1.1", feature, 0.0);
    layout.conv("final1.3", [feature, feature, 3], Init::KaimingFanIn);
    layout.batch_norm_layer("final1.4", feature, 0.0);
    layout.conv("final2.0", [config.classes, feature, 1], Init::KaimingFanIn);
    layout.push("final2.0.bias".to_owned(), vec![config.classes], Init::Constant(0.0));
    let auxiliary = config.auxiliary_channels();
    layout.conv("dsn.0", [auxiliary, stage_output(2), 3], Init::KaimingFanIn);
    layout.push("dsn.0.bias".to_owned(), vec![auxiliary], Init::Constant(0.0));
    layout.batch_norm_layer("dsn.1", auxiliary, 0.0);
    layout.conv("dsn.4", [config.classes, auxiliary, 1], Init::KaimingFanIn);
    layout.push("dsn.4.bias".to_owned(), vec![config.classes], Init::Constant(0.0));
}
