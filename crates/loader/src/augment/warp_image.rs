//! Images: antialiased resampling of the part of the source that the crop shows.

use shard_format::Window;
use simd_level::Level;

use super::resample::{Horizontal, Rows, Weights, resample_rows};
use super::{Filter, Geometry};

/// The stride of resampled rows is a multiple of this, the widest step of either pass.
const STEP: usize = 32;

/// Resamples images; keeps its buffers between samples.
///
/// A crop has the bits of the same crop out of the whole image resized by Pillow.
#[derive(Debug, Default)]
pub(crate) struct ImageWarp {
    x: Weights,
    y: Weights,
    horizontal: Horizontal,
    window: Window,
    /// Where each row of a band starts.
    starts: Vec<usize>,
    /// [3, window.height, visible columns rounded up to whole steps]
    narrowed: Vec<u8>,
}

impl ImageWarp {
    /// Prepares one sample; returns the part of the image that its crop and the filter need.
    pub(crate) fn aim(&mut self, geometry: &Geometry, filter: Filter) -> Window {
        let (left, right) = self.x.aim(&geometry.x, filter);
        let (top, bottom) = self.y.aim(&geometry.y, filter);
        if geometry.flip {
            self.x.mirror();
        }
        self.window = Window { x: left, y: top, width: right - left, height: bottom - top };
        self.narrowed.resize(3 * (bottom - top) as usize * self.stride(), 0);
        self.window
    }

    fn stride(&self) -> usize {
        self.x.len().next_multiple_of(STEP)
    }

    /// Resamples a band of the window of `aim` along its rows.
    ///
    /// Shapes: `pixels` [3, band.height, window.width].
    pub(crate) fn take_band(&mut self, level: Level, band: Window, pixels: &[u8]) {
        let stride = self.stride();
        let rows = (band.y - self.window.y) as usize * stride;
        let rows = rows..rows + band.height as usize * stride;
        let (width, height) = (band.width as usize, band.height as usize);
        self.starts.clear();
        self.starts.extend((0..height).map(|row| row * width));
        let (weights, left, starts) = (&self.x, band.x as usize, &self.starts[..]);
        let horizontal = &mut self.horizontal;
        let outputs = self.narrowed.chunks_exact_mut(self.window.height as usize * stride);
        for (bytes, output) in pixels.chunks_exact(width * height).zip(outputs) {
            let output = (&mut output[rows.clone()], stride);
            level.run(
                #[inline(always)]
                || {
                    let rows = Rows { bytes, width, starts };
                    horizontal.run(
                        rows,
                        weights.len(),
                        #[inline(always)]
                        |columns, pixel| weights.column(columns, left, pixel),
                        output,
                    );
                },
            );
        }
    }

    /// Fills `planes` once all bands are in; padding becomes black.
    ///
    /// Shapes: `planes` [3, H, crop_width].
    pub(crate) fn finish(
        &mut self,
        level: Level,
        geometry: &Geometry,
        planes: &mut [u8],
        crop_width: u32,
    ) {
        let (stride, weights, top) = (self.stride(), &self.y, self.window.y as usize);
        let plane_len = planes.len() / 3;
        let narrowed = self.narrowed.chunks_exact(self.window.height as usize * stride);
        for (narrowed, output) in narrowed.zip(planes.chunks_exact_mut(plane_len)) {
            level.run(
                #[inline(always)]
                || {
                    let rows = |row: usize| {
                        let (first, weights) = weights.of(row);
                        (weights, &narrowed[(first - top) * stride..])
                    };
                    fill_plane(geometry, rows, stride, (output, crop_width as usize));
                },
            );
        }
    }
}

