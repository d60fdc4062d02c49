//! Rain: dim light, mist, and drops drawn out to streaks while the shutter is open.

use serde::{Deserialize, Serialize};

use super::haze::Haze;
use super::plane_rows::Frame;
use super::stream::Stream;
use super::stroke::Stroke;
use super::{Check, probability};
use crate::random::{Purpose, SampleKey};

/// A drop reflects the sky.
const DROP: [f32; 3] = [208.0, 213.0, 222.0];

/// Rain; lengths scale with the crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rain {
    /// Probability that it rains on a sample.
    pub probability: f32,
    /// Fewest streaks in a crop.
    pub streaks_min: u32,
    /// Most streaks in a crop.
    pub streaks_max: u32,
    /// Shortest streak near the camera, as a share of the crop's shorter side.
    pub length_share_min: f32,
    /// Longest streak near the camera, as a share of the crop's shorter side.
    pub length_share_max: f32,
    /// Largest slant of the streaks to either side, in columns for each row.
    pub slant_max: f32,
}

impl Rain {
    pub(super) const NONE: Self = Self {
        probability: 0.0,
        streaks_min: 500,
        streaks_max: 2000,
        length_share_min: 0.05,
        length_share_max: 0.14,
        slant_max: 0.35,
    };

    pub(super) fn checks(&self) -> [Check; 6] {
        [
            probability("extra.rain.probability", self.probability),
            ("extra.rain.streaks_min", self.streaks_min as f32, 0.0, 100_000.0),
            ("extra.rain.streaks_max", self.streaks_max as f32, self.streaks_min as f32, 100_000.0),
            ("extra.rain.length_share_min", self.length_share_min, 0.0, 1.0),
            ("extra.rain.length_share_max", self.length_share_max, self.length_share_min, 1.0),
            ("extra.rain.slant_max", self.slant_max, 0.0, 2.0),
        ]
    }
}

/// Drops at about one distance from the camera.
struct Layer {
    /// The share of all drops.
    share: f32,
    /// Their length, relative to that of near drops.
    length: f32,
    /// Their half width, as a share of the crop's shorter side.
    half_width: f32,
    opacity: f32,
}

/// Far drops are many, short and thin; near ones are few, long and out of focus.
const LAYERS: [Layer; 3] = [
    Layer { share: 0.66, length: 0.3, half_width: 0.0008, opacity: 0.45 },
    Layer { share: 0.28, length: 0.6, half_width: 0.0012, opacity: 0.45 },
    Layer { share: 0.06, length: 1.0, half_width: 0.0028, opacity: 0.26 },
];

/// One draw of the rain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RainDraw {
    haze: Haze,
    drops: Stream,
    streaks: u32,
    length: f32,
    slant: f32,
}

impl RainDraw {
    pub(super) fn draw(rain: &Rain, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::Rain, rain.probability)?;
        let level = stream.uniform(1, 135.0, 175.0);
        let haze = Haze {
            patches: stream.part(2),
            density: stream.uniform(3, 0.25, 0.8),
            horizon: stream.uniform(4, 0.38, 0.52),
            air: [level - 3.0, level, level + 5.0],
            light: stream.uniform(5, 0.6, 0.85),
            paleness: stream.uniform(6, 0.25, 0.5),
        };
        let streaks = rain.streaks_min
            + stream.below(7, rain.streaks_max.saturating_sub(rain.streaks_min) + 1);
        Some(Self {
            haze,
            drops: stream.part(8),
            streaks,
            length: stream.uniform(9, rain.length_share_min, rain.length_share_max),
            slant: stream.uniform(10, -rain.slant_max, rain.slant_max),
        })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        let frame = Frame::of(planes, crop_width);
        self.haze.apply(planes, frame);
        let mut number = 0;
        for layer in &LAYERS {
            for _ in 0..(self.streaks as f32 * layer.share) as u32 {
                self.streak(layer, self.drops.part(number), frame).paint(planes, frame, DROP);
                number += 1;
            }
        }
    }

    fn streak(&self, layer: &Layer, drop: Stream, frame: Frame) -> Stroke {
        let side = frame.side();
        let half_length = 0.5 * self.length * layer.length * side * drop.uniform(1, 0.6, 1.2);
        let slant = self.slant + drop.uniform(2, -0.03, 0.03);
        let norm = (1.0 + slant * slant).sqrt();
        // Streaks may begin above the crop and end below it.
        let margin = half_length;
        Stroke {
            centre: (
                drop.uniform(3, -margin, frame.width as f32 + margin),
                drop.uniform(4, -margin, frame.height as f32 + margin),
            ),
            direction: (slant / norm, 1.0 / norm),
            half_length,
            half_width: layer.half_width * side,
            opacity: layer.opacity * drop.uniform(5, 0.4, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rainy(rain: &Rain, side: u32, index: u64) -> Vec<u8> {
        let mut planes = vec![70; (3 * side * side) as usize];
        let draw = RainDraw::draw(rain, SampleKey::new(1, "gtav", 0, index)).unwrap();
        draw.apply(&mut planes, side);
        planes
    }

    #[test]
    fn streaks_are_brighter_than_a_dark_scene_and_many() {
        let rain = Rain { probability: 1.0, streaks_min: 400, streaks_max: 400, ..Rain::NONE };
        let dry = Rain { streaks_min: 0, streaks_max: 0, ..rain };
        for index in 0..10 {
            let (wet, dry) = (rainy(&rain, 256, index), rainy(&dry, 256, index));
            assert!(wet.iter().zip(&dry).all(|(wet, dry)| wet >= dry));
            let bright = wet.iter().zip(&dry).filter(|(wet, dry)| **wet > **dry + 15).count();
            // Some of the picture, and far from all of it.
            assert!(bright > wet.len() / 500 && bright < wet.len() / 5, "{index}: {bright}");
        }
    }

    #[test]
    fn streaks_scale_with_the_crop_and_keep_to_their_slant() {
        let rain = Rain { probability: 1.0, ..Rain::NONE };
        let draw = RainDraw::draw(&rain, SampleKey::new(1, "gtav", 0, 0)).unwrap();
        let streak =
            |side: usize| draw.streak(&LAYERS[2], draw.drops, Frame { width: side, height: side });
        let (small, large) = (streak(256), streak(768));
        // Rounding of single precision.
        assert!((large.half_length - 3.0 * small.half_length).abs() < 1e-3);
        assert!((large.half_width - 3.0 * small.half_width).abs() < 1e-3);
        assert_eq!(large.direction, small.direction);
        let slant = large.direction.0 / large.direction.1;
        assert!((slant - draw.slant).abs() <= 0.031, "{slant} {}", draw.slant);
    }
}
