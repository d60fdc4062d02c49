//! The loss of instance whitening: covariances between channels that ought to be zero.
//!
//! Source: Choi et al., CVPR 2021, Eq. 7-13; `instance_whitening_loss` of RobustNet. IW counts
//! every pair of channels, IRW forgives a part of their sum, ISW counts the pairs that a change of
//! colours changes ([`sensitivity`](super::sensitivity)).

use burn::tensor::{DType, Device, Tensor};

use crate::layout::tensor_from;
use crate::mode::Mode;
use crate::normalization::sensitivity::SensitivePairs;

/// Which covariances of one layer count, and how much of their sum is forgiven.
#[derive(Clone, Debug)]
pub struct CovarianceMask {
    /// 1 where an entry counts, `[1, C, C]`; nothing on or below the diagonal.
    mask: Tensor<3>,
    /// Entries that count.
    count: usize,
    /// Forgiven part of the sum over one image.
    margin: f64,
}

impl CovarianceMask {
    /// All pairs of channels: IW with a `relaxation` of 0, else IRW, which forgives
    /// `floor(pairs / relaxation)`.
    #[must_use]
    pub fn all_pairs(channels: usize, relaxation: f64, device: &Device, dtype: DType) -> Self {
        let pairs = channels * channels.saturating_sub(1) / 2;
        let margin = if relaxation > 0.0 { (pairs as f64 / relaxation).floor() } else { 0.0 };
        let above = |entry: usize| entry / channels < entry % channels;
        Self::new((0..channels * channels).map(above), [pairs, channels], (device, dtype), margin)
    }

    /// The sensitive pairs: ISW.
    #[must_use]
    pub fn sensitive(pairs: &SensitivePairs, device: &Device, dtype: DType) -> Self {
        let entries = pairs.entries().iter().copied();
        Self::new(entries, [pairs.count(), pairs.channels()], (device, dtype), 0.0)
    }

    fn new(
        counts: impl Iterator<Item = bool>,
        [count, channels]: [usize; 2],
        (device, dtype): (&Device, DType),
        margin: f64,
    ) -> Self {
        let values: Vec<f64> = counts.map(|counts| f64::from(u8::from(counts))).collect();
        let device = device.clone().without_autodiff();
        let mask = tensor_from(&values, &device, dtype).reshape([1, channels, channels]);
        Self { mask, count, margin }
    }
}

/// Mean over layers and images of `max(0, (sum |covariance| - margin) / count)` over the entries
/// that count; `maps` and `masks` belong together in order.
///
/// A layer of which no entry counts has no loss. The reference also adds 1e-5 to the covariance's
/// diagonal, which no mask keeps.
/// Shapes: each map `[B, C, H, W]`, as whitening gave it; result `[1]`.
///
/// # Panics
/// If there is no map, or not a mask for each: a bug of the caller.
pub fn whitening_loss<M: Mode>(maps: &[M::T<4>], masks: &[CovarianceMask]) -> M::T<1> {
    assert_eq!(maps.len(), masks.len(), "one mask per whitening map");
    let share = 1.0 / maps.len() as f64;
    let total = maps
        .iter()
        .zip(masks)
        .map(|(map, mask)| layer_loss::<M>(map.clone(), mask))
        .reduce(M::add)
        .expect("a network with this loss has a whitening layer");
    M::scale(total, share)
}

/// The loss of one layer, a mean over the images.
fn layer_loss<M: Mode>(map: M::T<4>, mask: &CovarianceMask) -> M::T<1> {
    let [batch, _, _, _] = M::dims(&map);
    let counted = M::mul(covariance::<M>(map), M::constant(mask.mask.clone()));
    let negative = M::relu(M::scale(counted.clone(), -1.0));
    let absolute = M::add(M::relu(counted), negative);
    let sums = M::linear(absolute, |x| x.sum_dims(&[1, 2]));
    let margin = M::value(&sums).without_autodiff().full_like(-mask.margin);
    let excess = M::scale(M::add(sums, M::constant(margin)), 1.0 / mask.count.max(1) as f64);
    M::linear(M::relu(excess), |x| x.sum().mul_scalar(1.0 / batch as f64))
}

/// `f f^T / (H W - 1)` per image: `[B, C, H, W]` to `[B, C, C]`.
pub(crate) fn covariance<M: Mode>(map: M::T<4>) -> M::T<3> {
    let [batch, channels, height, width] = M::dims(&map);
    let rows = M::reshape(map, [batch, channels, height * width]);
    let products = M::matmul(rows.clone(), M::permute(rows, [0, 2, 1]));
    // A single pixel is its own mean: its map is 0, and so is its covariance.
    M::scale(products, 1.0 / (height * width).saturating_sub(1).max(1) as f64)
}