/// Writes the visible part of one plane and blackens its padding; `rows` gives the weights of a
/// visible row and the rows that they belong to.
#[inline(always)]
fn fill_plane<'a>(
    geometry: &Geometry,
    rows: impl Fn(usize) -> (&'a [i32], &'a [u8]),
    stride: usize,
    (plane, crop_width): (&mut [u8], usize),
) {
    let (visible, first_row) = (geometry.x.visible as usize, geometry.y.at as usize);
    let at = geometry.x.at as usize;
    let at = if geometry.flip { crop_width - at - visible } else { at };
    let visible_rows = first_row..first_row + geometry.y.visible as usize;
    for (row, output) in plane.chunks_exact_mut(crop_width).enumerate() {
        if visible_rows.contains(&row) {
            let (weights, rows) = rows(row - first_row);
            resample_rows(weights, rows, stride, &mut output[at..at + visible]);
            output[..at].fill(0);
            output[at + visible..].fill(0);
        } else {
            output.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Span;

    const SOURCE: (u32, u32) = (131, 97);
    const CROP: (u32, u32) = (64, 48);

    /// Noise of full range: the hardest case for resampling. Shapes: [3, 97, 131].
    fn noise() -> Vec<u8> {
        let value = |index: u64| (crate::random::absorb(7, index) & 0xff) as u8;
        (0..u64::from(SOURCE.0 * SOURCE.1 * 3)).map(value).collect()
    }

    fn render(geometry: &Geometry, filter: Filter, crop: (u32, u32)) -> Vec<u8> {
        let mut warp = ImageWarp::default();
        let window = warp.aim(geometry, filter);
        let columns = window.x as usize..(window.x + window.width) as usize;
        let part: Vec<u8> = noise()
            .chunks_exact((SOURCE.0 * SOURCE.1) as usize)
            .flat_map(|plane| {
                let rows = plane.chunks_exact(SOURCE.0 as usize).skip(window.y as usize);
                rows.take(window.height as usize)
            })
            .flat_map(|row| row[columns.clone()].to_vec())
            .collect();
        let mut planes = vec![9; (crop.0 * crop.1 * 3) as usize];
        warp.take_band(Level::best(), window, &part);
        warp.finish(Level::best(), geometry, &mut planes, crop.0);
        planes
    }

    /// [3, CROP] out of [3, size], where the crop's first pixel shows pixel (left, top).
    fn crop_of(planes: &[u8], size: (u32, u32), (left, top): (u32, u32)) -> Vec<u8> {
        let plane = (size.0 * size.1) as usize;
        planes
            .chunks_exact(plane)
            .flat_map(|plane| {
                plane.chunks_exact(size.0 as usize).skip(top as usize).take(CROP.1 as usize)
            })
            .flat_map(|row| row[left as usize..(left + CROP.0) as usize].to_vec())
            .collect()
    }

    #[test]
    fn cropping_first_equals_resizing_whole_images_bit_for_bit() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            for (number, scale) in [0.53, 0.77, 1.0, 1.31, 2.0].into_iter().enumerate() {
                let place = |source, crop| {
                    Span::place(source, scale, crop, |places| places * (number as u32 + 1) / 6)
                };
                let (x, y) = (place(SOURCE.0, CROP.0), place(SOURCE.1, CROP.1));
                let all = |span: Span| Span { first: 0, visible: span.scaled, at: 0, ..span };
                let size = (x.scaled, y.scaled);
                let whole = Geometry { x: all(x), y: all(y), flip: false };
                let expected = crop_of(&render(&whole, filter, size), size, (x.first, y.first));
                let found = render(&Geometry { x, y, flip: false }, filter, CROP);
                assert!(found == expected, "{filter:?} {scale}");
            }
        }
    }

    #[test]
    fn a_flipped_crop_is_the_mirrored_crop_with_its_padding() {
        let place = |source, crop| Span::place(source, 0.4, crop, |_| 1);
        let geometry =
            Geometry { x: place(SOURCE.0, CROP.0), y: place(SOURCE.1, CROP.1), flip: false };
        let mut mirrored = render(&geometry, Filter::Bicubic, CROP);
        mirrored.chunks_exact_mut(CROP.0 as usize).for_each(<[u8]>::reverse);
        let flipped = render(&Geometry { flip: true, ..geometry }, Filter::Bicubic, CROP);
        assert_eq!(flipped, mirrored);
    }
}
