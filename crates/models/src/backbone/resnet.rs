//! ResNet and ResNeXt: residual blocks, basic or with a bottleneck.
//!
//! Source: He et al., CVPR 2016, and Xie et al., CVPR 2017, as in torchvision (the stride of a
//! bottleneck is on its 3x3 convolution); dilation as in `network/deepv3plus.py` of the reference:
//! every 3x3 convolution of a dilated stage has it, the first one too. The reference can dilate
//! bottlenecks alone: a basic block's first convolution would keep the stride that its shortcut loses.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::normalization::places::{NormKind, NormPlace, NormPlaces};
use crate::pass::Pass;

use super::{BackboneConfig, Stages, stride_and_dilation};

/// Convolutions of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Two 3x3.
    Basic,
    /// 1x1 to `widening` times the stage's width, 3x3 in groups, 1x1 to four times that width.
    Bottleneck { groups: usize, widening: usize },
}

impl Block {
    pub(super) const BOTTLENECK: Self = Self::Bottleneck { groups: 1, widening: 1 };

    /// That of ResNeXt 32x4d; a group keeps its four channels in a narrower network.
    pub(super) fn next(width_divisor: usize) -> Self {
        Self::Bottleneck { groups: 32 / width_divisor, widening: 2 }
    }
}

/// A ResNet's sizes.
#[derive(Clone, Debug)]
pub struct ResNet {
    block: Block,
    stages: [Stage; 4],
    stem: usize,
    places: NormPlaces,
}

#[derive(Clone, Copy, Debug)]
struct Stage {
    /// The width of the stage in the original's tables: 64, 128, 256, 512.
    planes: usize,
    blocks: usize,
    stride: usize,
    dilation: usize,
    /// Whether the stride is on the first convolution of a bottleneck.
    strides_early: bool,
}

/// One block's place.
#[derive(Clone, Copy)]
struct Place<'a> {
    prefix: &'a str,
    input: usize,
    planes: usize,
    /// Strides of the first and the second convolution, and the dilation of 3x3 ones.
    strides: [usize; 2],
    dilation: usize,
    stage: usize,
    is_last: bool,
}

impl ResNet {
    /// With these blocks per stage unless the configuration has others.
    pub(super) fn new(config: &BackboneConfig, block: Block, blocks: [usize; 4]) -> Self {
        let blocks = config.blocks.unwrap_or(blocks);
        let stage = |stage: usize| {
            let (stride, dilation) = stride_and_dilation(config.output_stride, stage);
            Stage {
                planes: (64 << stage) / config.width_divisor,
                blocks: blocks[stage],
                stride,
                dilation,
                strides_early: stage == 1 && config.second_stage_strides_early,
            }
        };
        let stem = 64 / config.width_divisor;
        Self { block, stages: [0, 1, 2, 3].map(stage), stem, places: config.normalization }
    }

    pub(super) fn channels(&self) -> [usize; 4] {
        self.stages.map(|stage| self.output(stage.planes))
    }

    pub(super) fn place_channels(&self) -> [usize; 7] {
        let [first, second, third, fourth] = self.channels();
        [0, 0, self.stem, first, second, third, fourth]
    }

    pub(super) fn declare(&self, layout: &mut Layout) {
        layout.conv("layer0.0", [self.stem, 3, 7], Init::KaimingFanOut);
        self.places.declare(layout, "layer0.1", NormPlace::stem(2), self.stem);
        self.for_each_block(|place| {
            let Place { prefix, input, planes, stage, is_last, .. } = place;
            let output = self.output(planes);
            let convs = match self.block {
                Block::Basic => vec![[planes, input, 3], [planes, planes, 3]],
                Block::Bottleneck { groups, .. } => {
                    let width = self.width(planes);
                    vec![[width, input, 1], [width, width / groups, 3], [output, width, 1]]
                }
            };
            for (number, shape) in (1..).zip(convs) {
                layout.conv(&format!("{prefix}.conv{number}"), shape, Init::KaimingFanOut);
                let name = format!("{prefix}.bn{number}");
                if number == 1 {
                    self.places.declare_first(layout, &name, stage, shape[0]);
                } else {
                    layout.batch_norm_layer(&name, shape[0], 0.0);
                }
            }
            if self.has_projection(place) {
                let name = format!("{prefix}.downsample");
                layout.conv(&format!("{name}.0"), [output, input, 1], Init::KaimingFanOut);
                layout.batch_norm_layer(&format!("{name}.1"), output, 0.0);
            }
            if is_last {
                let name = format!("{prefix}.instance_norm_layer");
                self.places.declare(layout, &name, NormPlace::stage(stage), output);
            }
        });
    }

