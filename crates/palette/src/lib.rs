//! Colours of classes in pictures.
#![forbid(unsafe_code)]

/// Names and colours of the 19 Cityscapes classes, by train id.
///
/// Source: `trainId2color` of cityscapesscripts/helpers/labels.py.
pub const CITYSCAPES: [(&str, [u8; 3]); 19] = [
    ("road", [128, 64, 128]),
    ("sidewalk", [244, 35, 232]),
    ("building", [70, 70, 70]),
    ("wall", [102, 102, 156]),
    ("fence", [190, 153, 153]),
    ("pole", [153, 153, 153]),
    ("traffic light", [250, 170, 30]),
    ("traffic sign", [220, 220, 0]),
    ("vegetation", [107, 142, 35]),
    ("terrain", [152, 251, 152]),
    ("sky", [70, 130, 180]),
    ("person", [220, 20, 60]),
    ("rider", [255, 0, 0]),
    ("car", [0, 0, 142]),
    ("truck", [0, 0, 70]),
    ("bus", [0, 60, 100]),
    ("train", [0, 80, 100]),
    ("motorcycle", [0, 0, 230]),
    ("bicycle", [119, 11, 32]),
];

/// Hues of classes that Cityscapes does not have are this many degrees apart, the golden angle:
/// any number of them in a row is spread about evenly.
const HUE_STEP: f64 = 137.508;

/// One colour per class: Cityscapes' own for a class that has its name there, a made one for any
/// other.
#[must_use]
pub fn class_colours(class_names: &[String]) -> Vec<[u8; 3]> {
    let official = |name: &String| CITYSCAPES.iter().find(|(known, _)| known == name);
    let colour = |(train_id, name)| match official(name) {
        Some((_, colour)) => *colour,
        None => made(train_id),
    };
    class_names.iter().enumerate().map(colour).collect()
}

/// A bright colour that depends on the train id alone.
fn made(train_id: usize) -> [u8; 3] {
    let hue = (train_id as f64 * HUE_STEP + 25.0) % 360.0 / 60.0;
    let channel = |shift: f64| {
        let distance = ((hue + shift) % 6.0 - 3.0).abs(); // 0 to 3
        (60.0 + 180.0 * (distance - 1.0).clamp(0.0, 1.0)).round() as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

/// The colour of the ignore id and of every id that is no train id.
pub const IGNORED: [u8; 3] = [0, 0, 0];

/// The colour of one train id, whose class is taken to be that of Cityscapes.
#[must_use]
pub fn colour(train_id: u8) -> [u8; 3] {
    CITYSCAPES.get(usize::from(train_id)).map_or(IGNORED, |(_, colour)| *colour)
}

/// Paints a label map.
///
/// Shapes: `train_ids` `[H*W]`, result `[H*W*3]` interleaved RGB.
#[must_use]
pub fn colourise(train_ids: &[u8]) -> Vec<u8> {
    train_ids.iter().flat_map(|&train_id| colour(train_id)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_and_the_ignore_id_has_a_colour_of_its_own() {
        let classes = CITYSCAPES.iter().map(|(_, colour)| colour);
        let colours: BTreeSet<_> = classes.chain([&IGNORED]).collect();
        assert_eq!(colours.len(), 20);
    }

    #[test]
    fn labels_are_painted_pixel_by_pixel() {
        assert_eq!(colourise(&[13, 255, 19, 0]), [0, 0, 142, 0, 0, 0, 0, 0, 0, 128, 64, 128]);
    }

    #[test]
    fn known_names_have_their_official_colour_wherever_they_stand() {
        let names = ["sky", "tree", "road"].map(String::from);
        let colours = class_colours(&names);
        assert_eq!((colours[0], colours[2]), ([70, 130, 180], [128, 64, 128]));
    }

    #[test]
    fn thirty_one_classes_of_other_names_have_colours_of_their_own() {
        let names: Vec<String> = (0..31).map(|id| format!("class {id}")).collect();
        let official = CITYSCAPES.iter().map(|(_, colour)| *colour);
        let colours: BTreeSet<_> =
            class_colours(&names).into_iter().chain(official).chain([IGNORED]).collect();
        assert_eq!(colours.len(), 31 + 19 + 1);
    }
}
