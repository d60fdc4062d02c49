//! The auxiliary head on the third stage.
//!
//! Source: `dsn` in the reference; Zhao et al., CVPR 2017.

use crate::layout::{Init, Layout};
use crate::mode::{Conv, Mode};
use crate::pass::Pass;

/// Declares the head: `input` channels to `middle` and to `classes`.
pub(crate) fn declare(layout: &mut Layout, [input, middle, classes]: [usize; 3]) {
    layout.conv("dsn.0", [middle, input, 3], Init::KaimingFanIn);
    layout.push("dsn.0.bias".to_owned(), vec![middle], Init::Constant(0.0));
    layout.batch_norm_layer("dsn.1", middle, 0.0);
    layout.conv("dsn.4", [classes, middle, 1], Init::KaimingFanIn);
    layout.push("dsn.4.bias".to_owned(), vec![classes], Init::Constant(0.0));
}

/// The third stage to auxiliary logits `[B, K, h, w]`.
pub(crate) fn run<M: Mode>(pass: &mut Pass<'_, M>, stage3: M::T<4>) -> M::T<4> {
    let x = pass.conv_bias("dsn.0", stage3, Conv::same3(1, 1));
    let x = M::relu(pass.batch_norm("dsn.1", x));
    let x = pass.dropout_channels(x);
    pass.conv_bias("dsn.4", x, Conv::POINTWISE)
}
