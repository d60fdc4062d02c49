//! Inner products and norms, as the references compute them.

/// The smallest norm that anything is divided by, as in `torch.nn.functional.normalize`.
pub(crate) const SMALLEST_NORM: f64 = 1e-12;

/// The inner product.
pub(crate) fn inner_product(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// The Euclidean norm.
pub(crate) fn norm(values: &[f64]) -> f64 {
    inner_product(values, values).sqrt()
}

/// What a normalisation divides by; a norm that is not a number stays one.
pub(crate) fn norm_divisor(values: &[f64]) -> f64 {
    let norm = norm(values);
    if norm < SMALLEST_NORM { SMALLEST_NORM } else { norm }
}
