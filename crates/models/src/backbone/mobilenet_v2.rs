//! MobileNetV2: inverted residuals with linear bottlenecks.
//!
//! Source: Sandler et al., CVPR 2018, as in torchvision; `network/deepv3plus.py` of the reference
//! puts its parts into the stages, so that the first one ends at stride 8 and the last one is the
//! 1x1 convolution to 1280 channels. As there, a smaller output stride gives dilation to the very
//! convolutions that lose their stride of 2. Those behind them have none, unlike in the dilated
//! stages of a ResNet, and so see less of the image than at output stride 32.
//!
//! Norms are those of RobustNet's `network/Mobilenet.py`: each stands behind a block, after its
//! residual addition, and replaces none; the third place is the block behind the stem, then come
//! the last blocks of layer1 to layer3. The reference has none in layer4, and nothing where we have
//! switchable whitening.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::normalization::places::{NormPlace, NormPlaces};
use crate::pass::Pass;

use super::{BackboneConfig, Stages, stride_and_dilation};

/// Blocks of one width: a row of Table 2 of the paper.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Width inside a block, as a multiple of its input's.
    expansion: usize,
    width: usize,
    blocks: usize,
    /// Stride of the first block.
    stride: usize,
}

const fn row([expansion, width, blocks, stride]: [usize; 4]) -> Row {
    Row { expansion, width, blocks, stride }
}

/// The rows of the reference's layer0 to layer3; in layer0 they are behind the stem.
const LAYERS: [&[Row]; 4] = [
    &[row([1, 16, 1, 1])],
    &[row([6, 24, 2, 2]), row([6, 32, 3, 2])],
    &[row([6, 64, 4, 2])],
    &[row([6, 96, 3, 1]), row([6, 160, 3, 2]), row([6, 320, 1, 1])],
];

const STEM: usize = 32;
const LAST: usize = 1280;

/// A MobileNetV2's sizes.
#[derive(Clone, Debug)]
pub struct MobileNetV2 {
    width_divisor: usize,
    output_stride: usize,
    places: NormPlaces,
}

/// One inverted residual's place.
#[derive(Clone, Copy)]
struct Place<'a> {
    prefix: &'a str,
    input: usize,
    expansion: usize,
    output: usize,
    /// Of the depthwise convolution.
    stride: usize,
    dilation: usize,
    /// Whether the input is added to the output.
    has_shortcut: bool,
    /// What stands behind it: the last block of a layer alone has such a place.
    norm: Option<NormPlace>,
}

impl MobileNetV2 {
    pub(super) fn new(config: &BackboneConfig) -> Self {
        let BackboneConfig { width_divisor, output_stride, normalization: places, .. } = *config;
        Self { width_divisor, output_stride, places }
    }

    pub(super) fn channels(&self) -> [usize; 4] {
        [32, 64, 320, LAST].map(|width| width / self.width_divisor)
    }

    pub(super) fn place_channels(&self) -> [usize; 7] {
        [0, 0, 16, 32, 64, 320, 0].map(|width| width / self.width_divisor)
    }

    pub(super) fn declare(&self, layout: &mut Layout) {
        declare_conv_norm(layout, "layer0.0", [STEM / self.width_divisor, 3, 3]);
        self.for_each_block(|place| {
            let Place { prefix, input, expansion, output, norm, .. } = place;
            if let Some(norm) = norm {
                self.places.declare(layout, &behind(prefix), norm, output);
            }
            let hidden = input * expansion;
            let mut part = 0;
            if expansion > 1 {
                declare_conv_norm(layout, &format!("{prefix}.conv.0"), [hidden, input, 1]);
                part = 1;
            }
            declare_conv_norm(layout, &format!("{prefix}.conv.{part}"), [hidden, 1, 3]);
            let [conv, norm] = projection(prefix, part);
            layout.conv(&conv, [output, hidden, 1], Init::KaimingFanOut);
            layout.batch_norm_layer(&norm, output, 0.0);
        });
        let [.., input, last] = self.channels();
        declare_conv_norm(layout, "layer4.0", [last, input, 1]);
    }

