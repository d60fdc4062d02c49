//! Air between camera and scene: what is far away fades into its colour.

use super::coarse_field::{CoarseField, SmoothNoise};
use super::plane_rows::{Frame, for_each_row};
use super::stream::Stream;
use crate::augment::exact::byte;

/// How fast distance falls below the horizon: 1 / (1 + FALL * rows / shorter side).
const FALL: f32 = 9.0;

/// How much of the distance is lost from the horizon up to the top, where near roofs and trees are.
const FALL_ABOVE: f32 = 0.2;

/// Haze over a scene that is dimmer and paler than in the sun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Haze {
    /// The patches of the haze.
    pub(super) patches: Stream,
    /// Optical depth at the horizon; light of the scene falls to exp(-density).
    pub(super) density: f32,
    /// The horizon's height, as a share of the crop's height from its top.
    pub(super) horizon: f32,
    /// Red, green and blue of the air.
    pub(super) air: [f32; 3],
    /// The light that falls on the scene, as a share.
    pub(super) light: f32,
    /// The share of its colour that the scene loses.
    pub(super) paleness: f32,
}

impl Haze {
    /// Shapes: `planes` [3, H, W].
    pub(super) fn apply(&self, planes: &mut [u8], frame: Frame) {
        let side = frame.side();
        let noise = SmoothNoise::new(self.patches, (0.6 * side, 0.25 * side));
        let through = CoarseField::new(frame, |x, y| {
            let patch = 0.6 + 0.8 * noise.at(x, y);
            transmission(self.density * patch * self.distance(y, frame))
        });
        let mut share = vec![0.0; frame.width];
        for_each_row(planes, frame, |y, [red, green, blue]| {
            through.fill_row(y, &mut share);
            for (((red, green), blue), &share) in
                red.iter_mut().zip(green).zip(blue).zip(share.iter())
            {
                let rgb = [f32::from(*red), f32::from(*green), f32::from(*blue)];
                let grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
                let seen = |channel: usize| {
                    let pale = rgb[channel] + (grey - rgb[channel]) * self.paleness;
                    let air = self.air[channel];
                    byte((air + (pale * self.light - air) * share).clamp(0.0, 255.0))
                };
                (*red, *green, *blue) = (seen(0), seen(1), seen(2));
            }
        });
    }

    /// The distance that a row most likely shows in a picture of a street; 1 at the horizon.
    fn distance(&self, y: f32, frame: Frame) -> f32 {
        let horizon = self.horizon * frame.height as f32;
        if y > horizon {
            1.0 / (1.0 + FALL * (y - horizon) / frame.side())
        } else {
            1.0 - FALL_ABOVE * (horizon - y) / horizon.max(1.0)
        }
    }
}

/// About exp(-depth), in operations that round alike everywhere: its series in the denominator.
fn transmission(depth: f32) -> f32 {
    1.0 / (1.0 + depth * (1.0 + depth * (0.5 + depth * (1.0 / 6.0))))
}
