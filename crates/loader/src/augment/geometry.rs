//! Scale, crop and flip: one transform that image and label share.

use super::Augment;
use crate::random::{Purpose, SampleKey};

/// Where every pixel of a crop comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) x: Span,
    pub(crate) y: Span,
    /// Mirrors the finished crop, padding included.
    pub(crate) flip: bool,
}

/// One axis of the transform: the source is resized, padded on both sides where it is smaller than
/// the crop, and cropped at an integer place.
///
/// Crop pixels `at..at + visible` show the resized pixels `first..first + visible`; the others are
/// padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Pixels of the source.
    pub(crate) source: u32,
    /// Pixels after resizing the whole source.
    pub(crate) scaled: u32,
    /// The first resized pixel in the crop.
    pub(crate) first: u32,
    /// The number of resized pixels in the crop, at least 1.
    pub(crate) visible: u32,
    /// The crop pixel that shows `first`.
    pub(crate) at: u32,
}

impl Geometry {
    /// Draws the transform of one sample; the crop shows the source pixel `focus`, if there is one.
    pub(crate) fn draw(
        augment: &Augment,
        key: SampleKey,
        (source, crop): ((u32, u32), (u32, u32)),
        focus: Option<(u32, u32)>,
    ) -> Self {
        let scale = key.uniform(Purpose::Scale, augment.scale_min, augment.scale_max);
        let (x, y) = (focus.map(|focus| focus.0), focus.map(|focus| focus.1));
        Self {
            x: Span::place_on(x, (source.0, scale, crop.0), |count| {
                key.below(Purpose::CropX, count)
            }),
            y: Span::place_on(y, (source.1, scale, crop.1), |count| {
                key.below(Purpose::CropY, count)
            }),
            flip: key.unit(Purpose::Flip) < f64::from(augment.flip_probability),
        }
    }
}

impl Span {
    /// Places a crop; `pick` chooses one of the given number of integer offsets.
    ///
    /// Source: `RandomSizeAndCrop` and `RandomCrop` of the released code: sizes are truncated, and
    /// a side that is too short is padded by (crop - side) / 2 + 1 on either end.
    pub(crate) fn place(source: u32, scale: f64, crop: u32, pick: impl FnOnce(u32) -> u32) -> Self {
        let scaled = scaled_side(source, scale);
        let padding = if scaled < crop { (crop - scaled) / 2 + 1 } else { 0 };
        let offset = pick(scaled + 2 * padding - crop + 1);
        let first = offset.saturating_sub(padding);
        let at = padding.saturating_sub(offset);
        Self { source, scaled, first, visible: (scaled - first).min(crop - at), at }
    }

    /// As [`place`](Self::place), but only among the offsets whose crop shows the source pixel
    /// `focus`, if there is one.
    pub(crate) fn place_on(
        focus: Option<u32>,
        (source, scale, crop): (u32, f64, u32),
        pick: impl FnOnce(u32) -> u32,
    ) -> Self {
        let Some(focus) = focus else { return Self::place(source, scale, crop, pick) };
        Self::place(source, scale, crop, |places| {
            let scaled = scaled_side(source, scale);
            let padding = (places + crop - 1 - scaled) / 2;
            let centre = (f64::from(focus) + 0.5) * f64::from(scaled) / f64::from(source);
            let shown = padding + (centre as u32).min(scaled - 1);
            let first = (shown + 1).saturating_sub(crop);
            first + pick(shown.min(places - 1) - first + 1)
        })
    }

    /// The source pixel nearest to the centre of each visible resized pixel, in order.
    ///
    /// It is floor((i + 0.5) * source / scaled), summed up step by step as Pillow does: where a
    /// centre falls on a border between two source pixels, rounding decides, and alike.
    pub(crate) fn nearest_sources(&self) -> impl Iterator<Item = u32> {
        let (step, last) = (self.step(), self.source - 1);
        let mut centre = 0.5 * step;
        let sources = (0..self.scaled).map(move |_| {
            let source = centre as u32;
            centre += step;
            source.min(last)
        });
        sources.skip(self.first as usize).take(self.visible as usize)
    }

    /// Source pixels for each resized pixel.
    pub(crate) fn step(&self) -> f64 {
        f64::from(self.source) / f64::from(self.scaled)
    }
}

/// Pixels of a side after resizing; truncated, as in the released code.
fn scaled_side(source: u32, scale: f64) -> u32 {
    ((f64::from(source) * scale) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn offsets_reach_both_ends_of_a_large_image() {
        let first = Span::place(100, 1.0, 30, |_| 0);
        assert_eq!((first.first, first.visible, first.at), (0, 30, 0));
        let last = Span::place(100, 1.0, 30, |places| places - 1);
        assert_eq!((last.first, last.visible, last.at), (70, 30, 0));
    }

    #[test]
    fn a_short_side_is_padded_on_both_ends() {
        let span = Span::place(24, 1.0, 40, |places| {
            assert_eq!(places, 3);
            1
        });
        assert_eq!((span.first, span.visible, span.at), (0, 24, 8));
    }

    #[test]
    fn a_focus_may_stand_anywhere_in_the_crop() {
        let places =
            |focus, pick: fn(u32) -> u32| Span::place_on(Some(focus), (100, 1.0, 30), pick).first;
        assert_eq!((places(50, |_| 0), places(50, |count| count - 1)), (21, 50));
        assert_eq!((places(3, |_| 0), places(3, |count| count - 1)), (0, 3));
        assert_eq!((places(99, |_| 0), places(99, |count| count - 1)), (70, 70));
    }

    proptest! {
        #[test]
        fn a_crop_shows_its_focus(
            source in 1_u32..5000, crop in 1_u32..1500, scale in 0.01_f64..4.0,
            at in 0.0_f64..1.0, pick in 0.0_f64..1.0,
        ) {
            let focus = (f64::from(source) * at) as u32;
            let span = Span::place_on(Some(focus), (source, scale, crop), |places| {
                (f64::from(places) * pick) as u32
            });
            let (left, length) =
                (f64::from(span.first) * span.step(), f64::from(span.visible) * span.step());
            // A resized pixel that is smaller than a source pixel shows a part of it.
            prop_assert!(left < f64::from(focus) + 1.0 && f64::from(focus) < left + length);
        }

        #[test]
        fn spans_stay_inside_source_and_crop(
            source in 1_u32..5000, crop in 1_u32..1500, scale in 0.01_f64..4.0, pick in 0.0_f64..1.0,
        ) {
            let span = Span::place(source, scale, crop, |places| (f64::from(places) * pick) as u32);
            prop_assert!(span.visible >= 1);
            prop_assert!(span.at + span.visible <= crop);
            prop_assert!(span.first + span.visible <= span.scaled);
            let nearest: Vec<u32> = span.nearest_sources().collect();
            prop_assert_eq!(nearest.len() as u32, span.visible);
            prop_assert!(nearest.iter().all(|&pixel| pixel < source));
            prop_assert!(nearest.is_sorted());
        }
    }
}
