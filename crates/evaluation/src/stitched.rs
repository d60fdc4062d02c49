//! The prediction of an image from the logits of its windows.
//!
//! Logits of the image's size are never made as a whole, which would be more than some devices bind
//! at once: those of 19 classes on 2048x1024 pixels are 152 MiB, and 128 MiB is what every device
//! binds. Windows keep their logits at the network's own resolution, and bands of rows are upsampled,
//! averaged and become class ids one after the other. So what is held at once is the coarse logits of
//! all windows (of a network of stride 4, windows of 768 pixels and their mirror images: 0.28 times
//! the logits of the image) and some four tensors of one band.

mod axis;

use std::ops::Range;

use burn::tensor::Tensor;
use kernels::{PixelIds, upsampled_argmax};
use models::layout::tensor_from;

use axis::Axis;

/// Bytes of the logits of one band, as far as four rows take no more.
const BAND_BYTES: usize = 32 << 20;

/// Rows that every band starts at a multiple of, so that its pixels begin a word of four.
const ROW_ALIGNMENT: usize = 4;

/// The logits of an image's windows.
pub(crate) struct Stitched {
    /// Height and width of the image.
    pub(crate) size: [usize; 2],
    /// Top left corners of the windows, row by row.
    pub(crate) corners: Vec<[usize; 2]>,
    /// Height and width of each.
    pub(crate) window: [usize; 2],
    /// `[1, K, h, w]` of each window.
    pub(crate) logits: Vec<Tensor<4>>,
    /// Those of the mirrored image, if they count too.
    pub(crate) mirrored: Option<Vec<Tensor<4>>>,
}

impl Stitched {
    /// The class of the largest mean logit at every pixel: see [`upsampled_argmax`].
    pub(crate) fn predict(&self) -> PixelIds {
        self.predict_within(BAND_BYTES)
    }

    fn predict_within(&self, band_bytes: usize) -> PixelIds {
        let [height, width] = self.size;
        let [_, classes, ..] = self.logits[0].dims();
        let fitting = band_bytes / (4 * classes * width);
        let band_rows = (fitting / ROW_ALIGNMENT).max(1) * ROW_ALIGNMENT;
        let bands = (0..height).step_by(band_rows).map(|start| {
            let rows = start..height.min(start + band_rows);
            upsampled_argmax(self.rows(rows.clone()), [rows.len(), width])
        });
        PixelIds::stacked(bands.collect())
    }

    /// The logits of some rows of the image, `[1, K, rows, W]`: means over the windows, and their sum
    /// with those of the mirrored image.
    fn rows(&self, rows: Range<usize>) -> Tensor<4> {
        let logits = self.mean(&self.logits, rows.clone());
        match &self.mirrored {
            Some(mirrored) => logits + self.mean(mirrored, rows).flip([3]),
            None => logits,
        }
    }

    fn mean(&self, logits: &[Tensor<4>], rows: Range<usize>) -> Tensor<4> {
        let (width, [window_height, window_width]) = (self.size[1], self.window);
        let [_, classes, ..] = logits[0].dims();
        let (device, dtype) = (logits[0].device(), logits[0].dtype());
        let [coarse_height, coarse_width] = [2, 3].map(|axis| logits[0].dims()[axis]);
        let place = (&device, dtype);
        let across = Axis::new([coarse_width, window_width], 0..window_width, place);
        let mut sum = Tensor::zeros([1, classes, rows.len(), width], (&device, dtype));
        let mut hits = vec![0.0; rows.len() * width];
        for (&[top, left], logits) in self.corners.iter().zip(logits) {
            let covered = rows.start.max(top)..rows.end.min(top + window_height);
            if covered.is_empty() {
                continue;
            }
            let in_window = covered.start - top..covered.end - top;
            let down = Axis::new([coarse_height, window_height], in_window, place);
            let part = across.resize(down.resize(logits.clone(), 2), 3);
            let in_band = covered.start - rows.start..covered.end - rows.start;
            let columns = left..left + window_width;
            let region = [0..1, 0..classes, in_band.clone(), columns.clone()];
            let added = sum.clone().slice(region.clone()) + part;
            sum = sum.slice_assign(region, added);
            for row in in_band {
                for hit in &mut hits[row * width..][columns.clone()] {
                    *hit += 1.0;
                }
            }
        }
        sum / tensor_from(&hits, &device, dtype).reshape([1, 1, rows.len(), width])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};
    use kernels::device::software_vulkan;
    use kernels::resize::align_corners_tap;

