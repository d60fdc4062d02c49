//! Cast shadows: polygons on the lower part of the crop with less, bluer light inside.

use serde::{Deserialize, Serialize};

use super::coarse_field::{CoarseField, SmoothNoise};
use super::plane_rows::{Frame, for_each_row};
use super::stream::Stream;
use super::stroke::pixels;
use super::{Check, probability};
use crate::augment::exact::byte;
use crate::random::{Purpose, SampleKey};

/// Shadows of things outside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// Probability that shadows fall on a sample.
    pub probability: f32,
    /// Most shadows in a crop, at least 1.
    pub polygons_max: u32,
    /// Least light inside a shadow, as a share of that outside.
    pub light_share_min: f32,
    /// Most light inside a shadow, as a share of that outside.
    pub light_share_max: f32,
}

impl Shadow {
    pub(super) const NONE: Self =
        Self { probability: 0.0, polygons_max: 3, light_share_min: 0.35, light_share_max: 0.7 };

    pub(super) fn checks(&self) -> [Check; 4] {
        [
            probability("extra.shadow.probability", self.probability),
            ("extra.shadow.polygons_max", self.polygons_max as f32, 1.0, 64.0),
            ("extra.shadow.light_share_min", self.light_share_min, 0.0, 1.0),
            ("extra.shadow.light_share_max", self.light_share_max, self.light_share_min, 1.0),
        ]
    }
}

/// Red, green and blue of the light in a shadow, which comes from the sky.
const TINT: [f32; 3] = [0.93, 0.98, 1.06];

/// Corners of a shadow, fewest and most.
const CORNERS: (u32, u32) = (4, 7);

/// The light at a place is the mean over these rows about it, in widths of the rim.
const RIM_LINES: [f32; 4] = [-0.375, -0.125, 0.125, 0.375];

/// One draw of the shadows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ShadowDraw {
    polygons: u32,
    light: f32,
    /// Width of the soft rim, as a share of the crop's shorter side.
    rim: f32,
    /// 0 for the shadow of a wall, up to 1 for that of a thin tree.
    gaps: f32,
    stream: Stream,
}

/// Corners in order, x and y in pixels.
type Polygon = Vec<(f32, f32)>;

impl ShadowDraw {
    pub(super) fn draw(shadow: &Shadow, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::Shadow, shadow.probability)?;
        Some(Self {
            polygons: 1 + stream.below(1, shadow.polygons_max),
            light: stream.uniform(2, shadow.light_share_min, shadow.light_share_max),
            rim: stream.uniform(3, 0.004, 0.04),
            // Half of the shadows are of trees.
            gaps: stream.uniform(4, -1.0, 1.0).max(0.0),
            stream: stream.part(5),
        })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        let frame = Frame::of(planes, crop_width);
        let polygons = self.polygons(frame);
        let rim = (self.rim * frame.side()).max(1.0);
        let light = TINT.map(|tint| (self.light * tint).min(1.0));
        let leaves = SmoothNoise::new(self.stream, (0.09 * frame.side(), 0.05 * frame.side()));
        let gaps = CoarseField::new(frame, |x, y| self.gaps * leaves.at(x, y));
        let (mut depth, mut dapple) = (vec![0.0_f32; frame.width], vec![0.0; frame.width]);
        let mut crossings = Vec::new();
        for_each_row(planes, frame, |y, rows| {
            depth.fill(0.0);
            for polygon in &polygons {
                for line in RIM_LINES {
                    cross(polygon, y as f32 + line * rim, &mut crossings);
                    for span in crossings.chunks_exact(2) {
                        deepen(&mut depth, (span[0], span[1]), rim);
                    }
                }
            }
            gaps.fill_row(y, &mut dapple);
            for (depth, &dapple) in depth.iter_mut().zip(dapple.iter()) {
                *depth = depth.min(1.0) * (3.2 - 8.0 * dapple).clamp(0.0, 1.0);
            }
            for (row, light) in rows.into_iter().zip(light) {
                for (value, &depth) in row.iter_mut().zip(depth.iter()) {
                    *value = byte(f32::from(*value) * (1.0 + (light - 1.0) * depth));
                }
            }
        });
    }

    fn polygons(&self, frame: Frame) -> Vec<Polygon> {
        (0..u64::from(self.polygons))
            .map(|number| polygon(self.stream.part(number), frame))
            .collect()
    }
}

/// A polygon around a centre: one corner in each of equal parts of the way around a square, so that
/// no two sides cross.
fn polygon(stream: Stream, frame: Frame) -> Polygon {
    let (width, height) = (frame.width as f32, frame.height as f32);
    // What casts a shadow stands beside the road: shadows come in from the left or the right.
    let inward = stream.uniform(1, -0.15, 0.25);
    let across = if stream.unit(7) < 0.5 { inward } else { 1.0 - inward };
    let centre = (across * width, stream.uniform(2, 0.55, 0.95) * height);
    let half = (stream.uniform(3, 0.3, 0.8) * width, stream.uniform(4, 0.06, 0.25) * height);
    // Shadows lie along the light: all rows of one are shifted alike.
    let slant = stream.uniform(5, -1.5, 1.5);
    let corners = CORNERS.0 + stream.below(6, CORNERS.1 - CORNERS.0 + 1);
    let corner = |number: u32| {
        let draws = stream.part(u64::from(16 + number));
        let around = (number as f32 + draws.uniform(1, 0.1, 0.9)) * (4.0 / corners as f32);
        let (x, y) = on_square(around);
        let reach = draws.uniform(2, 0.6, 1.1);
        let down = y * reach * half.1;
        (centre.0 + x * reach * half.0 + slant * down, centre.1 + down)
    };
    (0..corners).map(corner).collect()
}

