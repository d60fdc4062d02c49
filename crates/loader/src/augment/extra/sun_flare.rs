//! A low sun in the picture: its disc, a veil over everything, rays, and images of the aperture.

use serde::{Deserialize, Serialize};

use super::coarse_field::CoarseField;
use super::plane_rows::{Frame, for_each_row};
use super::stream::Stream;
use super::stroke::{Stroke, pixels};
use super::{Check, probability};
use crate::augment::exact::byte;
use crate::random::{Purpose, SampleKey};

/// Sun in the lens; lengths scale with the crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SunFlare {
    /// Probability that the sun shines into a sample.
    pub probability: f32,
    /// Least radius of the glow about the sun, as a share of the crop's shorter side.
    pub radius_share_min: f32,
    /// Largest radius of the glow about the sun, as a share of the crop's shorter side.
    pub radius_share_max: f32,
    /// Least strength; at 1 the glow's middle is white.
    pub strength_min: f32,
    /// Largest strength.
    pub strength_max: f32,
}

impl SunFlare {
    pub(super) const NONE: Self = Self {
        probability: 0.0,
        radius_share_min: 0.2,
        radius_share_max: 0.6,
        strength_min: 0.5,
        strength_max: 1.0,
    };

    pub(super) fn checks(&self) -> [Check; 5] {
        [
            probability("extra.sun_flare.probability", self.probability),
            ("extra.sun_flare.radius_share_min", self.radius_share_min, 0.0, 10.0),
            (
                "extra.sun_flare.radius_share_max",
                self.radius_share_max,
                self.radius_share_min,
                10.0,
            ),
            ("extra.sun_flare.strength_min", self.strength_min, 0.0, 1.0),
            ("extra.sun_flare.strength_max", self.strength_max, self.strength_min, 1.0),
        ]
    }
}

/// Red, green and blue of a low sun.
const SUN: [f32; 3] = [255.0, 243.0, 214.0];

/// Images of the aperture along the line from the sun through the middle of the picture.
const GHOSTS: u64 = 6;

/// Rays of the sun.
const RAYS: u64 = 8;

/// One draw of the sun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SunFlareDraw {
    /// The sun's place, as shares of width and height.
    place: (f32, f32),
    radius: f32,
    strength: f32,
    ghosts: Stream,
    rays: Stream,
}

