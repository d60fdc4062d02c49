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
    /// Where each row of a band starts.
    starts: Vec<usize>,
    /// Narrowed rows that visible rows still need: [rows, visible columns rounded up to whole
    /// steps] of each channel.
    narrowed: [Queue; 3],
    /// The source row that `narrowed` starts with.
    top: usize,
    /// The number of visible rows that are done.
    done: usize,
}

/// Bytes that come in at the end and go from the front, in memory that is cleared once.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    len: usize,
}

/// The crop that is made, and how it lies in the image.
pub(crate) struct Target<'a> {
    pub(crate) geometry: &'a Geometry,
    /// [3, H, crop_width]
    pub(crate) planes: &'a mut [u8],
    pub(crate) crop_width: u32,
}

impl ImageWarp {
    /// Prepares one sample; returns the part of the image that its crop and the filter need.
    pub(crate) fn aim(&mut self, geometry: &Geometry, filter: Filter) -> Window {
        let (left, right) = self.x.aim(&geometry.x, filter);
        let (top, bottom) = self.y.aim(&geometry.y, filter);
        if geometry.flip {
            self.x.mirror();
        }
        (self.top, self.done) = (top as usize, 0);
        for narrowed in &mut self.narrowed {
            narrowed.len = 0;
        }
        Window { x: left, y: top, width: right - left, height: bottom - top }
    }

    /// Resamples the next band of the window of `aim`, as far down as its rows go.
    ///
    /// Shapes: `pixels` [3, band.height, window.width].
    pub(crate) fn take_band(
        &mut self,
        level: Level,
        band: Window,
        pixels: &[u8],
        target: &mut Target<'_>,
    ) {
        level.run(
            #[inline(always)]
            || {
                self.narrow(band, pixels);
                self.lower(target);
            },
        );
    }

    /// Resamples a band along its rows.
    #[inline(always)]
    fn narrow(&mut self, band: Window, pixels: &[u8]) {
        let (width, height) = (band.width as usize, band.height as usize);
        let (weights, left) = (&self.x, band.x as usize);
        let stride = weights.len().next_multiple_of(STEP);
        self.starts.clear();
        self.starts.extend((0..height).map(|row| row * width));
        for (bytes, narrowed) in pixels.chunks_exact(width * height).zip(&mut self.narrowed) {
            let rows = Rows { bytes, width, starts: &self.starts };
            self.horizontal.run(
                rows,
                weights.len(),
                #[inline(always)]
                |columns, pixel| weights.column(columns, left, pixel),
                (narrowed.grow(height * stride), stride),
            );
        }
    }

    /// Resamples narrowed rows along their columns, down to the first visible row that needs more
    /// of them, and lets go of those that are done with.
    #[inline(always)]
    fn lower(&mut self, target: &mut Target<'_>) {
        let Geometry { x, y, flip } = target.geometry;
        let (crop_width, visible) = (target.crop_width as usize, x.visible as usize);
        let at = x.at as usize;
        let at = if *flip { crop_width - at - visible } else { at };
        let stride = self.x.len().next_multiple_of(STEP);
        let first = self.done;
        let end = self.top + self.narrowed[0].len / stride;
        self.done = (first..self.y.len())
            .find(|&row| {
                let (source, weights) = self.y.of(row);
                source + weights.len() > end
            })
            .unwrap_or(self.y.len());
        let plane_len = target.planes.len() / 3;
        for (plane, narrowed) in target.planes.chunks_exact_mut(plane_len).zip(&self.narrowed) {
            let outputs = plane.chunks_exact_mut(crop_width).skip(y.at as usize + first);
            for (row, output) in (first..self.done).zip(outputs) {
                let (source, weights) = self.y.of(row);
                let rows = &narrowed.bytes[(source - self.top) * stride..];
                resample_rows(weights, rows, stride, &mut output[at..at + visible]);
                output[..at].fill(0);
                output[at + visible..].fill(0);
            }
        }
        let needed = self.y.needed_from(self.done).unwrap_or(end).min(end);
        for narrowed in &mut self.narrowed {
            narrowed.drop_front((needed - self.top) * stride);
        }
        self.top = needed;
    }
}

impl Queue {
    /// Makes room for `more` bytes at the end, with anything in them.
    fn grow(&mut self, more: usize) -> &mut [u8] {
        let held = self.len;
        self.len += more;
        if self.bytes.len() < self.len {
            self.bytes.resize(self.len, 0);
        }
        &mut self.bytes[held..self.len]
    }

    fn drop_front(&mut self, count: usize) {
        self.bytes.copy_within(count..self.len, 0);
        self.len -= count;
    }
}

impl Target<'_> {
    /// Blackens the rows above and below the image.
    pub(crate) fn blacken_padding(&mut self) {
        let Geometry { y, .. } = self.geometry;
        let plane_len = self.planes.len() / 3;
        let (above, below) = (y.at as usize, (y.at + y.visible) as usize);
        for plane in self.planes.chunks_exact_mut(plane_len) {
            plane[..above * self.crop_width as usize].fill(0);
            plane[below * self.crop_width as usize..].fill(0);
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
        let mut target = Target { geometry, planes: &mut planes, crop_width: crop.0 };
        target.blacken_padding();
        warp.take_band(Level::best(), window, &part, &mut target);
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