/// The place at `around`, in sides, on the way around the square from (-1, -1) to (1, 1).
fn on_square(around: f32) -> (f32, f32) {
    let along = 2.0 * (around - (around as u32) as f32) - 1.0;
    match around as u32 {
        0 => (along, -1.0),
        1 => (1.0, along),
        2 => (-along, 1.0),
        _ => (-1.0, -along),
    }
}

/// The places where a polygon's sides cross the row `y`, in order; their number is even.
fn cross(polygon: &[(f32, f32)], y: f32, crossings: &mut Vec<f32>) {
    crossings.clear();
    let mut from = polygon[polygon.len() - 1];
    for &to in polygon {
        if (from.1 <= y) != (to.1 <= y) {
            crossings.push(from.0 + (to.0 - from.0) * ((y - from.1) / (to.1 - from.1)));
        }
        from = to;
    }
    crossings.sort_by(f32::total_cmp);
}

/// Adds one line's part of the depth between the ends of a span, falling to 0 over `rim` pixels.
fn deepen(depth: &mut [f32], (left, right): (f32, f32), rim: f32) {
    let (centre, reach) = (0.5 * (left + right), 0.5 * (right - left));
    for x in pixels(centre, reach, depth.len()) {
        let inside = (x as f32 - left).min(right - x as f32) / rim;
        depth[x] += inside.clamp(0.0, 1.0) * (1.0 / RIM_LINES.len() as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { width: 120, height: 90 };

    /// Whether a place lies inside, by the number of turns of the polygon around it.
    fn inside(polygon: &[(f32, f32)], (x, y): (f32, f32)) -> bool {
        let mut turns = 0;
        for (number, &from) in polygon.iter().enumerate() {
            let to = polygon[(number + 1) % polygon.len()];
            let left = (to.0 - from.0) * (y - from.1) - (x - from.0) * (to.1 - from.1);
            turns += i32::from(from.1 <= y && to.1 > y && left > 0.0);
            turns -= i32::from(from.1 > y && to.1 <= y && left < 0.0);
        }
        turns != 0
    }

    #[test]
    fn light_falls_inside_the_polygons_and_nowhere_else() {
        let shadow = Shadow { probability: 1.0, ..Shadow::NONE };
        let mut dark = 0;
        for index in 0..60 {
            let draw = ShadowDraw::draw(&shadow, SampleKey::new(1, "gtav", 0, index)).unwrap();
            let wall = ShadowDraw { gaps: 0.0, ..draw };
            let mut planes = vec![200; 3 * 120 * 90];
            wall.apply(&mut planes, 120);
            let polygons = wall.polygons(FRAME);
            let rim = (wall.rim * FRAME.side()).max(1.0);
            for y in 0..90 {
                for x in 0..120 {
                    let at = |right: f32, down: f32| {
                        let place = (x as f32 + right, y as f32 + down);
                        polygons.iter().any(|polygon| inside(polygon, place))
                    };
                    let lines = RIM_LINES.map(|line| at(0.0, line * rim));
                    let level = planes[y * 120 + x];
                    // Within rounding of a side, either answer is right.
                    if !lines.contains(&true) && !at(0.01, 0.0) && !at(-0.01, 0.0) {
                        assert!(level >= 199, "{index}: {x} {y}: {level}");
                    }
                    let deep = polygons.iter().any(|polygon| {
                        let near = |right: f32, line: f32| {
                            inside(polygon, (x as f32 + right * rim, y as f32 + line * rim))
                        };
                        RIM_LINES.iter().all(|&line| near(-1.01, line) && near(1.01, line))
                            && (-4..=4).all(|step| near(0.25 * step as f32, 0.0))
                    });
                    if deep {
                        let expected = 200.0 * wall.light * TINT[0];
                        // Rounding, and single precision of four lines.
                        assert!((f32::from(level) - expected).abs() < 0.6, "{index}: {x} {y}");
                        dark += 1;
                    }
                }
            }
        }
        // One pixel in twenty at least.
        assert!(dark > 60 * 120 * 90 / 20, "{dark}");
    }

    #[test]
    fn a_trees_shadow_has_gaps_where_a_walls_is_whole() {
        let shadow = Shadow { probability: 1.0, ..Shadow::NONE };
        let draw = ShadowDraw::draw(&shadow, SampleKey::new(1, "gtav", 0, 3)).unwrap();
        let lit = |gaps: f32| {
            let mut planes = vec![200; 3 * 120 * 90];
            ShadowDraw { gaps, ..draw }.apply(&mut planes, 120);
            planes.iter().filter(|&&level| level == 200).count()
        };
        assert!(lit(1.0) > lit(0.0) + 500, "{} {}", lit(1.0), lit(0.0));
    }
}
