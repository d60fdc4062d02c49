//! A soft stroke: the streak of a raindrop, a snowflake, a ray of light.

use super::plane_rows::Frame;
use crate::augment::exact::byte;

/// A stroke narrower than this, in pixels, would fall between pixel centres; it is drawn this wide
/// and fainter instead.
const HALF_WIDTH_MIN: f32 = 0.75;

/// An ellipse, opaque at its centre and fading to its rim; lengths are in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    /// x and y.
    pub(super) centre: (f32, f32),
    /// A unit vector along the stroke.
    pub(super) direction: (f32, f32),
    pub(super) half_length: f32,
    pub(super) half_width: f32,
    /// Opacity at the centre, 0 to 1.
    pub(super) opacity: f32,
}

impl Stroke {
    /// Blends the stroke over the planes, as far as it lies inside. Shapes: `planes` [3, H, W].
    pub(super) fn paint(&self, planes: &mut [u8], frame: Frame, colour: [f32; 3]) {
        let (along_x, along_y) = self.direction;
        let half_width = self.half_width.max(HALF_WIDTH_MIN);
        let half_length = self.half_length.max(half_width);
        let opacity = self.opacity * (self.half_width / half_width);
        let reach_x = half_length * along_x.abs() + half_width * along_y.abs();
        let reach_y = half_length * along_y.abs() + half_width * along_x.abs();
        let plane_len = frame.width * frame.height;
        for y in pixels(self.centre.1, reach_y, frame.height) {
            let down = y as f32 - self.centre.1;
            // Across the stroke, no pixel of this row is nearer than the ones about `middle`.
            let (middle, reach) = if along_y.abs() > 0.1 {
                (down * along_x / along_y, half_width / along_y.abs())
            } else {
                (0.0, reach_x)
            };
            for x in pixels(self.centre.0 + middle, reach, frame.width) {
                let right = x as f32 - self.centre.0;
                let along = (right * along_x + down * along_y) / half_length;
                let across = (right * along_y - down * along_x) / half_width;
                let inside = 1.0 - along * along - across * across;
                if inside > 0.0 {
                    let pixel = y * frame.width + x;
                    let weight = opacity * inside;
                    for (channel, target) in colour.into_iter().enumerate() {
                        let value = &mut planes[channel * plane_len + pixel];
                        let old = f32::from(*value);
                        *value = byte((old + (target - old) * weight).clamp(0.0, 255.0));
                    }
                }
            }
        }
    }
}

/// The pixels within `reach` of a centre that lie inside 0..end.
pub(super) fn pixels(centre: f32, reach: f32, end: usize) -> std::ops::Range<usize> {
    // Casts saturate: negative numbers become 0.
    let first = ((centre - reach) as usize).min(end);
    let last = ((centre + reach + 1.0) as usize).min(end);
    first..last.max(first)
}
