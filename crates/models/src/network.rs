//! A network: a backbone, a model on top of it, and the memory's layers between the two halves of
//! the model.
//!
//! To add a model, write its file, and its name in [`ModelName`] and in the matches here.

use serde::{Deserialize, Serialize};

use crate::backbone::{Backbone, BackboneConfig, BackboneName, Stages};
use crate::layout::Layout;
use crate::memory::UpdateNetwork;
use crate::mode::Mode;
use crate::normalization::places::NormPlaces;
use crate::normalization::presets::Whitening;
use crate::pass::Pass;
use crate::{
    aspp, auxiliary, deeplab_v2, deeplab_v2_original, deeplab_v3, deeplab_v3_plus, fcn8s, memory,
};

/// Known models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelName {
    /// DeepLabV3+.
    #[serde(rename = "deeplab_v3_plus")]
    DeepLabV3Plus,
    /// DeepLabV3.
    #[serde(rename = "deeplab_v3")]
    DeepLabV3,
    /// DeepLabV2 as in the reference.
    #[serde(rename = "deeplab_v2")]
    DeepLabV2,
    /// DeepLabV2 as published.
    #[serde(rename = "deeplab_v2_original")]
    DeepLabV2Original,
    /// FCN-8s.
    #[serde(rename = "fcn8s")]
    Fcn8s,
}

/// What a network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// The model.
    pub model: ModelName,
    /// The backbone.
    pub backbone: BackboneName,
    /// Blocks per stage where they are not the backbone's; ResNets only.
    pub blocks: Option<[usize; 4]>,
    /// All widths are those of the originals divided by this; 1, 2, 4, 8 or 16, on
    /// ResNets also 32.
    pub width_divisor: usize,
    /// Input pixels per pixel of the last stage: 8, 16 or 32.
    pub output_stride: usize,
    /// Dilations of the ASPP: three for DeepLabV3 and V3+, four for V2, none for FCN.
    pub aspp_rates: Vec<usize>,
    /// What normalises beside batch norm.
    pub normalization: NormPlaces,
    /// The loss of instance whitening, if it has one.
    pub whitening: Option<Whitening>,
    /// Classes, which are also the memory's slots.
    pub classes: usize,
    /// Whether the network has a memory between encoder and decoder.
    pub memory: bool,
    /// The memory's update network; the released code's unless told otherwise.
    pub update_network: UpdateNetwork,
}

/// Channels of the layers behind the backbone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    /// F, the memory and the decoder: 256.
    pub(crate) feature: usize,
    /// The decoder's part of the first stage: 48.
    pub(crate) fine: usize,
    /// The auxiliary head: 512.
    pub(crate) auxiliary: usize,
    pub(crate) classes: usize,
}

impl ModelName {
    /// How many dilations its ASPP has.
    #[must_use]
    pub fn aspp_branches(self) -> usize {
        match self {
            Self::DeepLabV3Plus | Self::DeepLabV3 => aspp::BRANCHES,
            Self::DeepLabV2 | Self::DeepLabV2Original => deeplab_v2::RATES.len(),
            Self::Fcn8s => 0,
        }
    }

    /// Whether it has a layer of features that a memory can read.
    #[must_use]
    pub fn can_have_memory(self) -> bool {
        self != Self::DeepLabV2Original
    }
}

impl NetworkConfig {
    /// The reference's DeepLabV3+ on ResNet-50 with output stride 16.
    #[must_use]
    pub fn deeplab_v3_plus_resnet50(classes: usize, memory: bool) -> Self {
        Self {
            model: ModelName::DeepLabV3Plus,
            backbone: BackboneName::ResNet50,
            blocks: None,
            width_divisor: 1,
            output_stride: 16,
            aspp_rates: vec![6, 12, 18],
            normalization: NormPlaces::default(),
            whitening: None,
            classes,
            memory,
            update_network: UpdateNetwork::ConvNormRelu,
        }
    }

    /// The reference's DeepLabV2 on ResNet-101, whose output stride is 8.
    #[must_use]
    pub fn deeplab_v2_resnet101(classes: usize, memory: bool) -> Self {
        Self {
            model: ModelName::DeepLabV2,
            backbone: BackboneName::ResNet101,
            output_stride: 8,
            aspp_rates: deeplab_v2::RATES.to_vec(),
            ..Self::deeplab_v3_plus_resnet50(classes, memory)
        }
    }

    /// Channels of F, of the memory and of the decoder (256 in the reference).
    #[must_use]
    pub fn feature_channels(&self) -> usize {
        self.widths().feature
    }

    pub(crate) fn backbone(&self) -> Backbone {
        Backbone::new(&BackboneConfig {
            name: self.backbone,
            blocks: self.blocks,
            width_divisor: self.width_divisor,
            output_stride: self.output_stride,
            second_stage_strides_early: self.model == ModelName::DeepLabV2,
            normalization: self.normalization,
        })
    }

