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

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { width: 60, height: 50 };

    fn painted(stroke: &Stroke) -> Vec<u8> {
        let mut planes = vec![100; 3 * 60 * 50];
        stroke.paint(&mut planes, FRAME, [200.0, 100.0, 0.0]);
        planes
    }

    fn slanted(direction: (f32, f32)) -> Stroke {
        Stroke { centre: (30.0, 25.0), direction, half_length: 15.0, half_width: 3.0, opacity: 1.0 }
    }

    #[test]
    fn the_centre_takes_the_colour_and_nothing_outside_the_ellipse_changes() {
        for direction in [(0.6, 0.8), (-0.8, 0.6), (1.0, 0.0), (0.0, 1.0)] {
            let planes = painted(&slanted(direction));
            assert_eq!(planes[25 * 60 + 30], 200);
            assert_eq!(planes[3000 + 25 * 60 + 30], 100);
            assert_eq!(planes[6000 + 25 * 60 + 30], 0);
            for y in 0..50 {
                for x in 0..60 {
                    let (right, down) = (x as f32 - 30.0, y as f32 - 25.0);
                    let along = (right * direction.0 + down * direction.1) / 15.0;
                    let across = (right * direction.1 - down * direction.0) / 3.0;
                    let distance = along * along + across * across;
                    let red = planes[y * 60 + x];
                    // At the rim less than half a level is left.
                    assert!(distance < 1.0 || red == 100, "{direction:?} {x} {y}");
                    assert!(distance > 0.99 || red > 100, "{direction:?} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_stroke_across_the_border_is_cut_off_there() {
        for centre in [(0.0, 0.0), (59.0, 49.0), (-8.0, 20.0), (30.0, 57.0), (500.0, -500.0)] {
            painted(&Stroke { centre, ..slanted((0.6, 0.8)) });
        }
    }

    #[test]
    fn a_stroke_thinner_than_a_pixel_is_fainter_instead() {
        let light = |half_width: f32| {
            let planes = painted(&Stroke { half_width, ..slanted((0.0, 1.0)) });
            planes[..3000].iter().map(|&red| u32::from(red) - 100).sum::<u32>()
        };
        assert!(light(0.1) > 0);
        // Levels are rounded at each of 29 pixels: a seventh of the ratio.
        let ratio = light(0.6) as f32 / light(0.1) as f32;
        assert!((ratio - 6.0).abs() < 0.9, "{ratio}");
    }
}
