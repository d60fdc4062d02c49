//! CutOut: rectangles of the crop are blotted out.

use serde::{Deserialize, Serialize};

use super::plane_rows::Frame;
use super::stream::Stream;
use super::{Check, probability};
use crate::random::{Purpose, SampleKey};

/// Blotted-out rectangles. Source: DeVries and Taylor, "Cutout", 2017.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutout {
    /// Probability that a sample is cut.
    pub probability: f32,
    /// Most rectangles in a crop, at least 1.
    pub rectangles_max: u32,
    /// Smallest area of a rectangle, as a share of the crop.
    pub area_share_min: f32,
    /// Largest area of a rectangle, as a share of the crop.
    pub area_share_max: f32,
    /// Largest ratio of a rectangle's longer side to its shorter one.
    pub aspect_max: f32,
    /// What a rectangle shows.
    pub fill: CutoutFill,
    /// What becomes of the labels in a rectangle.
    pub labels: CutoutLabels,
}

/// What a blotted-out rectangle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutoutFill {
    /// Black.
    Black,
    /// The mean colour of the crop.
    MeanColour,
}

/// What becomes of the labels in a blotted-out rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutoutLabels {
    /// They count for nothing.
    Ignore,
    /// They stay, so that the network must guess from the surroundings.
    Keep,
}

impl Cutout {
    pub(super) const NONE: Self = Self {
        probability: 0.0,
        rectangles_max: 3,
        area_share_min: 0.01,
        area_share_max: 0.08,
        aspect_max: 2.5,
        fill: CutoutFill::MeanColour,
        labels: CutoutLabels::Ignore,
    };

    pub(super) fn checks(&self) -> [Check; 5] {
        [
            probability("extra.cutout.probability", self.probability),
            ("extra.cutout.rectangles_max", self.rectangles_max as f32, 1.0, 1000.0),
            ("extra.cutout.area_share_min", self.area_share_min, 0.0, 1.0),
            ("extra.cutout.area_share_max", self.area_share_max, self.area_share_min, 1.0),
            ("extra.cutout.aspect_max", self.aspect_max, 1.0, 1000.0),
        ]
    }
}

/// One draw of the rectangles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CutoutDraw {
    settings: Cutout,
    rectangles: u32,
    stream: Stream,
}

/// Pixels of the crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rectangle {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl CutoutDraw {
    pub(crate) fn draw(cutout: &Cutout, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::Cutout, cutout.probability)?;
        let rectangles = 1 + stream.below(1, cutout.rectangles_max);
        Some(Self { settings: *cutout, rectangles, stream: stream.part(2) })
    }

    /// Shapes: `planes` [3, H, crop_width], `labels` [H, crop_width].
    pub(crate) fn apply(
        &self,
        planes: &mut [u8],
        labels: &mut [u8],
        crop_width: u32,
        ignore_id: u8,
    ) {
        let frame = Frame::of(planes, crop_width);
        // Of the whole crop, before anything of it is cut.
        let colours: Vec<u8> = match self.settings.fill {
            CutoutFill::Black => vec![0; 3],
            CutoutFill::MeanColour => planes.chunks_exact(labels.len()).map(mean).collect(),
        };
        for rectangle in self.rectangles(frame) {
            for (plane, &colour) in planes.chunks_exact_mut(labels.len()).zip(&colours) {
                rectangle.fill(plane, frame, colour);
            }
            if self.settings.labels == CutoutLabels::Ignore {
                rectangle.fill(labels, frame, ignore_id);
            }
        }
    }

    fn rectangles(&self, frame: Frame) -> impl Iterator<Item = Rectangle> {
        let Self { settings, rectangles, stream } = *self;
        (0..u64::from(rectangles))
            .map(move |number| Rectangle::draw(&settings, stream.part(number), frame))
    }
}

impl Rectangle {
    /// A rectangle wholly inside the crop, its area as drawn up to half a row, and at least a pixel.
    fn draw(cutout: &Cutout, draws: Stream, frame: Frame) -> Self {
        let crop_area = (frame.width * frame.height) as f32;
        let area = draws.uniform(1, cutout.area_share_min, cutout.area_share_max) * crop_area;
        let aspect = draws.uniform(2, 1.0, cutout.aspect_max);
        let tall = draws.unit(3) < 0.5;
        let height = (if tall { area * aspect } else { area / aspect }).sqrt();
        // Where the crop is too narrow for the aspect, the rectangle is taller, and so on.
        let least = (area / frame.width as f32).ceil();
        let height = (height.round().max(least).max(1.0) as usize).min(frame.height);
        let width = ((area / height as f32).round().max(1.0) as usize).min(frame.width);
        let places = |side: usize, length: usize| (side - length + 1) as u32;
        Self {
            left: draws.below(4, places(frame.width, width)) as usize,
            top: draws.below(5, places(frame.height, height)) as usize,
            width,
            height,
        }
    }

