//! Snow: flat light, white air, snow on the ground and flakes in front of it all.

use serde::{Deserialize, Serialize};

use super::coarse_field::{CoarseField, SmoothNoise};
use super::grain::Grain;
use super::haze::Haze;
use super::plane_rows::{Frame, for_each_row};
use super::stream::Stream;
use super::stroke::Stroke;
use super::{Check, probability};
use crate::augment::exact::byte;
use crate::random::{Purpose, SampleKey};

/// Snow in flat light.
const WHITE: [f32; 3] = [236.0, 240.0, 246.0];

/// Lying snow does not hide the ground wholly, nor who stands on it.
const COVER_OPACITY: f32 = 0.75;

/// Falling and lying snow; lengths scale with the crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snow {
    /// Probability that it snows on a sample.
    pub probability: f32,
    /// Fewest flakes in a crop.
    pub flakes_min: u32,
    /// Most flakes in a crop.
    pub flakes_max: u32,
    /// Radius of the largest flakes, as a share of the crop's shorter side.
    pub radius_share_max: f32,
    /// Largest slant of the flakes' fall to either side, in columns for each row.
    pub slant_max: f32,
    /// Largest share of a ground of middle brightness that snow lies on.
    pub cover_share_max: f32,
}

impl Snow {
    pub(super) const NONE: Self = Self {
        probability: 0.0,
        flakes_min: 800,
        flakes_max: 3000,
        radius_share_max: 0.008,
        slant_max: 1.0,
        cover_share_max: 0.5,
    };

    pub(super) fn checks(&self) -> [Check; 6] {
        [
            probability("extra.snow.probability", self.probability),
            ("extra.snow.flakes_min", self.flakes_min as f32, 0.0, 100_000.0),
            ("extra.snow.flakes_max", self.flakes_max as f32, self.flakes_min as f32, 100_000.0),
            ("extra.snow.radius_share_max", self.radius_share_max, 0.0, 0.1),
            ("extra.snow.slant_max", self.slant_max, 0.0, 10.0),
            ("extra.snow.cover_share_max", self.cover_share_max, 0.0, 1.0),
        ]
    }
}

/// Flakes at about one distance from the camera.
struct Layer {
    /// The share of all flakes.
    share: f32,
    /// Their radius, relative to that of the largest.
    radius: f32,
    opacity: f32,
}

/// Near flakes are out of focus.
const LAYERS: [Layer; 3] = [
    Layer { share: 0.72, radius: 0.2, opacity: 0.75 },
    Layer { share: 0.23, radius: 0.42, opacity: 0.85 },
    Layer { share: 0.05, radius: 0.8, opacity: 0.6 },
];

/// One draw of the snow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SnowDraw {
    haze: Haze,
    flakes: Stream,
    count: u32,
    radius: f32,
    slant: f32,
    ground: Stream,
    cover: f32,
}

