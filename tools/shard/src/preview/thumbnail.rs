//! Label overlays and small pictures of large ones.

use shard_format::{LabelMap, RgbImage};

/// Lays painted labels over their image; pixels without a class keep the image.
///
/// `opacity` is the share of the label's colour, 0 to 1. Image and label map have one size.
pub(super) fn overlay(
    image: &RgbImage,
    labels: &LabelMap,
    colours: &[[u8; 3]],
    opacity: f64,
) -> RgbImage {
    let mut pixels = image.pixels.clone();
    for (pixel, &train_id) in pixels.chunks_exact_mut(3).zip(&labels.train_ids) {
        let Some(colour) = colours.get(usize::from(train_id)) else { continue };
        for (channel, &paint) in pixel.iter_mut().zip(colour) {
            let mixed = f64::from(*channel) * (1.0 - opacity) + f64::from(paint) * opacity;
            *channel = mixed.round() as u8; // saturates
        }
    }
    RgbImage { width: image.width, height: image.height, pixels }
}

/// The picture at the largest size of its proportions that fits into a square of `edge` pixels:
/// made smaller by averaging areas, larger by repeating pixels a whole number of times.
pub(super) fn fitted(image: &RgbImage, edge: u32) -> RgbImage {
    let longest = image.width.max(image.height);
    if longest <= edge {
        return repeated(image, edge / longest);
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(edge) / u64::from(longest);
        u32::try_from(side).unwrap_or(edge).max(1)
    };
    averaged(image, scaled(image.width), scaled(image.height))
}

fn repeated(image: &RgbImage, times: u32) -> RgbImage {
    let repeat = times as usize;
    let mut pixels = Vec::with_capacity(image.pixels.len() * repeat * repeat);
    for row in image.pixels.chunks_exact(image.width as usize * 3) {
        let line: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(repeat)).collect();
        pixels.extend(line.repeat(repeat));
    }
    RgbImage { width: image.width * times, height: image.height * times, pixels }
}

/// Every pixel is the mean of the area it covers, parts of source pixels weighed by their share.
fn averaged(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (columns, rows) = (cover(image.width, width), cover(image.height, height));
    let row_length = image.width as usize * 3;
    // [height, source width, 3], sums over rows
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    let area = u64::from(image.width) * u64::from(image.height);
    let mut sums = vec![0_u64; row_length];
    for row in &rows {
        sums.fill(0);
        for &(source, share) in row {
            let line = &image.pixels[source * row_length..][..row_length];
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += share * u64::from(value);
            }
        }
        for column in &columns {
            for channel in 0..3 {
                let sum: u64 =
                    column.iter().map(|&(source, share)| share * sums[source * 3 + channel]).sum();
                pixels.push(((sum + area / 2) / area) as u8); // a mean of bytes
            }
        }
    }
    RgbImage { width, height, pixels }
}

/// For each of `target` pixels in a line, the `source` pixels under it and their shares, which sum
/// to `source`.
fn cover(source: u32, target: u32) -> Vec<Vec<(usize, u64)>> {
    let (source, target) = (u64::from(source), u64::from(target));
    // On a line of source x target units, a source pixel is `target` long, the other `source`.
    let under = |place: u64| {
        let (start, end) = (place * source, (place + 1) * source);
        (start / target..end.div_ceil(target))
            .map(|pixel| {
                let share = end.min((pixel + 1) * target) - start.max(pixel * target);
                (pixel as usize, share)
            })
            .collect()
    };
    (0..target).map(under).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, values: &[u8]) -> RgbImage {
        let pixels = values.iter().flat_map(|&value| [value; 3]).collect();
        RgbImage { width, height, pixels }
    }

    #[test]
    fn each_small_pixel_is_the_mean_of_the_area_under_it() {
        // Three pixels become two: each covers one and a half.
        let image = grey(3, 1, &[30, 60, 120]);
        assert_eq!(fitted(&image, 2), grey(2, 1, &[40, 100]));
        let image = grey(4, 2, &[0, 4, 100, 100, 8, 12, 100, 104]);
        assert_eq!(fitted(&image, 2), grey(2, 1, &[6, 101]));
    }

    #[test]
    fn a_small_picture_is_enlarged_a_whole_number_of_times() {
        assert_eq!(fitted(&grey(2, 1, &[1, 9]), 5), grey(4, 2, &[1, 1, 9, 9, 1, 1, 9, 9]));
    }

    #[test]
    fn a_very_long_picture_keeps_at_least_one_row() {
        assert_eq!(fitted(&grey(9, 1, &[5; 9]), 3), grey(3, 1, &[5; 3]));
    }

    #[test]
    fn an_overlay_mixes_classes_and_leaves_pixels_without_class() {
        let image = RgbImage { width: 2, height: 1, pixels: vec![100, 100, 100, 10, 20, 30] };
        let labels = LabelMap { width: 2, height: 1, train_ids: vec![0, 255] };
        let mixed = overlay(&image, &labels, &[[255, 0, 0]], 0.5);
        assert_eq!(mixed.pixels, [178, 50, 50, 10, 20, 30]);
    }
}
