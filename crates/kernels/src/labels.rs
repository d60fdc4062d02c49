//! Integer labels on a device, and how they weigh where the feature pixels are.

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use shaders::memory_write_sums::Tap;

use crate::launch::compiles_wgsl;
use crate::pixel_ids::PixelIds;
use crate::resize::{align_corners_tap, nearest_input};

/// How full-resolution labels become weights at feature resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelWeights {
    /// Bilinear resize of the one-hot labels, corners aligned (released code).
    Soft,
    /// The nearest label, one-hot (paper).
    Hard,
}

/// Train ids of a batch, `[B, H, W]`, uploaded as bytes where shaders read them.
#[derive(Clone, Debug)]
pub struct LabelMaps {
    size: [usize; 3],
    train_ids: Arc<[u8]>,
    /// Four ids to a word, the first in the lowest byte; absent where no shader runs.
    words: Option<Tensor<1, Int>>,
}

impl LabelMaps {
    /// Uploads the train ids of images of `size`, `[B, H, W]`.
    ///
    /// # Panics
    ///
    /// If there are not B H W of them.
    #[must_use]
    pub fn new(train_ids: &[u8], size: [usize; 3], device: &Device) -> Self {
        Self::uploaded(train_ids, &PixelIds::upload(train_ids, size, device))
    }

    /// The train ids of images, which are on a device already.
    ///
    /// # Panics
    ///
    /// If there are not as many of them there.
    #[must_use]
    pub fn uploaded(train_ids: &[u8], ids: &PixelIds) -> Self {
        assert_eq!(train_ids.len(), ids.pixels(), "train ids of {:?}", ids.shape());
        let words = &ids.words;
        let words =
            (compiles_wgsl(&words.device()) && !train_ids.is_empty()).then(|| words.clone());
        Self { size: ids.shape(), train_ids: train_ids.into(), words }
    }

    /// `[B, H, W]`.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The weight of every class at every feature pixel of `[height, width]` maps, `[B h w, K]`
    /// row-major; ids of at least `classes` weigh nothing.
    #[must_use]
    pub fn weights(
        &self,
        [height, width]: [usize; 2],
        classes: usize,
        kind: LabelWeights,
    ) -> Vec<f64> {
        let [batch, label_height, label_width] = self.size;
        let (rows, columns) = (kind.taps(label_height, height), kind.taps(label_width, width));
        let mut weights = vec![0.0; batch * height * width * classes];
        let mut pixels = weights.chunks_exact_mut(classes);
        for image in self.train_ids.chunks_exact((label_height * label_width).max(1)) {
            for row in &rows {
                for (column, slots) in columns.iter().zip(&mut pixels) {
                    let mut add = |y: usize, x: usize, weight: f64| {
                        let id = usize::from(image[y * label_width + x]);
                        if id < classes {
                            slots[id] += weight;
                        }
                    };
                    add(row.low, column.low, row.low_weight * column.low_weight);
                    add(row.low, column.high, row.low_weight * column.high_weight);
                    add(row.high, column.low, row.high_weight * column.low_weight);
                    add(row.high, column.high, row.high_weight * column.high_weight);
                }
            }
        }
        weights
    }

    /// The bytes on the device, if shaders can read them there.
    pub(crate) fn words(&self) -> Option<&Tensor<1, Int>> {
        self.words.as_ref()
    }

    /// The taps of feature maps of `[height, width]`: rows, then columns; each low, high, and the
    /// bits of their weights.
    pub(crate) fn taps(
        &self,
        [height, width]: [usize; 2],
        kind: LabelWeights,
        device: &Device,
    ) -> Tensor<1, Int> {
        let [_, label_height, label_width] = self.size;
        let taps = kind.taps(label_height, height).into_iter().chain(kind.taps(label_width, width));
        let words = taps.flat_map(|tap| {
            let weight = |weight: f64| (weight as f32).to_bits().cast_signed();
            [tap.low as i32, tap.high as i32, weight(tap.low_weight), weight(tap.high_weight)]
        });
        integers(words.collect(), device)
    }
}

impl LabelWeights {
    /// Where each of `features` rows or columns looks at `labels` rows or columns.
    fn taps(self, labels: usize, features: usize) -> Vec<Tap> {
        let tap = |feature| match self {
            Self::Soft => {
                let (low, high, share) = align_corners_tap(feature, labels, features);
                Tap { low, high, low_weight: 1.0 - share, high_weight: share }
            }
            Self::Hard => {
                let nearest = nearest_input(feature, labels, features);
                Tap { low: nearest, high: nearest, low_weight: 1.0, high_weight: 0.0 }
            }
        };
        (0..features).map(tap).collect()
    }
}

fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let len = values.len();
    let device = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(values, [len]), (&device, DType::I32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_weights_of_a_pixel_sum_to_the_share_of_labelled_neighbours() {
        let labels = LabelMaps::new(&[0, 1, 1, 0, 255, 1, 2, 2, 2], [1, 3, 3], &Device::flex());
        // Corners are aligned: the four output pixels are the four corner labels.
        let corners = labels.weights([2, 2], 3, LabelWeights::Soft);
        assert_eq!(corners, [1., 0., 0., 0., 1., 0., 0., 0., 1., 0., 0., 1.]);
        // Four pixels to a side look at 0, 2/3, 4/3 and 2: the second of the second row looks at
        // the first four labels, of which the ignored one has 2/3 of 2/3.
        let weights = labels.weights([4, 4], 3, LabelWeights::Soft);
        let sum: f64 = weights[15..18].iter().sum();
        assert!((sum - 5.0 / 9.0).abs() < 1e-15, "{sum}"); // a few roundings of f64
    }

    #[test]
    fn no_weight_of_a_tap_is_too_small_for_a_product_in_f32() {
        for labels in (2..2000).chain([4096, 65_535]) {
            for features in [2, 3, 7, 48, 49, 97, 121, 1001] {
                for tap in LabelWeights::Soft.taps(labels, features) {
                    for weight in [tap.low_weight, tap.high_weight] {
                        let in_f32 = weight as f32;
                        assert_eq!(in_f32 == 0.0, weight == 0.0);
                        assert!(weight == 0.0 || in_f32 * in_f32 >= f32::MIN_POSITIVE);
                    }
                }
            }
        }
    }
}
