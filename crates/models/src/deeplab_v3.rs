//! DeepLabV3: ASPP, and a 3x3 convolution before the classifier.
//!
//! Source: `network/deepv3.py` of the reference, which is its DeepLabV3+ without the first stage;
//! Chen et al., 2017, have the classifier directly behind the ASPP.

use crate::aspp;
use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::network::Widths;
use crate::pass::Pass;

/// Declares the head behind the last stage.
pub(crate) fn declare(layout: &mut Layout, stages: [usize; 4], widths: Widths) {
    let Widths { feature, classes, .. } = widths;
    aspp::declare(layout, [stages[3], feature]);
    aspp::declare_join(layout, feature);
    layout.conv("final1.0", [feature, feature, 3], Init::KaimingFanIn);
    layout.batch_norm_layer("final1.1", feature, 0.0);
    layout.conv("final2.0", [classes, feature, 1], Init::KaimingFanIn);
    layout.push("final2.0.bias".to_owned(), vec![classes], Init::Constant(0.0));
}

/// F, or R, to logits `[B, K, h, w]`; DeepLabV2 of the reference decodes alike.
pub(crate) fn decode<M: Mode>(pass: &mut Pass<'_, M>, feature: M::T<4>) -> M::T<4> {
    let x = pass.conv_norm_relu(["final1.0", "final1.1"], feature, Conv::same3(1, 1));
    pass.conv_bias("final2.0", x, Conv::POINTWISE)
}
