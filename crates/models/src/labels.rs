//! Label maps on the host, and the tensors that losses and the memory need from them.

use std::collections::BTreeSet;

use burn::tensor::Device;
use kernels::PixelLabels;
pub use kernels::{LabelMaps, LabelWeights};

use crate::resize::{align_corners_tap, nearest_input};

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

    /// The labels on `device`, for the memory.
    #[must_use]
    pub fn maps(&self, device: &Device) -> LabelMaps {
        LabelMaps::new(&self.train_ids, [self.batch, self.height, self.width], device)
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
                let row = nearest_input(y, self.height, height) * self.width;
                ids.extend((0..width).map(|x| image[row + nearest_input(x, self.width, width)]));
            }
        }
        ids
    }
}

/// The labels of a row or column, `from` of them, that have weight in a bilinear resize to `to`.
fn touched(from: usize, to: usize) -> BTreeSet<usize> {
    let taps = (0..to).map(|index| align_corners_tap(index, from, to));
    let weighted = taps.flat_map(|(low, high, up)| [(low, 1.0 - up), (high, up)]);
    weighted.filter(|(_, weight)| *weight > 0.0).map(|(index, _)| index).collect()
}

fn targets(ids: &[u8], shape: [usize; 3], classes: usize, device: &Device) -> PixelTargets {
    let labels = PixelLabels::upload(ids, shape, device);
    PixelTargets { valid: labels.counted(classes) as usize, labels }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Tensor};
    use kernels::{SumRule, class_sums};

    use super::*;

    #[test]
    fn a_class_is_present_where_its_weights_have_a_sum() {
        let ids = (0..2 * 7 * 9).map(|at| [0, 1, 2, 3, 255, 4, 7][at * at % 47 % 7]).collect();
        let labels = LabelBatch { batch: 2, height: 7, width: 9, train_ids: ids };
        let device = Device::flex();
        for kind in [LabelWeights::Soft, LabelWeights::Hard] {
            for size @ [height, width] in [[1, 1], [2, 2], [3, 4], [7, 9]] {
                let features = Tensor::<4>::ones([2, 1, height, width], (&device, DType::F64));
                let rule = SumRule { classes: 6, label_weights: kind, normalize: false };
                let totals = class_sums(features, &labels.maps(&device), rule).totals;
                let totals: Vec<f64> = totals.try_into_vec_as().unwrap();
                let expected: Vec<bool> = totals.iter().map(|&sum| sum != 0.0).collect();
                let found = labels.present_classes(size, 6, kind);
                assert_eq!(found, expected, "{kind:?} at {size:?}");
            }
        }
    }

    #[test]
    fn an_ignored_pixel_is_not_counted() {
        let labels = LabelBatch { batch: 1, height: 1, width: 3, train_ids: vec![255, 2, 30] };
        let targets = labels.targets(19, &Device::flex());
        assert_eq!(targets.valid, 1);
    }
}
