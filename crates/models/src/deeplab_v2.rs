//! DeepLabV2 as in the reference: four dilated branches of 256 channels, summed to F.
//!
//! Source: `network/deepv2.py`, output stride 8. Differences from Chen et al., PAMI 2018, for which
//! see `deeplab_v2_original.rs`: branches of features with batch normalisation instead of logits,
//! and two convolutions behind their sum, which is what the memory reads.

use crate::deeplab_v3;
use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::network::Widths;
use crate::pass::Pass;

/// Dilations of the branches.
pub(crate) const RATES: [usize; 4] = [6, 12, 18, 24];

/// Declares the head behind the last stage.
pub(crate) fn declare(layout: &mut Layout, stages: [usize; 4], widths: Widths) {
    let Widths { feature, classes, .. } = widths;
    for branch in 0..RATES.len() {
        let name = format!("aspp.conv2d_list.{branch}");
        layout.conv(&format!("{name}.0"), [feature, stages[3], 3], Init::KaimingFanIn);
        layout.batch_norm_layer(&format!("{name}.1"), feature, 0.0);
    }
    layout.conv("final1.0", [feature, feature, 3], Init::KaimingFanIn);
    layout.batch_norm_layer("final1.1", feature, 0.0);
    layout.conv("final2.0", [classes, feature, 1], Init::KaimingFanIn);
    layout.push("final2.0.bias".to_owned(), vec![classes], Init::Constant(0.0));
}

/// The last stage to F, `[B, feature, h, w]`.
pub(crate) fn encode<M: Mode>(pass: &mut Pass<'_, M>, x: M::T<4>, rates: &[usize]) -> M::T<4> {
    let branches = rates.iter().enumerate().map(|(branch, &rate)| {
        let [conv, norm] = [0, 1].map(|part| format!("aspp.conv2d_list.{branch}.{part}"));
        pass.conv_norm_relu([&conv, &norm], x.clone(), Conv::same3(1, rate))
    });
    let sum = branches.reduce(M::add::<4>);
    sum.expect("invariant: there are four branches")
}

/// F, or R, to logits `[B, K, h, w]`.
pub(crate) fn decode<M: Mode>(pass: &mut Pass<'_, M>, feature: M::T<4>) -> M::T<4> {
    deeplab_v3::decode(pass, feature)
}