    pub(super) fn run<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Stages<M> {
        let mut whitened = Vec::new();
        let stages = self.run_stages(pass, image, 4, &mut whitened);
        let stages = stages.try_into().ok().expect("invariant: four stages");
        Stages { stages, whitened }
    }

    pub(super) fn whitening_maps<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        image: M::T<4>,
    ) -> Vec<M::T<4>> {
        let is_whitened = |kind: &NormKind| *kind == NormKind::InstanceWhitening;
        let end = self.places.stages.iter().rposition(is_whitened).map_or(0, |last| last + 1);
        let mut whitened = Vec::new();
        drop(self.run_stages(pass, image, end, &mut whitened));
        whitened
    }

    /// The stem, and the stages before number `end`.
    fn run_stages<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        image: M::T<4>,
        end: usize,
        whitened: &mut Vec<M::T<4>>,
    ) -> Vec<M::T<4>> {
        let stem = Conv { stride: 2, padding: 3, ..Conv::POINTWISE };
        let x = pass.conv("layer0.0", image, stem);
        let x = self.places.apply(pass, "layer0.1", NormPlace::stem(2), x, whitened);
        let mut x = M::max_pool3(M::relu(x));
        let mut stages = Vec::with_capacity(end);
        self.for_each_block(|place| {
            if place.stage >= end {
                return;
            }
            x = self.run_block(pass, place, x.clone(), whitened);
            if place.is_last {
                stages.push(x.clone());
            }
        });
        stages
    }

    fn run_block<M: Mode>(
        &self,
        pass: &mut Pass<'_, M>,
        place: Place<'_>,
        x: M::T<4>,
        whitened: &mut Vec<M::T<4>>,
    ) -> M::T<4> {
        let Place { prefix, strides: [first, second], dilation, stage, is_last, .. } = place;
        let name = |part: &str| format!("{prefix}.{part}");
        let two = [&*name("conv2"), &*name("bn2")];
        let conv = match self.block {
            Block::Basic => Conv::same3(first, dilation),
            Block::Bottleneck { .. } => Conv { stride: first, ..Conv::POINTWISE },
        };
        let y = pass.conv(&name("conv1"), x.clone(), conv);
        let y = M::relu(self.places.apply_first(pass, &name("bn1"), stage, y));
        let y = match self.block {
            Block::Basic => {
                let y = pass.conv(two[0], y, Conv::same3(second, dilation));
                pass.batch_norm(two[1], y)
            }
            Block::Bottleneck { groups, .. } => {
                let conv = Conv { groups, ..Conv::same3(second, dilation) };
                let y = pass.conv_norm_relu(two, y, conv);
                let y = pass.conv(&name("conv3"), y, Conv::POINTWISE);
                pass.batch_norm(&name("bn3"), y)
            }
        };
        let shortcut = if self.has_projection(place) {
            let conv = Conv { stride: first * second, ..Conv::POINTWISE };
            let x = pass.conv(&name("downsample.0"), x, conv);
            pass.batch_norm(&name("downsample.1"), x)
        } else {
            x
        };
        let sum = M::add(y, shortcut);
        if !is_last {
            return M::relu(sum);
        }
        let name = name("instance_norm_layer");
        M::relu(self.places.apply(pass, &name, NormPlace::stage(stage), sum, whitened))
    }

    /// Calls with each block, in order.
    fn for_each_block(&self, mut use_block: impl FnMut(Place<'_>)) {
        let mut input = self.stem;
        for (number, stage) in self.stages.iter().enumerate() {
            let Stage { planes, blocks, stride, dilation, strides_early } = *stage;
            for block in 0..blocks {
                let stride = if block == 0 { stride } else { 1 };
                let is_first = strides_early || self.block == Block::Basic;
                let strides = if is_first { [stride, 1] } else { [1, stride] };
                let prefix = format!("layer{}.{block}", number + 1);
                use_block(Place {
                    prefix: &prefix,
                    input,
                    planes,
                    strides,
                    dilation,
                    stage: number,
                    is_last: block + 1 == blocks,
                });
                input = self.output(planes);
            }
        }
    }

    /// A block that changes size or width takes its shortcut through a 1x1 convolution.
    fn has_projection(&self, place: Place<'_>) -> bool {
        place.strides != [1, 1] || place.input != self.output(place.planes)
    }

    fn width(&self, planes: usize) -> usize {
        match self.block {
            Block::Basic => planes,
            Block::Bottleneck { widening, .. } => planes * widening,
        }
    }

    fn output(&self, planes: usize) -> usize {
        match self.block {
            Block::Basic => planes,
            Block::Bottleneck { .. } => planes * 4,
        }
    }
}
