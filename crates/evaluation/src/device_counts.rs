//! The confusion matrix of images whose predictions stay on the device.

use burn::tensor::{DType, Device, Int, Tensor};
use kernels::{NO_CLASS, PixelIds, add_confusion};

use crate::confusion::ConfusionMatrix;

/// Pixels that may be under way on the device before their counts are fetched: enough for it to work
/// ahead of the host, far below what a count of 32 bits holds, and 32 MiB of kept predictions.
const PIXELS_UNDER_WAY: usize = 1 << 25;

/// Counts on a device, and on the host those that were fetched.
pub(crate) struct DeviceCounts {
    fetched: ConfusionMatrix,
    /// `[K + 1, K + 1]`, with those of no class.
    counts: Tensor<2, Int>,
    /// The numbers and predictions of the images that `counts` is of: should a pixel have no class,
    /// they tell whose it is, so that nobody asks the device after each image.
    under_way: Vec<(usize, PixelIds)>,
    pixels: usize,
    pixels_under_way: usize,
}

/// An image with scores that are NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotFinite {
    /// Its number.
    pub(crate) index: usize,
    /// How many of its pixels therefore have no class.
    pub(crate) pixels: usize,
    /// How many there are.
    pub(crate) of: usize,
}

impl DeviceCounts {
    /// Starts with no pixel counted.
    pub(crate) fn new(classes: usize, device: &Device) -> Self {
        Self::with_limit(classes, device, PIXELS_UNDER_WAY)
    }

    /// Starts with no pixel counted; counts are fetched before there are more than so many, but of
    /// one image.
    fn with_limit(classes: usize, device: &Device, pixels_under_way: usize) -> Self {
        let counts = Tensor::zeros([classes + 1, classes + 1], (device, DType::I32));
        let fetched = ConfusionMatrix::new(classes);
        Self { fetched, counts, under_way: Vec::new(), pixels: 0, pixels_under_way }
    }

    /// Counts the prediction of image `index`, as [`ConfusionMatrix::add`].
    ///
    /// # Errors
    /// Of the images since the last fetch, the first that has a pixel of no class.
    pub(crate) fn add(
        &mut self,
        index: usize,
        truth: &[u8],
        prediction: &PixelIds,
        ignore_id: u8,
    ) -> Result<(), NotFinite> {
        let mark = |&id: &u8| if id == ignore_id { NO_CLASS } else { id };
        let truth: Vec<u8> = truth.iter().map(mark).collect();
        let truth = PixelIds::upload(&truth, prediction.shape(), &self.counts.device());
        if self.pixels.saturating_add(truth.pixels()) > self.pixels_under_way {
            self.fetch()?;
        }
        self.pixels += truth.pixels();
        self.counts = add_confusion(self.counts.clone(), &truth, prediction);
        self.under_way.push((index, prediction.clone()));
        Ok(())
    }

    /// Everything counted.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(crate) fn finish(mut self) -> Result<ConfusionMatrix, NotFinite> {
        self.fetch()?;
        Ok(self.fetched)
    }

    /// Moves the counts to the host, which waits for the device.
    fn fetch(&mut self) -> Result<(), NotFinite> {
        let counts = self.counts.clone();
        let [side, _] = counts.dims();
        self.counts = counts.zeros_like();
        self.pixels = 0;
        let images = std::mem::take(&mut self.under_way);
        let counts: Vec<i32> = counts.try_into_vec_as().expect("the device counts pixels");
        let row = |row: &[i32]| row.iter().map(|&count| u64::from(count as u32)).collect();
        let mut rows: Vec<Vec<u64>> = counts.chunks_exact(side).map(row).collect();
        if rows.iter().any(|row| row[side - 1] > 0) {
            return Err(first_not_finite(images));
        }
        rows.truncate(side - 1);
        rows.iter_mut().for_each(|row| row.truncate(side - 1));
        let part = ConfusionMatrix::try_from(rows).expect("a square matrix of 32-bit counts");
        self.fetched.merge(&part);
        Ok(())
    }
}