    pub(super) fn run<M: Mode>(&self, pass: &mut Pass<'_, M>, image: M::T<4>) -> Stages<M> {
        let mut x = conv_norm_relu6(pass, "layer0.0", image, Conv::same3(2, 1));
        let mut ends = Vec::with_capacity(LAYERS.len());
        let mut whitened = Vec::new();
        self.for_each_block(|place| {
            x = run_block(pass, place, x.clone());
            if let Some(norm) = place.norm {
                let name = behind(place.prefix);
                x = self.places.apply(pass, &name, norm, x.clone(), &mut whitened);
                ends.push(x.clone());
            }
        });
        let [_, first, second, third] =
            ends.try_into().ok().expect("invariant: four layers of blocks");
        let last = conv_norm_relu6(pass, "layer4.0", third.clone(), Conv::POINTWISE);
        Stages { stages: [first, second, third, last], whitened }
    }

    /// Calls with each block, in order.
    fn for_each_block(&self, mut use_block: impl FnMut(Place<'_>)) {
        let mut input = STEM / self.width_divisor;
        for (layer, rows) in LAYERS.iter().enumerate() {
            // The stem is block 0 of its layer.
            let mut number = usize::from(layer == 0);
            for (row, rows_behind) in rows.iter().zip((0..rows.len()).rev()) {
                let output = row.width / self.width_divisor;
                for block in 0..row.blocks {
                    // Layers 2 and 3 have the strides to 16 and 32, as in a ResNet.
                    let (stride, dilation) = match (block, row.stride, layer) {
                        (0, 2, 2..) => stride_and_dilation(self.output_stride, layer),
                        (0, stride, _) => (stride, 1),
                        _ => (1, 1),
                    };
                    let prefix = format!("layer{layer}.{number}");
                    // The first block of a row has a stride or another width, and keeps having no
                    // shortcut where its stride became dilation.
                    let (prefix, has_shortcut) = (&*prefix, block > 0);
                    let is_last = rows_behind == 0 && block + 1 == row.blocks;
                    use_block(Place {
                        prefix,
                        input,
                        expansion: row.expansion,
                        output,
                        stride,
                        dilation,
                        has_shortcut,
                        norm: is_last.then(|| place_behind(layer)),
                    });
                    (input, number) = (output, number + 1);
                }
            }
        }
    }
}

fn run_block<M: Mode>(pass: &mut Pass<'_, M>, place: Place<'_>, x: M::T<4>) -> M::T<4> {
    let Place { prefix, input, expansion, stride, dilation, has_shortcut, .. } = place;
    let mut y = x.clone();
    let mut part = 0;
    if expansion > 1 {
        y = conv_norm_relu6(pass, &format!("{prefix}.conv.0"), y, Conv::POINTWISE);
        part = 1;
    }
    let depthwise = Conv { groups: input * expansion, ..Conv::same3(stride, dilation) };
    let y = conv_norm_relu6(pass, &format!("{prefix}.conv.{part}"), y, depthwise);
    let [conv, norm] = projection(prefix, part);
    let y = pass.conv(&conv, y, Conv::POINTWISE);
    let y = pass.batch_norm(&norm, y);
    if has_shortcut { M::add(x, y) } else { y }
}

/// The place behind the last block of a layer of [`LAYERS`].
fn place_behind(layer: usize) -> NormPlace {
    layer.checked_sub(1).map_or(NormPlace::MOBILE_STEM, NormPlace::stage)
}

/// Name of the norm behind a block.
fn behind(prefix: &str) -> String {
    format!("{prefix}.instance_norm_layer")
}

/// Names of the last convolution and its normalisation, behind part `part` of the block.
fn projection(prefix: &str, part: usize) -> [String; 2] {
    [1, 2].map(|behind| format!("{prefix}.conv.{}", part + behind))
}

fn declare_conv_norm(layout: &mut Layout, name: &str, shape: [usize; 3]) {
    layout.conv(&format!("{name}.0"), shape, Init::KaimingFanOut);
    layout.batch_norm_layer(&format!("{name}.1"), shape[0], 0.0);
}

fn conv_norm_relu6<M: Mode>(pass: &mut Pass<'_, M>, name: &str, x: M::T<4>, conv: Conv) -> M::T<4> {
    let x = pass.conv(&format!("{name}.0"), x, conv);
    M::relu6(pass.batch_norm(&format!("{name}.1"), x))
}
