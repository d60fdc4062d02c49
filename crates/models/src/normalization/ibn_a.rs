//! IBN-a: the first half of the channels is normalised by instance, the rest by batch.
//!
//! Source: Pan et al., ECCV 2018, Fig. 3a, in place of a residual block's first batch norm;
//! names (`name.IN`, `name.BN`) and the rounded-down half are those of the authors' weights.

use crate::layout::Layout;
use crate::mode::Mode;
use crate::normalization::instance;
use crate::pass::Pass;

pub(crate) fn declare(layout: &mut Layout, name: &str, channels: usize) {
    let half = channels / 2;
    instance::declare_affine(layout, &format!("{name}.IN"), half);
    layout.batch_norm_layer(&format!("{name}.BN"), channels - half, 0.0);
}

pub(crate) fn apply<M: Mode>(pass: &mut Pass<'_, M>, name: &str, x: M::T<4>) -> M::T<4> {
    let [_, channels, _, _] = M::dims(&x);
    let half = channels / 2;
    let by_instance =
        instance::affine(pass, &format!("{name}.IN"), M::channels(x.clone(), 0..half));
    let by_batch = pass.batch_norm(&format!("{name}.BN"), M::channels(x, half..channels));
    M::cat(vec![by_instance, by_batch], 1)
}