impl SunFlareDraw {
    pub(super) fn draw(flare: &SunFlare, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::SunFlare, flare.probability)?;
        Some(Self {
            place: (stream.uniform(1, 0.05, 0.95), stream.uniform(2, 0.03, 0.35)),
            radius: stream.uniform(3, flare.radius_share_min, flare.radius_share_max),
            strength: stream.uniform(4, flare.strength_min, flare.strength_max),
            ghosts: stream.part(5),
            rays: stream.part(6),
        })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        let frame = Frame::of(planes, crop_width);
        let sun = (self.place.0 * frame.width as f32, self.place.1 * frame.height as f32);
        self.veil(planes, frame, sun);
        for ray in 0..RAYS {
            self.ray(self.rays.part(ray), frame, sun).paint(planes, frame, SUN);
        }
        for ghost in 0..GHOSTS {
            self.ghost(self.ghosts.part(ghost), planes, frame, sun);
        }
    }

    /// Light scattered in the lens: strong near the sun, and a little of it everywhere.
    fn veil(&self, planes: &mut [u8], frame: Frame, sun: (f32, f32)) {
        let radius = (self.radius * frame.side()).max(1.0);
        let glow = CoarseField::new(frame, |x, y| {
            let (right, down) = (x - sun.0, y - sun.1);
            let distance = (right * right + down * down) / (radius * radius);
            let near = 1.0 / ((1.0 + 2.0 * distance) * (1.0 + 2.0 * distance));
            self.strength * (0.75 * near + 0.25 / (1.0 + 0.5 * distance))
        });
        let mut share = vec![0.0; frame.width];
        for_each_row(planes, frame, |y, rows| {
            glow.fill_row(y, &mut share);
            for (row, sun) in rows.into_iter().zip(SUN) {
                for (value, &share) in row.iter_mut().zip(share.iter()) {
                    let old = f32::from(*value);
                    // Two lights together: what one leaves of white, the other fills.
                    *value = byte(old + (255.0 - old) * (sun * (1.0 / 255.0)) * share);
                }
            }
        });
        let disc = 0.09 * radius;
        for (radius, opacity) in [(5.0, 0.45), (2.2, 0.6), (1.0, 2.0)] {
            let half = radius * disc;
            let disc = Stroke {
                centre: sun,
                direction: (0.0, 1.0),
                half_length: half,
                half_width: half,
                opacity: opacity * self.strength,
            };
            disc.paint(planes, frame, [255.0, 252.0, 240.0]);
        }
    }

    fn ray(&self, draws: Stream, frame: Frame, sun: (f32, f32)) -> Stroke {
        let (x, y) = (draws.uniform(1, -1.0, 1.0), draws.uniform(2, 0.2, 1.0));
        let norm = (x * x + y * y).sqrt();
        let side = frame.side();
        Stroke {
            centre: sun,
            direction: (x / norm, y / norm),
            half_length: self.radius * side * draws.uniform(3, 0.5, 1.2),
            half_width: side * draws.uniform(4, 0.004, 0.012),
            opacity: 0.3 * self.strength,
        }
    }

    /// A disc that is brighter at its rim, as an aperture's image is.
    fn ghost(&self, draws: Stream, planes: &mut [u8], frame: Frame, sun: (f32, f32)) {
        let middle = (0.5 * frame.width as f32, 0.5 * frame.height as f32);
        let way = draws.uniform(1, 0.4, 2.2);
        let centre = (sun.0 + way * (middle.0 - sun.0), sun.1 + way * (middle.1 - sun.1));
        let radius = (frame.side() * draws.uniform(2, 0.012, 0.07)).max(1.0);
        let colour = [3, 4, 5].map(|number| draws.uniform(number, 120.0, 255.0));
        let opacity = self.strength * draws.uniform(6, 0.06, 0.2);
        let plane_len = frame.width * frame.height;
        for y in pixels(centre.1, radius, frame.height) {
            for x in pixels(centre.0, radius, frame.width) {
                let (right, down) = (x as f32 - centre.0, y as f32 - centre.1);
                let distance = (right * right + down * down) / (radius * radius);
                // The last tenth of the disc falls to nothing.
                let rim = ((1.0 - distance) * 10.0).clamp(0.0, 1.0);
                let weight = opacity * rim * (0.4 + 0.6 * distance);
                for (channel, target) in colour.into_iter().enumerate() {
                    let value = &mut planes[channel * plane_len + y * frame.width + x];
                    let old = f32::from(*value);
                    *value = byte(old + (255.0 - old) * (target * (1.0 / 255.0)) * weight);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_is_added_everywhere_and_most_of_it_at_the_sun() {
        let flare = SunFlare { probability: 1.0, ..SunFlare::NONE };
        for index in 0..20 {
            let draw = SunFlareDraw::draw(&flare, SampleKey::new(1, "gtav", 0, index)).unwrap();
            let mut planes = vec![80; 3 * 120 * 90];
            draw.apply(&mut planes, 120);
            assert!(planes.iter().all(|&level| level >= 80));
            let (x, y) = ((draw.place.0 * 120.0) as usize, (draw.place.1 * 90.0) as usize);
            let sun = planes[y * 120 + x];
            assert!(sun > 180, "{index}: {sun}");
            let brightest_below = planes[70 * 120..90 * 120].iter().max().copied().unwrap();
            assert!(brightest_below < sun, "{index}: {brightest_below} {sun}");
            // Beyond the disc and its rings, half a radius below the sun, the glow alone is left:
            // its share of white is (0.75 / 1.5^2 + 0.25 / 1.125) * 0.5 = 0.28 or more, here 48.
            let half_radius_below = y + (0.5 * draw.radius * 90.0) as usize;
            let glow = planes[half_radius_below * 120 + x];
            assert!(glow > 120, "{index}: {glow}");
        }
    }
}
