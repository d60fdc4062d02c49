//! DeepLabV2 as published: four dilated classifiers on the last stage, summed.
//!
//! Source: Chen et al., PAMI 2018, "LargeFOV" in four branches. Tensor names as in its usual PyTorch
//! versions (`layer5.conv2d_list`). There is no layer of features that a memory could read.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::network::Widths;
use crate::pass::Pass;

use crate::deeplab_v2::RATES;

/// Standard deviation of a classifier's initial weights.
const INITIAL_DEVIATION: f64 = 0.01;

/// Declares the classifiers.
pub(crate) fn declare(layout: &mut Layout, stages: [usize; 4], widths: Widths) {
    for branch in 0..RATES.len() {
        let name = format!("layer5.conv2d_list.{branch}");
        let shape = [widths.classes, stages[3], 3];
        layout.conv(&name, shape, Init::Normal(INITIAL_DEVIATION));
        layout.push(format!("{name}.bias"), vec![widths.classes], Init::Constant(0.0));
    }
}

/// The last stage to logits `[B, K, h, w]`.
pub(crate) fn decode<M: Mode>(pass: &Pass<'_, M>, x: M::T<4>, rates: &[usize]) -> M::T<4> {
    let branches = rates.iter().enumerate().map(|(branch, &rate)| {
        let name = format!("layer5.conv2d_list.{branch}");
        pass.conv_bias(&name, x.clone(), Conv::same3(1, rate))
    });
    branches.reduce(M::add::<4>).expect("invariant: there are four branches")
}
