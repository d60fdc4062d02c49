//! Which covariances between channels a change of colours changes: the entries of ISW.
//!
//! Source: Choi et al., CVPR 2021, Eq. 9-12; `network/cov_settings.py` and `validate_for_cov_stat`
//! of RobustNet. The reference runs several trials over each data set and keeps the entries that
//! every one of them found.

use burn::tensor::Tensor;

use crate::mode::Plain;
use crate::normalization::k_means;
use crate::normalization::whitening_loss::covariance;
use crate::weights::HostTensor;

/// Why there are no sensitive pairs to find.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SensitivityError {
    /// The trial saw no image.
    #[error("covariance statistics: found no image, expected at least one")]
    NoImage,
    /// A covariance is NaN or infinite.
    #[error(
        "covariance statistics: whitening layer {layer} has a variance that is not finite; hint: \
         the network diverged before its statistics were taken"
    )]
    NotFinite {
        /// Position of the layer among the network's whitening layers.
        layer: usize,
    },
    /// A stored mask is not one.
    #[error(
        "covariance mask: found shape {shape:?}, expected [C, C] of zeros and ones, all ones \
             above the diagonal"
    )]
    NotAMask {
        /// Shape of what was found.
        shape: Vec<usize>,
    },
}

/// One trial over one data set: how much the covariances of each layer vary between two views.
#[derive(Clone, Debug, Default)]
pub struct CovarianceTrial {
    /// Sum over the images of the variance of each entry, per layer, `[C, C]`.
    sums: Vec<Tensor<2>>,
    images: usize,
}

impl CovarianceTrial {
    /// A trial that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one image by the whitening maps of its views, one map `[2, C, H, W]` per layer.
    ///
    /// The views are the strongly augmented and the original image, in evaluation mode.
    ///
    /// # Panics
    /// If the layers are not those of the image before, or a map is not of two views: a bug of the
    /// caller.
    pub fn add(&mut self, maps: &[Tensor<4>]) {
        let variances = maps.iter().map(variance_between_views);
        if self.images == 0 {
            self.sums = variances.collect();
        } else {
            assert_eq!(self.sums.len(), maps.len(), "the same layers for every image");
            self.sums =
                self.sums.drain(..).zip(variances).map(|(sum, variance)| sum + variance).collect();
        }
        self.images += 1;
    }

    /// Mean variance over the images, per layer, `[C, C]` row-major, 0 on and below the diagonal.
    ///
    /// # Errors
    /// If there was no image, or a value is not finite.
    ///
    /// # Panics
    /// If the device fails while it computes them.
    pub fn variances(&self) -> Result<Vec<Vec<f64>>, SensitivityError> {
        if self.images == 0 {
            return Err(SensitivityError::NoImage);
        }
        let read = |(layer, sum): (usize, &Tensor<2>)| {
            let values: Vec<f64> =
                sum.clone().try_into_vec_as().expect("the device computes the variances");
            let mean: Vec<f64> = values.iter().map(|x| x / self.images as f64).collect();
            match mean.iter().all(|x| x.is_finite()) {
                true => Ok(mean),
                false => Err(SensitivityError::NotFinite { layer }),
            }
        };
        self.sums.iter().enumerate().map(read).collect()
    }

    /// Per layer, the pairs outside the lowest of `clusters` clusters of all `C * C` variances.
    ///
    /// # Errors
    /// As [`CovarianceTrial::variances`].
    ///
    /// # Panics
    /// If there are no clusters, or the device fails.
    pub fn sensitive(&self, clusters: usize) -> Result<Vec<SensitivePairs>, SensitivityError> {
        let of_layer = |(variances, sum): (Vec<f64>, &Tensor<2>)| {
            let assignment = k_means::cluster(&variances, clusters).assignment;
            let entries = assignment.iter().map(|&cluster| cluster > 0).collect();
            SensitivePairs { channels: sum.dims()[0], entries }
        };
        Ok(self.variances()?.into_iter().zip(&self.sums).map(of_layer).collect())
    }
}

/// Unbiased variance of each covariance between the views of `[2, C, H, W]`, above the diagonal.
fn variance_between_views(map: &Tensor<4>) -> Tensor<2> {
    let [views, channels, _, _] = map.dims();
    assert_eq!(views, 2, "an augmented and an original view");
    let covariance = covariance::<Plain>(map.clone().without_autodiff());
    let [one, other] = [0, 1].map(|view| covariance.clone().slice_dim(0, view..view + 1));
    // Of two numbers: half the square of their difference.
    (one - other).square().mul_scalar(0.5).reshape([channels, channels]).triu(1)
}

/// The pairs of channels of one layer whose covariance is sensitive to colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensitivePairs {
    channels: usize,
    entries: Vec<bool>,
}

impl SensitivePairs {
    /// Channels of the layer.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Whether each entry is sensitive, `[C, C]` row-major; none on or below the diagonal.
    #[must_use]
    pub fn entries(&self) -> &[bool] {
        &self.entries
    }