impl SnowDraw {
    pub(super) fn draw(snow: &Snow, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::Snow, snow.probability)?;
        let level = stream.uniform(1, 190.0, 225.0);
        let haze = Haze {
            patches: stream.part(2),
            density: stream.uniform(3, 0.3, 1.0),
            horizon: stream.uniform(4, 0.38, 0.52),
            air: [level - 3.0, level, level + 4.0],
            light: stream.uniform(5, 0.85, 1.0),
            paleness: stream.uniform(6, 0.3, 0.55),
        };
        Some(Self {
            haze,
            flakes: stream.part(7),
            count: snow.flakes_min
                + stream.below(8, snow.flakes_max.saturating_sub(snow.flakes_min) + 1),
            radius: snow.radius_share_max,
            slant: stream.uniform(9, -snow.slant_max, snow.slant_max),
            ground: stream.part(10),
            cover: stream.uniform(11, 0.0, snow.cover_share_max),
        })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        let frame = Frame::of(planes, crop_width);
        self.lie(planes, frame);
        self.haze.apply(planes, frame);
        let mut number = 0;
        for layer in &LAYERS {
            for _ in 0..(self.count as f32 * layer.share) as u32 {
                self.flake(layer, self.flakes.part(number), frame).paint(planes, frame, WHITE);
                number += 1;
            }
        }
    }

    /// Snow in patches on what lies below the horizon, on bright ground first.
    fn lie(&self, planes: &mut [u8], frame: Frame) {
        let side = frame.side();
        let noise = SmoothNoise::new(self.ground, (1.5, 1.5));
        let horizon = self.haze.horizon * frame.height as f32;
        let cover = CoarseField::new(frame, |x, y| {
            let below = (y - horizon) / side;
            // The place on a level ground, in heights of the camera: patches shrink with distance.
            let away = 1.0 / (below.max(0.0) + 0.04);
            let right = (x - 0.5 * frame.width as f32) / side * away;
            let patch = noise.at(right, away) + self.cover - 1.05;
            patch + (2.5 * below - 0.6).min(0.0)
        });
        let crumbs = Grain::new(self.ground.part(4), frame.width);
        let mut bias = vec![0.0; frame.width];
        for_each_row(planes, frame, |y, [red, green, blue]| {
            cover.fill_row(y, &mut bias);
            for (bias, &crumb) in bias.iter_mut().zip(crumbs.row(y as u64)) {
                *bias += 0.04 * crumb;
            }
            for (((red, green), blue), &bias) in
                red.iter_mut().zip(green).zip(blue).zip(bias.iter())
            {
                let rgb = [f32::from(*red), f32::from(*green), f32::from(*blue)];
                let grey = (rgb[0] + rgb[1] + rgb[2]) * (1.0 / 765.0);
                let share = COVER_OPACITY * (9.0 * (bias + 0.5 * grey)).clamp(0.0, 1.0);
                let seen =
                    |channel: usize| byte(rgb[channel] + (WHITE[channel] - rgb[channel]) * share);
                (*red, *green, *blue) = (seen(0), seen(1), seen(2));
            }
        });
    }

    fn flake(&self, layer: &Layer, flake: Stream, frame: Frame) -> Stroke {
        let radius = layer.radius * self.radius * frame.side() * flake.uniform(1, 0.6, 1.25);
        let slant = self.slant + flake.uniform(2, -0.25, 0.25);
        let norm = (1.0 + slant * slant).sqrt();
        Stroke {
            centre: (
                flake.uniform(3, -radius, frame.width as f32 + radius),
                flake.uniform(4, -radius, frame.height as f32 + radius),
            ),
            direction: (slant / norm, 1.0 / norm),
            half_length: radius * flake.uniform(5, 1.0, 1.9),
            half_width: radius,
            opacity: layer.opacity * flake.uniform(6, 0.5, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snowy(snow: &Snow, level: u8, index: u64) -> Vec<u8> {
        let mut planes = vec![level; 3 * 256 * 256];
        let draw = SnowDraw::draw(snow, SampleKey::new(1, "gtav", 0, index)).unwrap();
        draw.apply(&mut planes, 256);
        planes
    }

    #[test]
    fn flakes_are_brighter_than_a_dark_scene_and_many() {
        let snow = Snow { probability: 1.0, flakes_min: 400, flakes_max: 400, ..Snow::NONE };
        let clear = Snow { flakes_min: 0, flakes_max: 0, ..snow };
        for index in 0..10 {
            let (white, clear) = (snowy(&snow, 70, index), snowy(&clear, 70, index));
            assert!(white.iter().zip(&clear).all(|(white, clear)| white >= clear));
            let bright =
                white.iter().zip(&clear).filter(|(white, clear)| **white > **clear + 15).count();
            assert!(bright > white.len() / 500 && bright < white.len() / 5, "{index}: {bright}");
        }
    }

    #[test]
    fn snow_lies_below_the_horizon_alone() {
        let snow = Snow { probability: 1.0, flakes_min: 0, flakes_max: 0, ..Snow::NONE };
        let bare = Snow { cover_share_max: 0.0, ..snow };
        let mut covered = 0;
        for index in 0..20 {
            let (white, bare) = (snowy(&snow, 110, index), snowy(&bare, 110, index));
            // No horizon lies above 38 hundredths of the height.
            assert_eq!(white[..97 * 256], bare[..97 * 256]);
            covered +=
                white.iter().zip(&bare).filter(|(white, bare)| **white > **bare + 40).count();
        }
        assert!(covered > 20 * 3 * 256 * 256 / 50, "{covered}");
    }
}
