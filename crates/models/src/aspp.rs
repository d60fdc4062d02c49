//! Atrous spatial pyramid pooling of DeepLabV3 and V3+, and the convolution behind it: F.
//!
//! Source: `_AtrousSpatialPyramidPoolingModule` in the reference, which puts the image-level
//! features first in the concatenation.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::pass::Pass;
use crate::resize::resize_bilinear;

/// Dilations of the 3x3 branches.
pub(crate) const BRANCHES: usize = 3;

/// Declares the branches, of `input` channels, in the reference's order.
pub(crate) fn declare(layout: &mut Layout, [input, feature]: [usize; 2]) {
    for branch in 0..=BRANCHES {
        let kernel = if branch == 0 { 1 } else { 3 };
        let name = format!("aspp.features.{branch}");
        layout.conv(&format!("{name}.0"), [feature, input, kernel], Init::KaimingFanIn);
        layout.batch_norm_layer(&format!("{name}.1"), feature, 0.0);
    }
    layout.conv("aspp.img_conv.0", [feature, input, 1], Init::KaimingFanIn);
    layout.batch_norm_layer("aspp.img_conv.1", feature, 0.0);
}

/// Declares the convolution that joins the branches.
pub(crate) fn declare_join(layout: &mut Layout, feature: usize) {
    layout.conv("bot_aspp.0", [feature, (BRANCHES + 2) * feature, 1], Init::KaimingFanIn);
    layout.batch_norm_layer("bot_aspp.1", feature, 0.0);
}

/// The last stage to F, `[B, feature, h, w]`.
pub(crate) fn run<M: Mode>(pass: &mut Pass<'_, M>, x: M::T<4>, rates: &[usize]) -> M::T<4> {
    let [_, _, height, width] = M::dims(&x);
    let pooled = M::mean_pixels(x.clone());
    let pooled =
        pass.conv_norm_relu(["aspp.img_conv.0", "aspp.img_conv.1"], pooled, Conv::POINTWISE);
    let mut branches = vec![resize_bilinear::<M>(pooled, [height, width])];
    for branch in 0..=BRANCHES {
        let conv = match branch {
            0 => Conv::POINTWISE,
            _ => Conv::same3(1, rates[branch - 1]),
        };
        let [conv_name, norm_name] = [0, 1].map(|part| format!("aspp.features.{branch}.{part}"));
        branches.push(pass.conv_norm_relu([&conv_name, &norm_name], x.clone(), conv));
    }
    pass.conv_norm_relu(["bot_aspp.0", "bot_aspp.1"], M::cat(branches, 1), Conv::POINTWISE)
}