/// The first of `images`, one of which has a pixel of no class.
fn first_not_finite(images: Vec<(usize, PixelIds)>) -> NotFinite {
    let found = images.into_iter().find_map(|(index, prediction)| {
        let ids = prediction.download();
        let pixels = ids.iter().filter(|&&id| id == NO_CLASS).count();
        (pixels > 0).then_some(NotFinite { index, pixels, of: ids.len() })
    });
    found.expect("a predicted id that is no class is NO_CLASS")
}

#[cfg(test)]
mod tests {
    use kernels::device::software_vulkan;

    use super::*;

    fn devices() -> [Device; 2] {
        let software = software_vulkan().unwrap_or_else(|error| panic!("{error}"));
        [software.device, Device::flex()]
    }

    #[test]
    fn counts_are_those_of_the_host_whatever_may_be_under_way() {
        for device in devices() {
            // A fetch before every image, before every other one, and at the end.
            for limit in [0, 14, PIXELS_UNDER_WAY] {
                let mut expected = ConfusionMatrix::new(3);
                let mut counts = DeviceCounts::with_limit(3, &device, limit);
                for image in 0..5 {
                    // Id 1 is the ignored one, though a class.
                    let truth = [0, 1, 2, 2, 7, 255, 0];
                    let prediction = [0, 1, 2, image % 3, 1, 0, 2];
                    expected.add(&truth, &prediction, 1);
                    let prediction = PixelIds::upload(&prediction, [1, 1, 7], &device);
                    counts.add(usize::from(image), &truth, &prediction, 1).unwrap();
                    assert!(counts.pixels <= limit.max(7), "{} under way", counts.pixels);
                    assert_eq!(7 * counts.under_way.len(), counts.pixels);
                }
                assert_eq!(counts.finish(), Ok(expected.clone()), "at most {limit} under way");
                assert_eq!(expected.total(), 20);
            }
        }
    }

    #[test]
    fn counts_beyond_32_bits_are_exact() {
        let device = Device::flex();
        let mut counts = DeviceCounts::with_limit(2, &device, 4);
        let image = PixelIds::upload(&[1; 4], [1, 2, 2], &device);
        for number in 0..2 {
            // As if four thousand million pixels of the class had been counted before.
            counts.counts = Tensor::full([3, 3], -8, (&device, DType::I32))
                * Tensor::from_data([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (&device, DType::I32));
            counts.add(number, &[1; 4], &image, 255).unwrap();
            counts.fetch().unwrap();
        }
        assert_eq!(counts.finish().unwrap().count(1, 1), 2 * ((1 << 32) - 4));
    }

    #[test]
    fn the_first_image_with_a_pixel_of_no_class_is_named_at_the_next_fetch() {
        for device in devices() {
            let image = |ids: &[u8; 4]| PixelIds::upload(ids, [1, 2, 2], &device);
            let mut counts = DeviceCounts::with_limit(2, &device, 12);
            for (index, ids) in [[0, 1, 1, 0], [0; 4], [1; 4]].iter().enumerate() {
                counts.add(index, &[0, 1, 255, 0], &image(ids), 255).unwrap();
            }
            // The pixel of no class is one whose truth does not count.
            counts.add(3, &[0, 1, 255, 0], &image(&[0, 1, NO_CLASS, 0]), 255).unwrap();
            counts.add(4, &[0, 1, 255, 0], &image(&[NO_CLASS; 4]), 255).unwrap();
            counts.add(5, &[0, 1, 255, 0], &image(&[0; 4]), 255).unwrap();
            let expected = NotFinite { index: 3, pixels: 1, of: 4 };
            assert_eq!(counts.add(6, &[0; 4], &image(&[0; 4]), 255), Err(expected));
        }
    }

    #[test]
    fn images_without_a_labelled_pixel_count_for_nothing() {
        for device in devices() {
            let mut counts = DeviceCounts::new(19, &device);
            let image = PixelIds::upload(&[18; 6], [1, 2, 3], &device);
            counts.add(0, &[255; 6], &image, 255).unwrap();
            assert_eq!(counts.finish().unwrap().total(), 0);
            assert_eq!(DeviceCounts::new(19, &device).finish().unwrap().total(), 0);
        }
    }
}