    fn widths(&self) -> Widths {
        let [feature, fine, auxiliary] = [256, 48, 512].map(|width| width / self.width_divisor);
        Widths { feature, fine, auxiliary, classes: self.classes }
    }
}

/// What the decoder and the losses need from the encoder.
pub struct Encoded<M: Mode> {
    /// The stages that the decoder sees beside F, those of [`Network::decode`].
    pub skips: Vec<M::T<4>>,
    /// The third stage, for the auxiliary head.
    pub stage3: M::T<4>,
    /// F, `[B, 256/d, h, w]`.
    pub feature: M::T<4>,
    /// What instance whitening gave, for its loss.
    pub whitened: Vec<M::T<4>>,
}

/// The network: what it is made of, and the names of its tensors.
#[derive(Clone, Debug)]
pub struct Network {
    /// What it is made of.
    pub config: NetworkConfig,
    /// Names and shapes.
    pub layout: Layout,
    /// The backbone.
    pub backbone: Backbone,
}

impl Network {
    /// Lays the network out.
    ///
    /// # Panics
    /// If [`NetworkConfig::check`] refuses it: a bug of the caller.
    #[must_use]
    pub fn new(config: NetworkConfig) -> Self {
        assert_eq!(config.check(), Ok(()), "{config:?}");
        let model = config.model;
        let backbone = config.backbone();
        let (stages, widths) = (backbone.channels(), config.widths());
        let mut layout = Layout::default();
        backbone.declare(&mut layout);
        match model {
            ModelName::DeepLabV3Plus => deeplab_v3_plus::declare(&mut layout, stages, widths),
            ModelName::DeepLabV3 => deeplab_v3::declare(&mut layout, stages, widths),
            ModelName::DeepLabV2 => deeplab_v2::declare(&mut layout, stages, widths),
            ModelName::DeepLabV2Original => {
                deeplab_v2_original::declare(&mut layout, stages, widths);
            }
            ModelName::Fcn8s => fcn8s::declare(&mut layout, stages, backbone.skips(), widths),
        }
        auxiliary::declare(&mut layout, [stages[2], widths.auxiliary, widths.classes]);
        if config.memory {
            let sizes = [config.classes, widths.feature];
            memory::declare(&mut layout, sizes, config.update_network);
        }
        Self { config, layout, backbone }
    }

    /// Image `[B, 3, H, W]` to features.
    pub fn encode<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Encoded<M> {
        let Stages { stages, whitened } = self.backbone.run(pass, image);
        let skips = match self.config.model {
            ModelName::DeepLabV3Plus => vec![stages[0].clone()],
            ModelName::Fcn8s => self.backbone.skips().map(|stage| stages[stage].clone()).into(),
            _ => Vec::new(),
        };
        let [_, _, stage3, last] = stages;
        let rates = &self.config.aspp_rates;
        let feature = match self.config.model {
            ModelName::DeepLabV3Plus | ModelName::DeepLabV3 => aspp::run(pass, last, rates),
            ModelName::DeepLabV2 => deeplab_v2::encode(pass, last, rates),
            ModelName::DeepLabV2Original => last,
            ModelName::Fcn8s => fcn8s::encode(pass, last),
        };
        Encoded { skips, stage3, feature, whitened }
    }

    /// `skips` of [`encode`](Self::encode) and F, or R where the network has a memory, to logits
    /// `[B, K, h, w]` at the decoder's resolution.
    ///
    /// # Panics
    /// If the skips are not those of `encode`: a bug of the caller.
    pub fn decode<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        skips: Vec<M::T<4>>,
        feature: M::T<4>,
    ) -> M::T<4> {
        let mut skips = skips.into_iter();
        let mut next = || skips.next().expect("the skips of `encode`");
        match self.config.model {
            ModelName::DeepLabV3Plus => deeplab_v3_plus::decode(pass, next(), feature),
            ModelName::DeepLabV3 => deeplab_v3::decode(pass, feature),
            ModelName::DeepLabV2 => deeplab_v2::decode(pass, feature),
            ModelName::DeepLabV2Original => {
                deeplab_v2_original::decode(pass, feature, &self.config.aspp_rates)
            }
            ModelName::Fcn8s => {
                let skips = self.backbone.skips().map(|stage| (stage, next()));
                fcn8s::decode(pass, skips, feature)
            }
        }
    }

    /// The third stage to auxiliary logits `[B, K, h, w]`.
    pub fn auxiliary<M: Mode>(&self, pass: &mut Pass<'_, M>, stage3: M::T<4>) -> M::T<4> {
        auxiliary::run(pass, stage3)
    }
}
