//! Images: antialiased resampling of the part of the source that the crop shows.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x4;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use shard_format::Window;

use super::{Filter, Geometry};

/// Resamples images; keeps its buffers between samples.
///
/// Resizing the crop's own fractional part of the source equals resizing the whole image and then
/// cropping, except that positions are rounded in a different order: where a weight or a sum lies
/// next to a rounding limit, a channel can differ by one level.
#[derive(Debug, Default)]
pub(crate) struct ImageWarp {
    resizer: Resizer,
    /// [window.height, window.width, 4]: four bytes a pixel resize several times faster than three.
    source: Vec<u8>,
    /// [window.height, visible columns, 4].
    narrowed: Vec<u8>,
    /// [visible rows, visible columns, 4].
    resized: Vec<u8>,
}

/// The two steps of resampling.
#[derive(Debug, Clone, Copy)]
enum Pass {
    /// From `source` to `narrowed`.
    Columns,
    /// From `narrowed` to `resized`.
    Rows,
}

impl ImageWarp {
    /// The part of the image under the crop and the filter's support.
    pub(crate) fn window(geometry: &Geometry, filter: Filter) -> Window {
        let support = match filter {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        };
        let (left, right) = geometry.x.source_window(support);
        let (top, bottom) = geometry.y.source_window(support);
        Window { x: left, y: top, width: right - left, height: bottom - top }
    }

    /// Fills `planes` from the pixels of `window`; padding becomes black.
    ///
    /// Shapes: `rgb` [window.height, window.width, 3], `planes` [3, H, crop_width].
    pub(crate) fn run(
        &mut self,
        (geometry, filter): (&Geometry, Filter),
        window: Window,
        rgb: &[u8],
        crop_width: u32,
        planes: &mut [u8],
    ) {
        widen(rgb, &mut self.source);
        let (x, y) = (&geometry.x, &geometry.y);
        let filter = match filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
        };
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
        // Columns before rows, each a pass of its own: Pillow rounds to bytes in between, and where
        // a cubic overshoots, the order of the two shows by several levels.
        let (left, width) = inside(x.source_part(), window.x, window.width);
        let (top, height) = inside(y.source_part(), window.y, window.height);
        let part = options.crop(left, 0.0, width, f64::from(window.height));
        let size = (window.width, window.height);
        self.resize(Pass::Columns, size, (x.visible, window.height), &part);
        let part = options.crop(0.0, top, f64::from(x.visible), height);
        self.resize(Pass::Rows, (x.visible, window.height), (x.visible, y.visible), &part);
        split_into_planes(geometry, &self.resized, crop_width, planes);
    }

    fn resize(&mut self, pass: Pass, from: (u32, u32), to: (u32, u32), options: &ResizeOptions) {
        let (source, target) = match pass {
            Pass::Columns => (&self.source, &mut self.narrowed),
            Pass::Rows => (&self.narrowed, &mut self.resized),
        };
        target.resize(to.0 as usize * to.1 as usize * 4, 0);
        let source = TypedImageRef::<U8x4>::from_buffer(from.0, from.1, source)
            .expect("invariant: the buffer holds the picture of this size");
        let mut target = TypedImage::<U8x4>::from_buffer(to.0, to.1, target)
            .expect("invariant: the buffer was sized above");
        self.resizer
            .resize_typed(&source, &mut target, options)
            .expect("invariant: the part lies inside the picture");
    }
}

/// The part relative to its window, held inside it against rounding.
fn inside((start, length): (f64, f64), window_start: u32, window_length: u32) -> (f64, f64) {
    let start = (start - f64::from(window_start)).max(0.0);
    (start, length.min(f64::from(window_length) - start))
}

/// Three bytes a pixel to four; the fourth is never read.
fn widen(rgb: &[u8], rgbx: &mut Vec<u8>) {
    rgbx.resize(rgb.len() / 3 * 4, 0);
    for (wide, narrow) in rgbx.chunks_exact_mut(4).zip(rgb.chunks_exact(3)) {
        wide[0] = narrow[0];
        wide[1] = narrow[1];
        wide[2] = narrow[2];
    }
}

/// Writes the resized part into the crop's planes, mirrored where asked, and blackens the padding.
fn split_into_planes(geometry: &Geometry, rgbx: &[u8], crop_width: u32, planes: &mut [u8]) {
    let Geometry { x, y, flip } = geometry;
    let (crop_width, visible) = (crop_width as usize, x.visible as usize);
    let plane_len = planes.len() / 3;
    if visible < crop_width || (y.visible as usize) * crop_width < plane_len {
        planes.fill(0);
    }
    let at = if *flip { crop_width - x.at as usize - visible } else { x.at as usize };
    let (red, rest) = planes.split_at_mut(plane_len);
    let (green, blue) = rest.split_at_mut(plane_len);
    for (row, pixels) in rgbx.chunks_exact(visible * 4).enumerate() {
        let start = (y.at as usize + row) * crop_width + at;
        let red = &mut red[start..start + visible];
        let green = &mut green[start..start + visible];
        let blue = &mut blue[start..start + visible];
        let outputs = red.iter_mut().zip(&mut *green).zip(&mut *blue);
        for (((red, green), blue), pixel) in outputs.zip(pixels.as_chunks::<4>().0) {
            // Shifts of whole words vectorize, picking every fourth byte does not.
            let word = u32::from_le_bytes(*pixel);
            (*red, *green, *blue) = (word as u8, (word >> 8) as u8, (word >> 16) as u8);
        }
        if *flip {
            red.reverse();
            green.reverse();
            blue.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Span;

    const SOURCE: (u32, u32) = (131, 97);
    const CROP: (u32, u32) = (64, 48);

    /// Noise of full range: the hardest case for resampling.
    fn noise() -> Vec<u8> {
        let value = |index: u64| (crate::random::absorb(7, index) & 0xff) as u8;
        (0..u64::from(SOURCE.0 * SOURCE.1 * 3)).map(value).collect()
    }

    fn render(geometry: &Geometry, filter: Filter, crop: (u32, u32)) -> Vec<u8> {
        let window = ImageWarp::window(geometry, filter);
        let image = noise();
        let rows = image.chunks_exact(SOURCE.0 as usize * 3).skip(window.y as usize);
        let columns = window.x as usize * 3..(window.x + window.width) as usize * 3;
        let part: Vec<u8> = rows
            .take(window.height as usize)
            .flat_map(|row| row[columns.clone()].to_vec())
            .collect();
        let mut planes = vec![9; (crop.0 * crop.1 * 3) as usize];
        ImageWarp::default().run((geometry, filter), window, &part, crop.0, &mut planes);
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
    fn cropping_first_equals_resizing_whole_images_within_one_level() {
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
                let largest = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(largest.unwrap() <= 1, "{filter:?} {scale}: {largest:?}");
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
