//! What a pixel can show, and the ids that each dataset's label files give it.

use crate::City;

/// Train id of pixels that no evaluation counts.
pub const IGNORE_ID: u8 = 255;

/// Names of the 19 Cityscapes classes by train id.
pub const CLASS_NAMES: [&str; 19] = [
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
];

/// Everything drawn: the 19 classes by train id first, then things that some dataset names apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Road,
    Sidewalk,
    Building,
    Wall,
    Fence,
    Pole,
    TrafficLight,
    TrafficSign,
    Vegetation,
    Terrain,
    Sky,
    Person,
    Rider,
    Car,
    Truck,
    Bus,
    Train,
    Motorcycle,
    Bicycle,
    EgoVehicle,
    RailTrack,
    LaneMarking,
    LicensePlate,
    Autorickshaw,
}

/// Label ids of Cityscapes by [`Label`]; those of GTAV are the same but for the license plate.
const CITYSCAPES_IDS: [u8; 24] =
    [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 1, 10, 7, 26, 5];
/// Class ids of SYNTHIA-RAND-CITYSCAPES by [`Label`].
const SYNTHIA_IDS: [u8; 24] =
    [3, 4, 2, 21, 5, 7, 15, 9, 6, 16, 1, 10, 17, 8, 18, 19, 20, 12, 11, 0, 0, 22, 8, 0];
/// Ids of IDD by [`Label`]; IDD calls terrain "non-drivable fallback".
const IDD_IDS: [u8; 24] =
    [0, 3, 29, 20, 21, 26, 25, 24, 32, 5, 33, 6, 8, 12, 13, 14, 17, 9, 10, 36, 4, 0, 39, 11];
const GTAV_LICENSE_PLATE: u8 = 34;

/// IDD's names by id.
const IDD_NAMES: [&str; 40] = [
    "road",
    "parking",
    "drivable fallback",
    "sidewalk",
    "rail track",
    "non-drivable fallback",
    "person",
    "animal",
    "rider",
    "motorcycle",
    "bicycle",
    "autorickshaw",
    "car",
    "truck",
    "bus",
    "caravan",
    "trailer",
    "train",
    "vehicle fallback",
    "curb",
    "wall",
    "fence",
    "guard rail",
    "billboard",
    "traffic sign",
    "traffic light",
    "pole",
    "polegroup",
    "obs-str-bar-fallback",
    "building",
    "bridge",
    "tunnel",
    "vegetation",
    "sky",
    "fallback background",
    "unlabeled",
    "ego vehicle",
    "rectification border",
    "out of roi",
    "license plate",
];

/// Colours of the Cityscapes classes by train id.
const CLASS_COLOURS: [[u8; 3]; 19] = [
    [128, 64, 128],
    [244, 35, 232],
    [70, 70, 70],
    [102, 102, 156],
    [190, 153, 153],
    [153, 153, 153],
    [250, 170, 30],
    [220, 220, 0],
    [107, 142, 35],
    [152, 251, 152],
    [70, 130, 180],
    [220, 20, 60],
    [255, 0, 0],
    [0, 0, 142],
    [0, 0, 70],
    [0, 60, 100],
    [0, 80, 100],
    [0, 0, 230],
    [119, 11, 32],
];

/// Colours of the Cityscapes label ids that carry no class.
const VOID_COLOURS: [(u8, [u8; 3]); 11] = [
    (4, [0, 0, 0]),
    (5, [111, 74, 0]),
    (6, [81, 0, 81]),
    (9, [250, 170, 160]),
    (10, [230, 150, 140]),
    (14, [180, 165, 180]),
    (15, [150, 100, 100]),
    (16, [150, 120, 90]),
    (18, [153, 153, 153]),
    (29, [0, 0, 90]),
    (30, [0, 0, 110]),
];

impl Label {
    /// The id in the city's own label files.
    pub(crate) fn label_id(self, city: City) -> u8 {
        match (city, self) {
            (City::Gtav, Self::LicensePlate) => GTAV_LICENSE_PLATE,
            (City::Gtav | City::Cityscapes, _) => CITYSCAPES_IDS[self as usize],
            (City::Synthia, _) => SYNTHIA_IDS[self as usize],
            (City::Idd, _) => IDD_IDS[self as usize],
        }
    }

    /// The train id that the dataset's usual mapping gives [`Label::label_id`].
    pub(crate) fn train_id(self, city: City) -> u8 {
        match (city, self) {
            (City::Synthia, Self::LaneMarking) => IGNORE_ID,
            (_, Self::LaneMarking) => Self::Road as u8,
            (City::Cityscapes | City::Synthia, Self::LicensePlate) => Self::Car as u8,
            (_, label) if (label as usize) < CLASS_NAMES.len() => label as u8,
            _ => IGNORE_ID,
        }
    }

    /// Whether SYNTHIA numbers the single things of this label.
    pub(crate) fn has_instances(self) -> bool {
        (Self::Person as u8..=Self::Bicycle as u8).contains(&(self as u8))
            || matches!(self, Self::LicensePlate | Self::Autorickshaw)
    }
}

/// IDD's name of an id.
pub(crate) fn idd_name(id: u8) -> &'static str {
    IDD_NAMES[usize::from(id)]
}

/// The colour in which the Cityscapes tools show a train id; black for the ignore id.
#[must_use]
pub fn class_colour(train_id: u8) -> [u8; 3] {
    CLASS_COLOURS.get(usize::from(train_id)).copied().unwrap_or([0; 3])
}

/// The palette of GTAV's label files: the Cityscapes colours by label id, then the license plate.
pub(crate) fn cityscapes_palette() -> Vec<u8> {
    let mut colours = [[0u8; 3]; 35];
    for (train_id, colour) in CLASS_COLOURS.iter().enumerate() {
        colours[usize::from(CITYSCAPES_IDS[train_id])] = *colour;
    }
    for (id, colour) in VOID_COLOURS {
        colours[usize::from(id)] = colour;
    }
    colours[usize::from(GTAV_LICENSE_PLATE)] = CLASS_COLOURS[Label::Car as usize];
    colours.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idd_ids_carry_the_names_of_their_labels() {
        let name = |label: Label| idd_name(label.label_id(City::Idd));
        assert_eq!(name(Label::Terrain), "non-drivable fallback");
        assert_eq!(name(Label::TrafficSign), "traffic sign");
        assert_eq!(name(Label::Autorickshaw), "autorickshaw");
        assert_eq!(name(Label::Train), "train");
        assert_eq!(name(Label::LicensePlate), "license plate");
    }

    #[test]
    fn palette_has_35_colours_and_road_is_purple() {
        let palette = cityscapes_palette();
        assert_eq!(palette.len(), 3 * 35);
        assert_eq!(palette[3 * 7..3 * 8], [128, 64, 128]);
        assert_eq!(palette[3 * 34..], [0, 0, 142]);
    }
}