    use super::*;
    use crate::protocol::InferenceProtocol;

    const CLASSES: usize = 5;

    /// The least that an adapter binds at once.
    const BINDING_BYTES: usize = 128 << 20;

    fn devices() -> [Device; 2] {
        let software = software_vulkan().unwrap_or_else(|error| panic!("{error}"));
        [software.device, Device::flex()]
    }

    /// Windows with logits that are whole numbers of 2^-10 in [-1, 1), a function of `name`.
    fn stitched(size: [usize; 2], window: u32, coarse: [usize; 2], device: &Device) -> Stitched {
        let protocol = InferenceProtocol::named("sliding-flip", [window; 2]).unwrap();
        let (corners, window) = protocol.windows(size);
        let [mut logits, mut mirrored] = [Vec::new(), Vec::new()];
        for (pass, number) in [(&mut logits, 0_u64), (&mut mirrored, 1)] {
            for place in 0..corners.len() as u64 {
                let values: Vec<f64> = (0..(CLASSES * coarse[0] * coarse[1]) as u64)
                    .map(|at| {
                        let mixed = (at + 1_000 * (2 * place + number) + 1)
                            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        f64::from((mixed >> 53) as u32) / 1024.0 - 1.0
                    })
                    .collect();
                let values = tensor_from(&values, device, DType::F32);
                pass.push(values.reshape([1, CLASSES, coarse[0], coarse[1]]));
            }
        }
        Stitched { size, corners, window, logits, mirrored: Some(mirrored) }
    }

    fn values(logits: Tensor<4>) -> Vec<f32> {
        logits.try_into_vec_as().unwrap()
    }

    /// The mean over the windows at one pixel, from its formula.
    fn mean(stitched: &Stitched, logits: &[Tensor<4>], [class, row, column]: [usize; 3]) -> f64 {
        let [_, _, height, width] = logits[0].dims();
        let (mut sum, mut hits) = (0.0, 0.0);
        for (&[top, left], logits) in stitched.corners.iter().zip(logits) {
            let [window_height, window_width] = stitched.window;
            if !(top..top + window_height).contains(&row)
                || !(left..left + window_width).contains(&column)
            {
                continue;
            }
            let values = values(logits.clone());
            let at = |y: usize, x: usize| f64::from(values[(class * height + y) * width + x]);
            let (low, high, down) = align_corners_tap(row - top, height, window_height);
            let (first, last, across) = align_corners_tap(column - left, width, window_width);
            let side = |y| at(y, first) * (1.0 - across) + at(y, last) * across;
            sum += side(low) * (1.0 - down) + side(high) * down;
            hits += 1.0;
        }
        sum / hits
    }

