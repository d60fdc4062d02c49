//! Label maps on the host, and the tensors that losses and the memory need from them.

use std::collections::BTreeSet;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

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
    /// Class per pixel, `[B, 1, H, W]`; 0 where ignored.
    pub index: Tensor<4, Int>,
    /// 1 where a pixel counts, else 0; `[B, 1, H, W]`.
    pub counted: Tensor<4>,
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
    pub fn targets(&self, classes: usize, device: &Device, dtype: DType) -> PixelTargets {
        targets(&self.train_ids, [self.batch, self.height, self.width], classes, (device, dtype))
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
        dtype: DType,
    ) -> PixelTargets {
        let ids = self.nearest([height, width]);
        targets(&ids, [self.batch, height, width], classes, (device, dtype))
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

    /// Which classes have any weight at feature resolution: those whose slots a write moves.
    #[must_use]
    pub fn present_classes(
        &self,
        [height, width]: [usize; 2],
        classes: usize,
        kind: LabelWeights,
    ) -> Vec<bool> {
        let mut present = vec![false; classes];
        let mut meet = |id: u8| {
            if let Some(class) = present.get_mut(usize::from(id)) {
                *class = true;
            }
        };
        match kind {
            LabelWeights::Hard => self.nearest([height, width]).into_iter().for_each(meet),
            LabelWeights::Soft => {
                let rows = touched(self.height, height);
                let columns = touched(self.width, width);
                for image in self.train_ids.chunks_exact(self.height * self.width) {
                    for row in &rows {
                        columns.iter().for_each(|column| meet(image[row * self.width + column]));
                    }
                }
            }
        }
        present
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

/// The labels of a row or column, `from` of them, that have weight in a bilinear resize to `to`.
fn touched(from: usize, to: usize) -> BTreeSet<usize> {
    let taps = (0..to).map(|index| align_corners_tap(index, from, to));
    let weighted = taps.flat_map(|(low, high, up)| [(low, 1.0 - up), (high, up)]);
    weighted.filter(|(_, weight)| *weight > 0.0).map(|(index, _)| index).collect()
}

fn targets(
    ids: &[u8],
    [batch, height, width]: [usize; 3],
    classes: usize,
    (device, dtype): (&Device, DType),
) -> PixelTargets {
    let shape = [batch, 1, height, width];
    let counts = |id: &u8| usize::from(*id) < classes;
    let index: Vec<i32> =
        ids.iter().map(|id| if counts(id) { i32::from(*id) } else { 0 }).collect();
    let counted: Vec<f64> = ids.iter().map(|id| f64::from(u8::from(counts(id)))).collect();
    PixelTargets {
        index: Tensor::from_data(TensorData::new(index, shape), (device, DType::I32)),
        counted: tensor_from(&counted, device, dtype).reshape(shape),
        valid: ids.iter().filter(|id| counts(id)).count(),
    }
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
    fn a_class_is_present_where_its_weights_have_a_sum() {
        let ids = (0..2 * 7 * 9).map(|at| [0, 1, 2, 3, 255, 4, 7][at * at % 47 % 7]).collect();
        let labels = LabelBatch { batch: 2, height: 7, width: 9, train_ids: ids };
        for kind in [LabelWeights::Soft, LabelWeights::Hard] {
            for size in [[1, 1], [2, 2], [3, 4], [7, 9]] {
                let weights = labels.class_weights(size, 6, kind, &Device::flex(), DType::F64);
                let expected: Vec<bool> = weights.totals.iter().map(|&sum| sum != 0.0).collect();
                let found = labels.present_classes(size, 6, kind);
                assert_eq!(found, expected, "{kind:?} at {size:?}");
            }
        }
    }

    #[test]
    fn an_ignored_pixel_is_not_counted() {
        let labels = LabelBatch { batch: 1, height: 1, width: 3, train_ids: vec![255, 2, 30] };
        let targets = labels.targets(19, &Device::flex(), DType::F32);
        assert_eq!(targets.valid, 1);
    }
}