    /// Number of sensitive pairs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.iter().filter(|sensitive| **sensitive).count()
    }

    /// The pairs that both trials found.
    ///
    /// # Panics
    /// If the layers differ: a bug of the caller.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        assert_eq!(self.channels, other.channels, "masks of one layer");
        let both = self.entries.iter().zip(&other.entries).map(|(a, b)| *a && *b);
        Self { channels: self.channels, entries: both.collect() }
    }

    /// Zeros and ones, `[C, C]`, for a checkpoint.
    #[must_use]
    pub fn to_host_tensor(&self) -> HostTensor {
        let values = self.entries.iter().map(|&sensitive| f32::from(u8::from(sensitive)));
        HostTensor { shape: vec![self.channels; 2], values: values.collect() }
    }

    /// What [`SensitivePairs::to_host_tensor`] gave.
    ///
    /// # Errors
    /// If the tensor is not such a mask.
    pub fn from_host_tensor(tensor: &HostTensor) -> Result<Self, SensitivityError> {
        let refused = || SensitivityError::NotAMask { shape: tensor.shape.clone() };
        let &[channels, columns] = tensor.shape.as_slice() else { return Err(refused()) };
        let entries: Vec<bool> = tensor.values.iter().map(|value| *value == 1.0).collect();
        let above = |entry: usize| entry / channels < entry % channels;
        let is_mask = channels == columns
            && channels.checked_mul(columns) == Some(entries.len())
            && tensor.values.iter().all(|value| [0.0, 1.0].contains(value))
            && entries.iter().enumerate().all(|(entry, sensitive)| !sensitive || above(entry));
        if is_mask { Ok(Self { channels, entries }) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};

    use super::*;
    use crate::layout::tensor_from;

    /// Maps of one pixel pair per channel: channel `c` of view `v` is `(x, -x)`, so the covariance
    /// of channels `a` and `b` is `2 x_a x_b`.
    fn map(views: [[f64; 3]; 2]) -> Tensor<4> {
        let values: Vec<f64> = views.iter().flatten().flat_map(|&x| [x, -x]).collect();
        tensor_from(&values, &Device::flex(), DType::F64).reshape([2, 3, 1, 2])
    }

    #[test]
    fn a_pair_whose_covariance_changes_between_views_is_sensitive() {
        let mut trial = CovarianceTrial::new();
        // Channel 2 changes its sign: its covariances with 0 and 1 change from 2 to -2 and from
        // 2 e-3 to -2 e-3.
        trial.add(&[map([[1.0, 1e-3, 1.0], [1.0, 1e-3, -1.0]])]);
        let pairs = trial.sensitive(2).unwrap();
        let at = |row: usize, column: usize| pairs[0].entries()[row * 3 + column];
        assert!(at(0, 2), "0 and 2 change most");
        assert_eq!(pairs[0].count(), 1, "a change of a thousandth is in the lowest cluster");
        // (2 - -2)^2 / 2, exact in f64.
        assert_eq!(trial.variances().unwrap()[0][2], 8.0);
    }

    #[test]
    fn the_variance_is_averaged_over_the_images() {
        let mut trial = CovarianceTrial::new();
        trial.add(&[map([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])]);
        trial.add(&[map([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])]);
        assert_eq!(trial.variances().unwrap()[0][1], 4.0);
    }

    #[test]
    fn pairs_that_only_one_trial_found_are_dropped() {
        let pairs = |entries: [bool; 4]| SensitivePairs { channels: 2, entries: entries.to_vec() };
        let found = pairs([false, true, false, false]);
        assert_eq!(found.intersection(&found).count(), 1);
        assert_eq!(found.intersection(&pairs([false; 4])).count(), 0);
    }

    #[test]
    fn a_trial_without_an_image_or_with_a_diverged_network_is_an_error() {
        let mut trial = CovarianceTrial::new();
        assert_eq!(trial.sensitive(3), Err(SensitivityError::NoImage));
        trial.add(&[map([[1.0; 3]; 2]), map([[f64::NAN, 1.0, 1.0], [1.0; 3]])]);
        assert_eq!(trial.sensitive(3), Err(SensitivityError::NotFinite { layer: 1 }));
    }

    #[test]
    fn a_mask_goes_through_a_checkpoint_and_another_tensor_is_refused() {
        let pairs = SensitivePairs { channels: 2, entries: vec![false, true, false, false] };
        let tensor = pairs.to_host_tensor();
        assert_eq!(SensitivePairs::from_host_tensor(&tensor).unwrap(), pairs);
        for (shape, values) in [
            (vec![2, 2], vec![0.0, 0.5, 0.0, 0.0]),
            (vec![2, 2], vec![1.0, 0.0, 0.0, 0.0]),
            (vec![1, 4], vec![0.0, 1.0, 0.0, 0.0]),
            (vec![2, 2], vec![0.0; 3]),
            (vec![0, 0], vec![1.0]),
            (vec![4], vec![0.0; 4]),
        ] {
            let refused = SensitivePairs::from_host_tensor(&HostTensor { shape, values });
            assert!(matches!(refused, Err(SensitivityError::NotAMask { .. })));
        }
    }
}