    #[test]
    fn logits_are_means_over_the_windows_plus_those_of_the_mirror_image() {
        let [height, width] = [23, 37];
        for device in devices() {
            let stitched = stitched([height, width], 16, [4, 5], &device);
            let mirrored = stitched.mirrored.as_ref().unwrap();
            let found = values(stitched.rows(0..height));
            for place in [[0, 0, 0], [1, 11, 20], [2, 22, 36], [4, 5, 13], [3, 15, 31]] {
                let [class, row, column] = place;
                let mirror = mean(&stitched, mirrored, [class, row, width - 1 - column]);
                let expected = mean(&stitched, &stitched.logits, place) + mirror;
                let found = f64::from(found[(class * height + row) * width + column]);
                // Some ten roundings of numbers of at most 8.
                assert!((found - expected).abs() < 1e-5, "{place:?}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn bands_are_the_whole_bit_for_bit() {
        // Windows that overlap, one window, windows of the network's own size; heights of no whole
        // number of bands.
        for (size, window, coarse) in
            [([61, 50], 24, [6, 7]), ([30, 41], 64, [9, 11]), ([21, 19], 12, [12, 12])]
        {
            for device in devices() {
                let stitched = stitched(size, window, coarse, &device);
                let [height, width] = size;
                let whole = values(stitched.rows(0..height));
                for band_rows in [4, 8, 20] {
                    let mut bands = (0..height).step_by(band_rows).map(|start| {
                        let rows = start..height.min(start + band_rows);
                        (rows.clone(), values(stitched.rows(rows)))
                    });
                    let same = bands.all(|(rows, band)| {
                        (0..CLASSES).all(|class| {
                            let place = |row: usize, height: usize| (class * height + row) * width;
                            let [start, end] = [rows.start, rows.end].map(|row| place(row, height));
                            whole[start..end]
                                == band[place(0, rows.len())..place(rows.len(), rows.len())]
                        })
                    });
                    assert!(same, "{size:?} in bands of {band_rows} rows");
                }
                let ids = stitched.predict().download();
                assert_eq!(ids.len(), height * width);
                for bytes in [1, 4 * CLASSES * width * 9] {
                    assert!(ids == stitched.predict_within(bytes).download(), "{bytes} bytes");
                }
            }
        }
    }

    #[test]
    fn logits_of_an_image_may_be_more_than_the_device_binds() {
        let (classes, [height, width]) = (255, [260, 520]);
        assert!(4 * classes * height * width > BINDING_BYTES);
        let protocol = InferenceProtocol::named("sliding", [256; 2]).unwrap();
        let (corners, window) = protocol.windows([height, width]);
        // Each window is of its own class.
        let predictions = devices().map(|device| {
            let logits = (0..corners.len()).map(|window| {
                let mut scores = vec![0.0; classes];
                scores[40 * window] = 1.0;
                let scores = tensor_from(&scores, &device, DType::F32);
                scores.reshape([1, classes, 1, 1]).expand([1, classes, 8, 8])
            });
            let (logits, corners) = (logits.collect(), corners.clone());
            let stitched =
                Stitched { size: [height, width], corners, window, logits, mirrored: None };
            stitched.predict().download()
        });
        assert!(predictions[0] == predictions[1]);
        // Rows 0 and 4, columns 0, 171 and 264; of equal means the lowest class.
        assert_eq!(predictions[0][0], 0);
        assert_eq!(predictions[0][width - 1], 80);
        assert_eq!(predictions[0][height * width - width], 120);
        assert_eq!(predictions[0][height * width - 1], 200);
    }

    #[test]
    fn the_rows_of_a_window_may_be_more_than_the_device_binds() {
        let (classes, [height, width], coarse) = (255, [264, 520], [256, 8]);
        assert!(4 * classes * coarse[0] * width > BINDING_BYTES);
        let predictions = devices().map(|device| {
            // Each coarse row is of its own class.
            let scores = Tensor::<2>::eye(coarse[0], &device).slice_dim(1, 1..coarse[0]);
            let scores = scores.transpose().reshape([1, classes, coarse[0], 1]);
            let logits = vec![scores.expand([1, classes, coarse[0], coarse[1]])];
            let (size, corners, mirrored) = ([height, width], vec![[0, 0]], Some(logits.clone()));
            Stitched { size, corners, window: size, logits, mirrored }.predict().download()
        });
        assert!(predictions[0] == predictions[1]);
        // The first coarse row has no class of its own; the last is of the last class.
        assert_eq!(predictions[0][0], 0);
        assert_eq!(predictions[0][(height / 2) * width], 127);
        assert_eq!(predictions[0][height * width - 1], 254);
    }

    #[test]
    fn a_window_with_a_score_that_is_not_finite_has_no_class_where_it_reaches() {
        for device in devices() {
            let mut stitched = stitched([20, 20], 12, [4, 4], &device);
            let last = stitched.logits.len() - 1;
            stitched.logits[last] = stitched.logits[last].full_like(f32::NAN);
            let ids = stitched.predict().download();
            for (pixel, id) in ids.into_iter().enumerate() {
                let is_reached = pixel / 20 >= 8 && pixel % 20 >= 8;
                assert_eq!(id == kernels::NO_CLASS, is_reached, "pixel {pixel}: {id}");
            }
        }
    }
}
