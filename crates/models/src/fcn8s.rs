//! FCN-8s: classifiers on the stages at strides 32, 16 and 8, summed from coarse to fine.
//!
//! Source: Long et al., CVPR 2015, on other backbones: a 3x3 convolution on the last stage takes the
//! place of VGG's fully connected layers and gives F, resizes are bilinear with aligned corners, and
//! the stages' sizes are taken as they come, so that crops are not needed.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::network::Widths;
use crate::pass::Pass;
use crate::resize::resize_bilinear;

/// Declares the head behind the four stages; `skips` are the indices of two, the coarser first.
pub(crate) fn declare(layout: &mut Layout, stages: [usize; 4], skips: [usize; 2], widths: Widths) {
    let Widths { feature, classes, .. } = widths;
    layout.conv("fcn.0", [feature, stages[3], 3], Init::KaimingFanIn);
    layout.batch_norm_layer("fcn.1", feature, 0.0);
    let [coarse, fine] = skips.map(|stage| (classifier(stage), stages[stage]));
    for (name, input) in [("score.feature".to_owned(), feature), coarse, fine] {
        layout.conv(&name, [classes, input, 1], Init::KaimingFanIn);
        layout.push(format!("{name}.bias"), vec![classes], Init::Constant(0.0));
    }
}

/// The last stage to F, `[B, feature, h, w]`.
pub(crate) fn encode<M: Mode>(pass: &mut Pass<'_, M>, x: M::T<4>) -> M::T<4> {
    pass.conv_norm_relu(["fcn.0", "fcn.1"], x, Conv::same3(1, 1))
}

/// Two stages with their indices and F, or R, to logits `[B, K, H/8, W/8]`.
pub(crate) fn decode<M: Mode>(
    pass: &Pass<'_, M>,
    skips: [(usize, M::T<4>); 2],
    feature: M::T<4>,
) -> M::T<4> {
    let logits = pass.conv_bias("score.feature", feature, Conv::POINTWISE);
    skips.into_iter().fold(logits, |logits, (stage, skip)| {
        let skip = pass.conv_bias(&classifier(stage), skip, Conv::POINTWISE);
        let [_, _, height, width] = M::dims(&skip);
        M::add(resize_bilinear::<M>(logits, [height, width]), skip)
    })
}

/// The name of the classifier on a stage.
fn classifier(stage: usize) -> String {
    format!("score.stage{}", stage + 1)
}
