//! Division by the L2 norm along an axis, as values and as pairs of value and derivative.

use burn::tensor::{Bool, Tensor};

/// The smallest norm that anything is divided by: `eps` of `torch.nn.functional.normalize`.
pub const SMALLEST_NORM: f64 = 1e-12;

/// Divides by the L2 norm along `axis`, or by [`SMALLEST_NORM`] where the norm is smaller: that
/// divisor is a constant.
pub fn l2_normalize<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let Norm { norm, .. } = Norm::of(&x, axis);
    x / norm
}

/// [`l2_normalize`] of `value` and its derivative along `tangent`; differentiable in both.
pub fn l2_normalize_pair<const D: usize>(
    value: Tensor<D>,
    tangent: Tensor<D>,
    axis: usize,
) -> (Tensor<D>, Tensor<D>) {
    let Norm { norm, is_constant } = Norm::of(&value, axis);
    let unit = value / norm.clone();
    // The norm's own derivative.
    let along = (unit.clone() * tangent.clone()).sum_dim(axis).mask_fill(is_constant, 0.0);
    let tangent = (tangent - unit.clone() * along) / norm;
    (unit, tangent)
}

struct Norm<const D: usize> {
    norm: Tensor<D>,
    /// Where the norm is clamped. Where it is just as small as that, `clamp_min` passes a gradient.
    is_constant: Tensor<D, Bool>,
}

impl<const D: usize> Norm<D> {
    fn of(x: &Tensor<D>, axis: usize) -> Self {
        const SMALLEST_SQUARE: f64 = SMALLEST_NORM * SMALLEST_NORM;
        let square = x.clone().square().sum_dim(axis);
        let is_constant = square.clone().lower_elem(SMALLEST_SQUARE);
        // Clamped before the root, whose slope at 0 would make a zero row's gradient NaN.
        Self { norm: square.clamp_min(SMALLEST_SQUARE).sqrt(), is_constant }
    }
}
