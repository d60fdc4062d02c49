//! Instance normalisation with a gain and an offset per channel.

use crate::layout::{Init, Layout};
use crate::mode::Mode;
use crate::pass::Pass;

/// `name.weight` 1 and `name.bias` 0, without running statistics.
pub(crate) fn declare_affine(layout: &mut Layout, name: &str, channels: usize) {
    layout.push(format!("{name}.weight"), vec![channels], Init::Constant(1.0));
    layout.push(format!("{name}.bias"), vec![channels], Init::Constant(0.0));
}

/// [`Mode::instance_norm`], then gain and offset (`InstanceNorm2d(affine=True)`).
pub(crate) fn affine<M: Mode>(pass: &Pass<'_, M>, name: &str, x: M::T<4>) -> M::T<4> {
    gain_and_offset(pass, name, M::instance_norm(x))
}

/// `x * name.weight + name.bias`, per channel of `[B, C, H, W]`.
pub(crate) fn gain_and_offset<M: Mode>(pass: &Pass<'_, M>, name: &str, x: M::T<4>) -> M::T<4> {
    let [_, channels, _, _] = M::dims(&x);
    let per_channel = |part: &str| {
        M::reshape(pass.parameter::<1>(&format!("{name}.{part}")), [1, channels, 1, 1])
    };
    M::add(M::mul(x, per_channel("weight")), per_channel("bias"))
}