    /// Shapes: `plane` [H, W].
    fn fill(self, plane: &mut [u8], frame: Frame, value: u8) {
        for row in plane.chunks_exact_mut(frame.width).skip(self.top).take(self.height) {
            row[self.left..self.left + self.width].fill(value);
        }
    }
}

/// The mean of a plane, rounded half up.
fn mean(plane: &[u8]) -> u8 {
    let sum: u64 = plane.iter().map(|&value| u64::from(value)).sum();
    let pixels = plane.len() as u64;
    ((sum + pixels / 2) / pixels) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUTOUT: Cutout = Cutout { probability: 1.0, rectangles_max: 1, ..Cutout::NONE };

    fn draw(cutout: &Cutout, index: u64) -> CutoutDraw {
        CutoutDraw::draw(cutout, SampleKey::new(1, "gtav", 0, index)).unwrap()
    }

    #[test]
    fn a_rectangles_area_lies_in_the_range_and_its_labels_are_ignored() {
        for index in 0..200 {
            let mut planes: Vec<u8> = (0..3 * 120 * 90).map(|pixel| (pixel % 251) as u8).collect();
            let mut labels = vec![3; 120 * 90];
            let before = planes.clone();
            draw(&CUTOUT, index).apply(&mut planes, &mut labels, 120, 255);
            let cut = labels.iter().filter(|&&label| label == 255).count();
            // 1 to 8 hundredths of 10800 pixels, up to half of the longest row or column, 46.
            assert!((108 - 23..=864 + 23).contains(&cut), "{index}: {cut}");
            for (pixel, &label) in labels.iter().enumerate() {
                for channel in [0, 1, 2].map(|plane| plane * 120 * 90 + pixel) {
                    // The mean of 0 to 250, almost evenly.
                    let expected = if label == 255 { 125 } else { before[channel] };
                    assert!(planes[channel].abs_diff(expected) <= u8::from(label == 255));
                }
            }
        }
    }

    #[test]
    fn kept_labels_do_not_change_and_black_is_black() {
        let cutout = Cutout { fill: CutoutFill::Black, labels: CutoutLabels::Keep, ..CUTOUT };
        let (mut planes, mut labels) = (vec![200; 3 * 120 * 90], vec![3; 120 * 90]);
        draw(&cutout, 0).apply(&mut planes, &mut labels, 120, 255);
        assert!(labels.iter().all(|&label| label == 3));
        let black = planes.iter().filter(|&&level| level == 0).count();
        assert!(black >= 3 * 85 && planes.iter().all(|&level| level == 0 || level == 200));
    }

    #[test]
    fn no_more_rectangles_are_cut_than_asked_for_and_sometimes_as_many() {
        let cutout = Cutout { rectangles_max: 3, ..CUTOUT };
        let numbers: Vec<u32> = (0..100).map(|index| draw(&cutout, index).rectangles).collect();
        for number in 1..=3 {
            assert!(numbers.contains(&number));
        }
        assert!(numbers.iter().all(|number| (1..=3).contains(number)));
    }

    #[test]
    fn rectangles_of_extreme_aspect_keep_their_area_inside_narrow_crops() {
        let cutout =
            Cutout { area_share_min: 0.5, area_share_max: 0.5, aspect_max: 1000.0, ..CUTOUT };
        for frame in [Frame { width: 4, height: 200 }, Frame { width: 200, height: 4 }] {
            for index in 0..100 {
                let stream = draw(&cutout, index).stream;
                let rectangle = Rectangle::draw(&cutout, stream, frame);
                let area = rectangle.width * rectangle.height;
                // 400 pixels; widths and heights are rounded.
                assert!((300..=500).contains(&area), "{rectangle:?}");
                assert!(rectangle.left + rectangle.width <= frame.width);
                assert!(rectangle.top + rectangle.height <= frame.height);
            }
        }
    }

    #[test]
    fn sides_differ_by_the_largest_aspect_at_most_and_either_may_be_longer() {
        let frame = Frame { width: 500, height: 500 };
        let aspects: Vec<f32> = (0..200)
            .map(|index| Rectangle::draw(&CUTOUT, draw(&CUTOUT, index).stream, frame))
            .map(|rectangle| rectangle.width as f32 / rectangle.height as f32)
            .collect();
        // Sides are rounded; the shortest has about 30 pixels.
        assert!(aspects.iter().all(|aspect| (0.38..=2.6).contains(aspect)), "{aspects:?}");
        for (low, high) in [(0.38, 0.5), (0.8, 1.2), (2.0, 2.6)] {
            assert!(aspects.iter().any(|aspect| (low..high).contains(aspect)), "{low}");
        }
    }
}
