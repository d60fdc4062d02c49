//! Fog: thick at the horizon, thin near the camera.

use serde::{Deserialize, Serialize};

use super::haze::Haze;
use super::plane_rows::Frame;
use super::stream::Stream;
use super::{Check, probability};
use crate::random::{Purpose, SampleKey};

/// Fog; distance is guessed from a pixel's row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fog {
    /// Probability that a sample is foggy.
    pub probability: f32,
    /// Smallest optical depth at the horizon: light from there falls to exp(-depth).
    pub optical_depth_min: f32,
    /// Largest optical depth at the horizon.
    pub optical_depth_max: f32,
}

impl Fog {
    pub(super) const NONE: Self =
        Self { probability: 0.0, optical_depth_min: 0.8, optical_depth_max: 3.0 };

    pub(super) fn checks(&self) -> [Check; 3] {
        let (min, max) = (self.optical_depth_min, self.optical_depth_max);
        [
            probability("extra.fog.probability", self.probability),
            ("extra.fog.optical_depth_min", min, 0.0, 100.0),
            ("extra.fog.optical_depth_max", max, min, 100.0),
        ]
    }
}

/// One draw of the fog.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FogDraw {
    haze: Haze,
}

impl FogDraw {
    pub(super) fn draw(fog: &Fog, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::Fog, fog.probability)?;
        let level = stream.uniform(2, 165.0, 222.0);
        // From the yellow of dust to the blue of cold mist.
        let tint = stream.uniform(3, -7.0, 7.0);
        let haze = Haze {
            patches: stream.part(4),
            density: stream.uniform(1, fog.optical_depth_min, fog.optical_depth_max),
            horizon: stream.uniform(5, 0.38, 0.52),
            air: [level - tint, level, level + tint],
            light: 1.0,
            paleness: 0.0,
        };
        Some(Self { haze })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        self.haze.apply(planes, Frame::of(planes, crop_width));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_falls_everywhere_and_most_above_the_horizon() {
        let fog = Fog { probability: 1.0, ..Fog::NONE };
        // Columns of two greys: a row's contrast is their distance, 120 levels.
        let scene: Vec<u8> =
            (0..3 * 64 * 64).map(|pixel| 60 + 120 * (pixel / 4 % 2) as u8).collect();
        for index in 0..50 {
            let mut planes = scene.clone();
            FogDraw::draw(&fog, SampleKey::new(1, "gtav", 0, index))
                .unwrap()
                .apply(&mut planes, 64);
            let contrast = |rows: std::ops::Range<usize>| {
                let part = &planes[64 * rows.start..64 * rows.end];
                let sum = |phase: usize| -> f32 {
                    part.iter().skip(phase).step_by(8).map(|&value| f32::from(value)).sum()
                };
                (sum(4) - sum(0)) * 8.0 / part.len() as f32
            };
            let (top, horizon, bottom) = (contrast(0..12), contrast(26..36), contrast(54..64));
            assert!(bottom < 118.0, "{index}: {bottom}");
            assert!(
                top < 0.8 * bottom && horizon < 0.8 * bottom,
                "{index}: {top} {horizon} {bottom}"
            );
        }
    }

    #[test]
    fn denser_fog_lets_less_through() {
        let spread = |depth: f32| {
            let fog = Fog { probability: 1.0, optical_depth_min: depth, optical_depth_max: depth };
            let mut planes: Vec<u8> =
                (0..3 * 64 * 64).map(|pixel| (pixel % 2 * 255) as u8).collect();
            FogDraw::draw(&fog, SampleKey::new(1, "gtav", 0, 0)).unwrap().apply(&mut planes, 64);
            let (even, odd) = (planes.iter().step_by(2), planes.iter().skip(1).step_by(2));
            odd.zip(even).map(|(odd, even)| u32::from(odd - even)).sum::<u32>()
        };
        assert_eq!(spread(0.0), 3 * 32 * 64 * 255);
        assert!(spread(1.0) < spread(0.3) && spread(4.0) < spread(1.0));
    }
}
