//! Backbones: an image to the features of four stages, with the reference's tensor names.
//!
//! To add one, write its file, and its name in [`BackboneName`] and [`Backbone`].

mod mobilenet_v2;
mod resnet;
mod shufflenet_v2;

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::mode::Mode;
use crate::normalization::places::NormPlaces;
use crate::pass::Pass;

use mobilenet_v2::MobileNetV2;
use resnet::{Block, ResNet};
use shufflenet_v2::ShuffleNetV2;

/// Known backbones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackboneName {
    /// ResNet-18 (He et al., CVPR 2016).
    #[serde(rename = "resnet18")]
    ResNet18,
    /// ResNet-34.
    #[serde(rename = "resnet34")]
    ResNet34,
    /// ResNet-50, with the stride of a block on its 3x3 convolution.
    #[serde(rename = "resnet50")]
    ResNet50,
    /// ResNet-101.
    #[serde(rename = "resnet101")]
    ResNet101,
    /// ResNet-152.
    #[serde(rename = "resnet152")]
    ResNet152,
    /// ResNeXt-50 32x4d (Xie et al., CVPR 2017).
    #[serde(rename = "resnext50_32x4d")]
    ResNext50,
    /// MobileNetV2 (Sandler et al., CVPR 2018).
    #[serde(rename = "mobilenet_v2")]
    MobileNetV2,
    /// ShuffleNetV2 x1.0 (Ma et al., ECCV 2018).
    #[serde(rename = "shufflenet_v2_x1_0")]
    ShuffleNetV2,
}

impl BackboneName {
    /// Whether the number of its blocks can be chosen: it is a ResNet or ResNeXt.
    #[must_use]
    pub fn has_free_blocks(self) -> bool {
        !matches!(self, Self::MobileNetV2 | Self::ShuffleNetV2)
    }

    /// Whether its blocks begin with a norm that IBN-a can replace: it is a ResNet or ResNeXt.
    #[must_use]
    pub fn can_have_ibn_a(self) -> bool {
        !matches!(self, Self::MobileNetV2 | Self::ShuffleNetV2)
    }
}

/// Sizes of a backbone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackboneConfig {
    /// Which one.
    pub name: BackboneName,
    /// Blocks of the four stages, where they are not the name's; ResNets only.
    pub blocks: Option<[usize; 4]>,
    /// All widths are the original's divided by this.
    pub width_divisor: usize,
    /// Input pixels per pixel of the last stage: 8, 16 or 32; less stride means more dilation.
    pub output_stride: usize,
    /// Whether the second stage strides in its first 1x1 convolution, as the reference's DeepLabV2.
    pub second_stage_strides_early: bool,
    /// What normalises beside batch norm.
    pub normalization: NormPlaces,
}

/// The features of an image.
pub struct Stages<M: Mode> {
    /// The stages that the reference calls layer1 to layer4.
    pub stages: [M::T<4>; 4],
    /// What instance whitening gave, in the network's order, for its loss.
    pub whitened: Vec<M::T<4>>,
}

/// A backbone with its sizes.
#[derive(Clone, Debug)]
pub enum Backbone {
    /// ResNet and ResNeXt.
    ResNet(ResNet),
    /// MobileNetV2.
    MobileNetV2(MobileNetV2),
    /// ShuffleNetV2.
    ShuffleNetV2(ShuffleNetV2),
}

impl Backbone {
    /// A backbone of these sizes.
    ///
    /// # Panics
    /// If it has numbers of blocks that its name cannot have: a bug of the caller.
    #[must_use]
    pub fn new(config: &BackboneConfig) -> Self {
        let name = config.name;
        assert!(config.blocks.is_none() || name.has_free_blocks(), "{name:?} with other blocks");
        let resnet = |block, blocks| Self::ResNet(ResNet::new(config, block, blocks));
        match name {
            BackboneName::ResNet18 => resnet(Block::Basic, [2, 2, 2, 2]),
            BackboneName::ResNet34 => resnet(Block::Basic, [3, 4, 6, 3]),
            BackboneName::ResNet50 => resnet(Block::BOTTLENECK, [3, 4, 6, 3]),
            BackboneName::ResNet101 => resnet(Block::BOTTLENECK, [3, 4, 23, 3]),
            BackboneName::ResNet152 => resnet(Block::BOTTLENECK, [3, 8, 36, 3]),
            BackboneName::ResNext50 => resnet(Block::next(config.width_divisor), [3, 4, 6, 3]),
            BackboneName::MobileNetV2 => Self::MobileNetV2(MobileNetV2::new(config)),
            BackboneName::ShuffleNetV2 => Self::ShuffleNetV2(ShuffleNetV2::new(config)),
        }
    }

    /// Names and shapes of its tensors alone.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        self.declare(&mut layout);
        layout
    }

    /// Channels of the four stages.
    #[must_use]
    pub fn channels(&self) -> [usize; 4] {
        match self {
            Self::ResNet(resnet) => resnet.channels(),
            Self::MobileNetV2(mobilenet) => mobilenet.channels(),
            Self::ShuffleNetV2(shufflenet) => shufflenet.channels(),
        }
    }

    /// The stages at 16 and 8 input pixels per pixel where the output stride is 32.
    pub(crate) fn skips(&self) -> [usize; 2] {
        match self {
            Self::ResNet(_) => [2, 1],
            // Their last stage is a 1x1 convolution of the third.
            Self::MobileNetV2(_) | Self::ShuffleNetV2(_) => [1, 0],
        }
    }

    /// Channels at the seven places of [`NormPlaces`], 0 where there is no such place.
    #[must_use]
    pub fn place_channels(&self) -> [usize; 7] {
        match self {
            Self::ResNet(resnet) => resnet.place_channels(),
            Self::MobileNetV2(mobilenet) => mobilenet.place_channels(),
            Self::ShuffleNetV2(shufflenet) => shufflenet.place_channels(),
        }
    }

    pub(crate) fn declare(&self, layout: &mut Layout) {
        match self {
            Self::ResNet(resnet) => resnet.declare(layout),
            Self::MobileNetV2(mobilenet) => mobilenet.declare(layout),
            Self::ShuffleNetV2(shufflenet) => shufflenet.declare(layout),
        }
    }

    /// Image `[B, 3, H, W]` to features.
    pub fn run<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Stages<M> {
        match self {
            Self::ResNet(resnet) => resnet.run(pass, image),
            Self::MobileNetV2(mobilenet) => mobilenet.run(pass, image),
            Self::ShuffleNetV2(shufflenet) => shufflenet.run(pass, image),
        }
    }

    /// What instance whitening gives for an image `[B, 3, H, W]`, the same as in
    /// [`run`](Self::run); in a ResNet the stages behind the last one that whitens do not run.
    pub fn whitening_maps<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Vec<M::T<4>> {
        match self {
            Self::ResNet(resnet) => resnet.whitening_maps(pass, image),
            Self::MobileNetV2(mobilenet) => mobilenet.run(pass, image).whitened,
            Self::ShuffleNetV2(shufflenet) => shufflenet.run(pass, image).whitened,
        }
    }
}

/// Stride and dilation of stage `stage` at an output stride: strides beyond it become dilation.
///
/// Source: `DeepV3Plus` in the reference, variants D, D16 and none.
pub(crate) fn stride_and_dilation(output_stride: usize, stage: usize) -> (usize, usize) {
    match (output_stride, stage) {
        (_, 0) => (1, 1),
        (8, 2) | (16, 3) => (1, 2),
        (8, 3) => (1, 4),
        _ => (2, 1),
    }
}
