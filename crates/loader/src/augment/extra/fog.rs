//! Fog: thick at the horizon, thin near the camera.

use super::haze::Haze;
use super::plane_rows::Frame;
use super::stream::Stream;
use super::{Check, probability};
use crate::random::{Purpose, SampleKey};

/// Fog; distance is guessed from a pixel's row.
#[derive(Debug, Clone, Copy, PartialEq)]
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
