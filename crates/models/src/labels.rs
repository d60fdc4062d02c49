//! Label maps on the host, and the tensors that losses and the memory need from them.

use burn::tensor::{DType, Device, Tensor};
use kernels::PixelLabels;

use crate::layout::tensor_from;
use crate::resize::align_corners_tap;

/// Train ids of a batch, on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelBatch {
    /// Images in the batch.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[B, H, W]`; ids of at least `classes` are ignored.
    pub train_ids: Vec<u8>,
}

/// Targets of a pixelwise cross entropy.
#[derive(Clone, Debug)]
pub struct PixelTargets {
    /// Train ids of `[B, H, W]` on the device; those that are no class are ignored.
    pub labels: PixelLabels,
    /// Number of pixels that count.
    pub valid: usize,
}

/// Membership of every feature pixel in every class.
#[derive(Clone, Debug)]
pub struct ClassWeights {
    /// `[N, K]` with N = B h w.
    pub weights: Tensor<2>,
    /// Sum over the pixels per class, `[K]`.
    pub totals: Vec<f64>,
}

/// How full-resolution labels become weights at feature resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelWeights {
    /// Bilinear resize of the one-hot labels, corners aligned (released code).
    Soft,
    /// The nearest label, one-hot (paper).
    Hard,
}

impl LabelBatch {
    /// Pixel targets at full resolution.
    #[must_use]
    pub fn targets(&self, classes: usize, device: &Device) -> PixelTargets {
        targets(&self.train_ids, [self.batch, self.height, self.width], classes, device)
    }

    /// Pixel targets at `[height, width]`, by the nearest label (`floor(i * scale)`).
    ///
    /// Source: `torch.nn.functional.interpolate(mode="nearest")` on the auxiliary labels.
    #[must_use]
    pub fn nearest_targets(
        &self,
        [height, width]: [usize; 2],
        classes: usize,
        device: &Device,
    ) -> PixelTargets {
        let ids = self.nearest([height, width]);
        targets(&ids, [self.batch, height, width], classes, device)
    }

    /// Class weights at feature resolution.
    #[must_use]
    pub fn class_weights(
        &self,
        [height, width]: [usize; 2],
        classes: usize,
        kind: LabelWeights,
        device: &Device,
        dtype: DType,
    ) -> ClassWeights {
        let pixels = self.batch * height * width;
        let mut weights = vec![0.0; pixels * classes];
        match kind {
            LabelWeights::Soft => self.add_soft_weights([height, width], classes, &mut weights),
            LabelWeights::Hard => {
                for (pixel, &id) in self.nearest([height, width]).iter().enumerate() {
                    if usize::from(id) < classes {
                        weights[pixel * classes + usize::from(id)] = 1.0;
                    }
                }
            }
        }
        let totals =
            (0..classes).map(|class| weights.iter().skip(class).step_by(classes).sum()).collect();
        let weights = tensor_from(&weights, device, dtype).reshape([pixels, classes]);
        ClassWeights { weights, totals }
    }

    fn nearest(&self, [height, width]: [usize; 2]) -> Vec<u8> {
        let mut ids = Vec::with_capacity(self.batch * height * width);
        for image in self.train_ids.chunks_exact(self.height * self.width) {
            for y in 0..height {
                let row = (y * self.height / height) * self.width;
                ids.extend((0..width).map(|x| image[row + x * self.width / width]));
            }
        }
        ids
    }

    fn add_soft_weights(&self, [height, width]: [usize; 2], classes: usize, weights: &mut [f64]) {
        let columns: Vec<_> = (0..width).map(|x| align_corners_tap(x, self.width, width)).collect();
        let mut pixel = 0;
        for image in self.train_ids.chunks_exact(self.height * self.width) {
            for y in 0..height {
                let (top, bottom, down) = align_corners_tap(y, self.height, height);
                for &(left, right, across) in &columns {
                    let slots = &mut weights[pixel * classes..(pixel + 1) * classes];
                    let mut add = |row: usize, column: usize, weight: f64| {
                        let id = usize::from(image[row * self.width + column]);
                        if id < classes {
                            slots[id] += weight;
                        }
                    };
                    add(top, left, (1.0 - down) * (1.0 - across));
                    add(top, right, (1.0 - down) * across);
                    add(bottom, left, down * (1.0 - across));
                    add(bottom, right, down * across);
                    pixel += 1;
                }
            }
        }
    }
}

fn targets(ids: &[u8], shape: [usize; 3], classes: usize, device: &Device) -> PixelTargets {
    let labels = PixelLabels::upload(ids, shape, device);
    PixelTargets { valid: labels.counted(classes) as usize, labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_weights_of_a_pixel_sum_to_the_share_of_labelled_neighbours() {
        let labels = LabelBatch {
            batch: 1,
            height: 3,
            width: 3,
            train_ids: vec![0, 1, 1, 0, 255, 1, 2, 2, 2],
        };
        let device = Device::flex();
        let weights = labels.class_weights([2, 2], 3, LabelWeights::Soft, &device, DType::F64);
        // Corners are aligned: the four output pixels are the four corner labels.
        let values: Vec<f64> = weights.weights.try_into_vec_as().unwrap();
        assert_eq!(values, [1., 0., 0., 0., 1., 0., 0., 0., 1., 0., 0., 1.]);
        assert_eq!(weights.totals, [1.0, 1.0, 2.0]);
    }

    #[test]
    fn an_ignored_pixel_is_not_counted() {
        let labels = LabelBatch { batch: 1, height: 1, width: 3, train_ids: vec![255, 2, 30] };
        let targets = labels.targets(19, &Device::flex());
        assert_eq!(targets.valid, 1);
    }
}
