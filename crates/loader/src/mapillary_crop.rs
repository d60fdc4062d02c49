//! The crop on which the released code scores the validation images of Mapillary Vistas.

use shard_format::{Dataset, Decoder, LabelMap, ReadError, RgbImage};
use simd_level::Level;

use crate::augment::{Filter, Geometry, ImageWarp, LabelWarp, Span, Target};

/// The side of that crop, in pixels.
pub const MAPILLARY_CROP_SIDE: u32 = 1536;

/// The padding's train id: that of road, which counts as one, because the released code leaves the
/// ignore id at its default here.
const PADDING_TRAIN_ID: u8 = 0;

/// Reads sample `index` as the released code does for Mapillary: resized to a height of `side`, then
/// the `side` by `side` pixels in the middle.
///
/// A wide image loses both ends. A narrow one is padded with black pixels labelled 0, and the crop
/// does not lie in the middle: what is missing in width is padded on either side, but the crop's
/// place is computed without the padding. So one and a half times the missing width is padding on
/// the left, and half of it is cut off on the right. Scores so obtained are comparable with
/// published ones and with no others.
///
/// Shapes: [side, side, 3] and [side, side].
///
/// # Errors
/// One of the sample's tiles is unreadable or altered.
///
/// # Panics
/// If there is no such sample.
///
/// Source: `ResizeHeight` and `CenterCropPad` in `transforms/joint_transforms.py`.
pub fn read_mapillary_crop(
    dataset: &Dataset,
    index: usize,
    side: u32,
    decoder: &mut Decoder,
) -> Result<(RgbImage, LabelMap), ReadError> {
    let pixels = side as usize * side as usize;
    let mut planes = vec![0; 3 * pixels];
    let mut train_ids = vec![PADDING_TRAIN_ID; pixels];
    let sample = dataset.sample(index);
    if let Some(geometry) = geometry((sample.width, sample.height), side) {
        let mut warp = ImageWarp::default();
        let window = warp.aim(&geometry, Filter::Bicubic);
        let mut target = Target { geometry: &geometry, planes: &mut planes, crop_width: side };
        dataset.read_bands(index, window, decoder, &mut Vec::new(), |band, pixels| {
            warp.take_band(Level::best(), band, pixels, &mut target);
        })?;
        let mut warp = LabelWarp::default();
        let window = warp.aim(&geometry);
        let labels = dataset.read_labels(index, window, decoder)?;
        let (source, target) = ((&labels.train_ids[..], window), (&mut train_ids[..], side));
        warp.run(Level::best(), &geometry, source, target, PADDING_TRAIN_ID);
    }
    let (red, rest) = planes.split_at(pixels);
    let (green, blue) = rest.split_at(pixels);
    let interleaved = red.iter().zip(green).zip(blue);
    let pixels = interleaved.flat_map(|((&red, &green), &blue)| [red, green, blue]).collect();
    Ok((
        RgbImage { width: side, height: side, pixels },
        LabelMap { width: side, height: side, train_ids },
    ))
}

/// Where the crop's pixels come from; `None` if the image is so narrow that the crop misses it.
pub(crate) fn geometry((width, height): (u32, u32), side: u32) -> Option<Geometry> {
    let scaled = (f64::from(width) / f64::from(height) * f64::from(side)) as u32;
    let scaled = scaled.max(1);
    // Half of the difference, ties to even as Python rounds, negative where the image is narrow.
    let start = ((f64::from(scaled) - f64::from(side)) / 2.0).round_ties_even() as i64;
    let padding = i64::from(side.saturating_sub(scaled));
    let first = (start - padding).max(0) as u32;
    let at = (padding - start).max(0) as u32;
    let visible = side.checked_sub(at).filter(|&visible| visible > 0)?.min(scaled - first);
    Some(Geometry {
        x: Span { source: width, scaled, first, visible, at },
        y: Span { source: height, scaled: side, first: 0, visible: side, at: 0 },
        flip: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portrait_of_three_by_four_shows_960_of_its_1152_columns_behind_576_of_padding() {
        let x = geometry((3000, 4000), MAPILLARY_CROP_SIDE).unwrap().x;
        assert_eq!((x.scaled, x.first, x.visible, x.at), (1152, 0, 960, 576));
    }

    #[test]
    fn a_wide_image_loses_both_ends_and_a_very_narrow_one_is_missed() {
        let x = geometry((4000, 3000), 1536).unwrap().x;
        assert_eq!((x.scaled, x.first, x.visible, x.at), (2048, 256, 1536, 0));
        assert_eq!(geometry((100, 400), 1536), None);
        // At a third of the side the padding on the left takes all.
        assert_eq!(geometry((1000, 3000), 1536), None);
        assert_eq!(geometry((1010, 3000), 1536).unwrap().x.visible, 7);
    }
}
