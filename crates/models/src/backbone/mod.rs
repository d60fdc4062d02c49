//! Backbones: an image to the features of four stages, with the reference's tensor names.
//!
//! To add one, write its file, and its name in [`BackboneName`] and [`Backbone`].

mod resnet;

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::mode::Mode;
use crate::normalization::places::NormPlaces;
use crate::pass::Pass;

use resnet::ResNet;

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
}

impl Backbone {
    /// A backbone of these sizes.
    #[must_use]
    pub fn new(config: &BackboneConfig) -> Self {
        Self::ResNet(ResNet::new(config))
    }

    /// Channels of the four stages.
    #[must_use]
    pub fn channels(&self) -> [usize; 4] {
        match self {
            Self::ResNet(resnet) => resnet.channels(),
        }
    }

    /// Channels at the seven places of [`NormPlaces`], 0 where there is no such place.
    #[must_use]
    pub fn place_channels(&self) -> [usize; 7] {
        match self {
            Self::ResNet(resnet) => resnet.place_channels(),
        }
    }

    pub(crate) fn declare(&self, layout: &mut Layout) {
        match self {
            Self::ResNet(resnet) => resnet.declare(layout),
        }
    }

    /// Image `[B, 3, H, W]` to features.
    pub fn run<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Stages<M> {
        match self {
            Self::ResNet(resnet) => resnet.run(pass, image),
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
