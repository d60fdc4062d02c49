//! Colours of the Cityscapes train ids.

/// The colour of each of the 19 train ids.
///
/// Source: `trainId2color` of cityscapesscripts/helpers/labels.py.
pub const CITYSCAPES: [[u8; 3]; 19] = [
    [128, 64, 128],  // road
    [244, 35, 232],  // sidewalk
    [70, 70, 70],    // building
    [102, 102, 156], // wall
    [190, 153, 153], // fence
    [153, 153, 153], // pole
    [250, 170, 30],  // traffic light
    [220, 220, 0],   // traffic sign
    [107, 142, 35],  // vegetation
    [152, 251, 152], // terrain
    [70, 130, 180],  // sky
    [220, 20, 60],   // person
    [255, 0, 0],     // rider
    [0, 0, 142],     // car
    [0, 0, 70],      // truck
    [0, 60, 100],    // bus
    [0, 80, 100],    // train
    [0, 0, 230],     // motorcycle
    [119, 11, 32],   // bicycle
];

/// The colour of the ignore id and of every id that is no train id.
pub const IGNORED: [u8; 3] = [0, 0, 0];

/// The colour of one train id.
#[must_use]
pub fn colour(train_id: u8) -> [u8; 3] {
    CITYSCAPES.get(usize::from(train_id)).copied().unwrap_or(IGNORED)
}

/// Paints a label map.
///
/// Shapes: `train_ids` `[H*W]`, result `[H*W*3]` interleaved RGB.
#[must_use]
pub fn colourise(train_ids: &[u8]) -> Vec<u8> {
    train_ids.iter().flat_map(|&train_id| colour(train_id)).collect()
}

/// Lays a painted label map over its image; ignored pixels keep the image.
///
/// Shapes: `rgb` `[H*W*3]`, `train_ids` `[H*W]`, result `[H*W*3]`.
/// `opacity` is the share of the label colour, 0 to 1.
///
/// # Panics
/// If the image and the label map differ in pixel count.
#[must_use]
pub fn overlay(rgb: &[u8], train_ids: &[u8], opacity: f32) -> Vec<u8> {
    assert_eq!(rgb.len(), train_ids.len() * 3, "image and label map differ in pixel count");
    let mut painted = rgb.to_vec();
    for (pixel, &train_id) in painted.chunks_exact_mut(3).zip(train_ids) {
        let Some(colour) = CITYSCAPES.get(usize::from(train_id)) else { continue };
        for (channel, &paint) in pixel.iter_mut().zip(colour) {
            let mixed = f32::from(*channel) * (1.0 - opacity) + f32::from(paint) * opacity;
            *channel = mixed.round() as u8; // saturates
        }
    }
    painted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_and_the_ignore_id_has_a_colour_of_its_own() {
        let colours: BTreeSet<_> = CITYSCAPES.iter().chain([&IGNORED]).collect();
        assert_eq!(colours.len(), 20);
    }

    #[test]
    fn labels_are_painted_pixel_by_pixel() {
        assert_eq!(colourise(&[13, 255, 19, 0]), [0, 0, 142, 0, 0, 0, 0, 0, 0, 128, 64, 128]);
    }

    #[test]
    fn an_overlay_mixes_classes_and_leaves_ignored_pixels() {
        let image = [100, 100, 100, 10, 20, 30];
        assert_eq!(overlay(&image, &[12, 255], 0.5), [178, 50, 50, 10, 20, 30]);
        assert_eq!(overlay(&image, &[12, 255], 0.0), image);
    }
}
