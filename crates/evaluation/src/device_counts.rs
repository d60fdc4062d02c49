//! The confusion matrix of images whose predictions stay on the device.

use burn::tensor::{DType, Device, Int, Tensor};
use kernels::{PixelIds, add_confusion};

use crate::confusion::ConfusionMatrix;

/// Pixels that may be under way on the device before their counts are fetched: enough for it to work
/// ahead of the host, far below what a count of 32 bits holds.
const PIXELS_UNDER_WAY: usize = 1 << 25;

/// No label map's id of a class.
const NO_CLASS: u8 = 255;

/// Counts on a device, and on the host those that were fetched.
pub(crate) struct DeviceCounts {
    fetched: ConfusionMatrix,
    counts: Tensor<2, Int>,
    pixels: usize,
}

impl DeviceCounts {
    /// Starts with no pixel counted.
    pub(crate) fn new(classes: usize, device: &Device) -> Self {
        let counts = Tensor::zeros([classes, classes], (device, DType::I32));
        Self { fetched: ConfusionMatrix::new(classes), counts, pixels: 0 }
    }

    /// Counts one prediction, as [`ConfusionMatrix::add`].
    pub(crate) fn add(&mut self, truth: &[u8], prediction: &PixelIds, ignore_id: u8) {
        let mark = |&id: &u8| if id == ignore_id { NO_CLASS } else { id };
        let truth: Vec<u8> = truth.iter().map(mark).collect();
        let truth = PixelIds::upload(&truth, prediction.shape(), &self.counts.device());
        if self.pixels.saturating_add(truth.pixels()) > PIXELS_UNDER_WAY {
            self.fetch();
        }
        self.pixels += truth.pixels();
        self.counts = add_confusion(self.counts.clone(), &truth, prediction);
    }

    /// Everything counted.
    pub(crate) fn finish(mut self) -> ConfusionMatrix {
        self.fetch();
        self.fetched
    }

    /// Moves the counts to the host, which waits for the device.
    fn fetch(&mut self) {
        let counts = self.counts.clone();
        let [classes, _] = counts.dims();
        self.counts = counts.zeros_like();
        self.pixels = 0;
        let counts: Vec<i32> = counts.try_into_vec_as().expect("the device counts pixels");
        let row = |row: &[i32]| row.iter().map(|&count| u64::from(count as u32)).collect();
        let rows: Vec<Vec<u64>> = counts.chunks_exact(classes).map(row).collect();
        let part = ConfusionMatrix::try_from(rows).expect("a square matrix of 32-bit counts");
        self.fetched.merge(&part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_host_over_several_fetches() {
        let device = Device::flex();
        let mut expected = ConfusionMatrix::new(3);
        let mut counts = DeviceCounts::new(3, &device);
        for fetches in 0..3 {
            // Id 1 is the ignored one, though a class.
            let (truth, prediction) = ([0, 1, 2, 2, 7, 255, 0], [0, 1, 2, fetches, 1, 0, 2]);
            expected.add(&truth, &prediction, 1);
            counts.add(&truth, &PixelIds::upload(&prediction, [1, 1, 7], &device), 1);
            counts.fetch();
        }
        assert_eq!(counts.finish(), expected);
        assert_eq!(expected.total(), 12);
    }
}
