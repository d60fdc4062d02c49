//! DeepLabV3+: ASPP, and a decoder that joins F with the first stage.
//!
//! Source: `network/deepv3plus.py` and Chen et al., ECCV 2018. Differences from the paper that the
//! reference has and we keep: every resize aligns corners, and the image-level features come first
//! in the concatenation of the ASPP.

use crate::aspp;
use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::network::Widths;
use crate::pass::Pass;
use crate::resize::resize_bilinear;

/// Declares the head behind the four stages.
pub(crate) fn declare(layout: &mut Layout, stages: [usize; 4], widths: Widths) {
    let Widths { feature, fine, classes, .. } = widths;
    aspp::declare(layout, [stages[3], feature]);
    layout.conv("bot_fine.0", [fine, stages[0], 1], Init::KaimingFanIn);
    layout.batch_norm_layer("bot_fine.1", fine, 0.0);
    aspp::declare_join(layout, feature);
    layout.conv("final1.0", [feature, fine + feature, 3], Init::KaimingFanIn);
    layout.batch_norm_layer("final1.1", feature, 0.0);
    layout.conv("final1.3", [feature, feature, 3], Init::KaimingFanIn);
    layout.batch_norm_layer("final1.4", feature, 0.0);
    layout.conv("final2.0", [classes, feature, 1], Init::KaimingFanIn);
    layout.push("final2.0.bias".to_owned(), vec![classes], Init::Constant(0.0));
}

/// The first stage and F, or R, to logits `[B, K, h, w]` at the stage's resolution: `H/4`, or `H/8`
/// for backbones whose first stage ends there.
pub(crate) fn decode<M: Mode>(
    pass: &mut Pass<'_, M>,
    low_level: M::T<4>,
    feature: M::T<4>,
) -> M::T<4> {
    let [_, _, height, width] = M::dims(&low_level);
    let fine = pass.conv_norm_relu(["bot_fine.0", "bot_fine.1"], low_level, Conv::POINTWISE);
    let coarse = resize_bilinear::<M>(feature, [height, width]);
    let x = M::cat(vec![fine, coarse], 1);
    let x = pass.conv_norm_relu(["final1.0", "final1.1"], x, Conv::same3(1, 1));
    let x = pass.conv_norm_relu(["final1.3", "final1.4"], x, Conv::same3(1, 1));
    pass.conv_bias("final2.0", x, Conv::POINTWISE)
}
