//! Class-balanced crop: a crop that shows little but one class is drawn again.

use serde::{Deserialize, Serialize};

use super::equalize::level_counts;
use super::stream::Stream;
use super::{Check, probability};
use crate::augment::{Augment, Geometry, Span};
use crate::random::{Purpose, SampleKey};

/// Crops in which no class covers nearly everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassBalancedCrop {
    /// Probability that the rule holds for a sample.
    pub probability: f32,
    /// A crop is drawn again, up to 10 times, where one class covers this share of the pixels that
    /// count or more, or where all of them are of one class.
    pub class_share_max: f32,
}

impl ClassBalancedCrop {
    pub(super) const NONE: Self = Self { probability: 0.0, class_share_max: 0.75 };

    pub(super) fn checks(&self) -> [Check; 2] {
        [
            probability("extra.class_balanced_crop.probability", self.probability),
            ("extra.class_balanced_crop.class_share_max", self.class_share_max, 0.0, 1.0),
        ]
    }
}

/// How often a crop is drawn again.
const ATTEMPTS: u64 = 10;

/// One draw of the rule. Source: `cat_max_ratio` of `RandomCrop` in mmsegmentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassBalanceDraw {
    class_share_max: f32,
    key: SampleKey,
    stream: Stream,
}

impl ClassBalanceDraw {
    pub(crate) fn draw(settings: &ClassBalancedCrop, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::ClassBalancedCrop, settings.probability)?;
        Some(Self { class_share_max: settings.class_share_max, key, stream })
    }

    /// Whether a crop may stay: at least two classes, and none with too large a share.
    ///
    /// Shapes: `labels` [H, W].
    pub(crate) fn accepts(&self, labels: &[u8], ignore_id: u8) -> bool {
        let mut counts = level_counts(labels);
        counts[usize::from(ignore_id)] = 0;
        let (all, most) = (counts.iter().sum::<u64>(), counts.iter().max().copied().unwrap_or(0));
        // A single class has the share 1, which is less than no share allowed.
        (most as f64) < f64::from(self.class_share_max) * all as f64
    }

    /// The crops to try one after the other: of the same scale and flip, at other places that show
    /// `focus`, if there is one.
    pub(crate) fn other_crops(
        self,
        augment: &Augment,
        first: Geometry,
        (crop, focus): ((u32, u32), Option<(u32, u32)>),
    ) -> impl Iterator<Item = Geometry> {
        // The scale as `Geometry` draws it.
        let scale = self.key.uniform(Purpose::Scale, augment.scale_min, augment.scale_max);
        (1..=ATTEMPTS).map(move |attempt| {
            let draws = self.stream.part(attempt);
            let (x, y) = (focus.map(|focus| focus.0), focus.map(|focus| focus.1));
            Geometry {
                x: Span::place_on(x, (first.x.source, scale, crop.0), |places| {
                    draws.below(1, places)
                }),
                y: Span::place_on(y, (first.y.source, scale, crop.1), |places| {
                    draws.below(2, places)
                }),
                flip: first.flip,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(class_share_max: f32) -> ClassBalanceDraw {
        let settings = ClassBalancedCrop { probability: 1.0, class_share_max };
        ClassBalanceDraw::draw(&settings, SampleKey::new(1, "gtav", 0, 0)).unwrap()
    }

    /// Counts of classes 0 and 1 and of pixels that do not count.
    fn labels(zeros: usize, ones: usize, ignored: usize) -> Vec<u8> {
        [vec![0; zeros], vec![1; ones], vec![255; ignored]].concat()
    }

    #[test]
    fn the_largest_share_of_the_counting_pixels_decides() {
        assert!(rule(0.75).accepts(&labels(74, 26, 0), 255));
        assert!(!rule(0.75).accepts(&labels(75, 25, 0), 255));
        assert!(!rule(0.75).accepts(&labels(25, 75, 0), 255));
        assert!(rule(0.75).accepts(&labels(74, 26, 5000), 255));
        assert!(!rule(0.75).accepts(&labels(76, 24, 5000), 255));
    }

    #[test]
    fn a_single_class_or_none_at_all_is_refused_even_at_share_1() {
        assert!(!rule(1.0).accepts(&labels(100, 0, 0), 255));
        assert!(!rule(1.0).accepts(&labels(0, 100, 50), 255));
        assert!(!rule(1.0).accepts(&labels(0, 0, 100), 255));
        assert!(rule(1.0).accepts(&labels(99, 1, 0), 255));
    }

    #[test]
    fn ten_other_places_are_tried_and_they_differ() {
        let augment = Augment::reference();
        let key = SampleKey::new(1, "gtav", 0, 0);
        let first = Geometry::draw(&augment, key, ((2048, 1024), (256, 256)), None);
        let others: Vec<Geometry> =
            rule(0.75).other_crops(&augment, first, ((256, 256), None)).collect();
        assert_eq!(others.len(), 10);
        let mut places: Vec<(u32, u32)> =
            others.iter().map(|other| (other.x.first, other.y.first)).collect();
        assert!(others.iter().all(|other| other.x.scaled == first.x.scaled));
        assert!(others.iter().all(|other| other.flip == first.flip));
        places.push((first.x.first, first.y.first));
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 11);
    }
}
