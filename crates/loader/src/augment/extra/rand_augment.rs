//! RandAugment, colour operations only: labels stay where they are.

use serde::{Deserialize, Serialize};

use super::stream::Stream;
use super::{Check, autocontrast, enhance, equalize, posterize, probability, sharpness, solarize};
use crate::random::{Purpose, SampleKey};

/// A few colour operations one after the other, all of one strength.
///
/// Source: Cubuk et al., "RandAugment", 2020, with the ranges of torchvision's `RandAugment`, but
/// without its geometry and its Identity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    /// Probability that a sample is changed.
    pub probability: f32,
    /// Operations for each sample, drawn with replacement out of eight.
    pub operations: u32,
    /// Strength of all operations, from 0 to 10.
    pub magnitude: f32,
}

impl RandAugment {
    pub(super) const NONE: Self = Self { probability: 0.0, operations: 2, magnitude: 5.0 };

    pub(super) fn checks(&self) -> [Check; 3] {
        [
            probability("extra.rand_augment.probability", self.probability),
            ("extra.rand_augment.operations", self.operations as f32, 1.0, 16.0),
            ("extra.rand_augment.magnitude", self.magnitude, 0.0, 10.0),
        ]
    }
}

/// One operation with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    Autocontrast,
    Equalize,
    /// Bits that stay.
    Posterize(u32),
    /// The level from which values are inverted.
    Solarize(f32),
    /// The factor, as for the three below.
    Saturation(f32),
    Contrast(f32),
    Brightness(f32),
    Sharpness(f32),
}

/// One draw of the operations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RandAugmentDraw {
    stream: Stream,
    operations: u32,
    magnitude: f32,
}

impl RandAugmentDraw {
    pub(super) fn draw(settings: &RandAugment, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::RandAugment, settings.probability)?;
        let RandAugment { operations, magnitude, .. } = *settings;
        Some(Self { stream, operations, magnitude })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        for operation in self.operations() {
            match operation {
                Operation::Autocontrast => autocontrast::adjust(planes),
                Operation::Equalize => equalize::adjust(planes),
                Operation::Posterize(bits) => posterize::adjust(planes, bits),
                Operation::Solarize(threshold) => solarize::adjust(planes, threshold),
                Operation::Saturation(factor) => enhance::saturation(planes, factor),
                Operation::Contrast(factor) => enhance::contrast(planes, factor),
                Operation::Brightness(factor) => enhance::brightness(planes, factor),
                Operation::Sharpness(factor) => sharpness::adjust(planes, crop_width, factor),
            }
        }
    }

    fn operations(&self) -> impl Iterator<Item = Operation> {
        let Self { stream, operations, magnitude } = *self;
        (1..=u64::from(operations)).map(move |number| {
            let draws = stream.part(number);
            Operation::new(draws.below(1, 8), magnitude, draws.unit(2) < 0.5)
        })
    }
}

impl Operation {
    /// Operation `number` of eight; `stronger` says to which side of 1 a factor lies.
    fn new(number: u32, magnitude: f32, stronger: bool) -> Self {
        let part = f64::from(magnitude) / 10.0;
        let factor = (if stronger { 1.0 + 0.9 * part } else { 1.0 - 0.9 * part }) as f32;
        match number {
            0 => Self::Autocontrast,
            1 => Self::Equalize,
            2 => Self::Posterize(8 - (4.0 * part).round() as u32),
            3 => Self::Solarize((255.0 * (1.0 - part)) as f32),
            4 => Self::Saturation(factor),
            5 => Self::Contrast(factor),
            6 => Self::Brightness(factor),
            _ => Self::Sharpness(factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_10_is_the_end_of_every_range_and_strength_0_changes_no_pixel() {
        let strong =
            |number| (Operation::new(number, 10.0, true), Operation::new(number, 10.0, false));
        assert_eq!(strong(2).0, Operation::Posterize(4));
        assert_eq!(strong(3).0, Operation::Solarize(0.0));
        assert_eq!(strong(4), (Operation::Saturation(1.9), Operation::Saturation(0.1)));
        assert_eq!(strong(7), (Operation::Sharpness(1.9), Operation::Sharpness(0.1)));
        assert_eq!(Operation::new(2, 5.0, true), Operation::Posterize(6));
        assert_eq!(Operation::new(3, 5.0, true), Operation::Solarize(127.5));
        assert_eq!(Operation::new(6, 5.0, false), Operation::Brightness(0.55));
        assert_eq!(Operation::new(2, 0.0, true), Operation::Posterize(8));
        assert_eq!(Operation::new(3, 0.0, true), Operation::Solarize(255.0));
        assert_eq!(Operation::new(5, 0.0, false), Operation::Contrast(1.0));
    }

    #[test]
    fn the_asked_number_of_operations_is_drawn_evenly_from_all_eight() {
        let settings = RandAugment { probability: 1.0, operations: 3, magnitude: 5.0 };
        let mut counts = [0_u32; 8];
        for index in 0..1600 {
            let draw =
                RandAugmentDraw::draw(&settings, SampleKey::new(1, "gtav", 0, index)).unwrap();
            assert_eq!(draw.operations().count(), 3);
            for operation in draw.operations() {
                let place = match operation {
                    Operation::Autocontrast => 0,
                    Operation::Equalize => 1,
                    Operation::Posterize(_) => 2,
                    Operation::Solarize(_) => 3,
                    Operation::Saturation(_) => 4,
                    Operation::Contrast(_) => 5,
                    Operation::Brightness(_) => 6,
                    Operation::Sharpness(_) => 7,
                };
                counts[place] += 1;
            }
        }
        // 600 expected, standard deviation 22.9; five of them on either side.
        assert!(counts.iter().all(|count| (485..715).contains(count)), "{counts:?}");
    }
}
