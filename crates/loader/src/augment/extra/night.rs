//! Night: little, bluish light, a dark sky, street lamps, and the grain of a sensor at its limit.

use serde::{Deserialize, Serialize};

use super::coarse_field::CoarseField;
use super::grain::Grain;
use super::plane_rows::{Frame, for_each_row};
use super::stream::Stream;
use super::stroke::Stroke;
use super::{Check, probability};
use crate::augment::exact::byte;
use crate::random::{Purpose, SampleKey};

/// A night scene out of a day scene.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Night {
    /// Probability that a sample is taken at night.
    pub probability: f32,
    /// Least light away from lamps, as a share of the day's.
    pub ambient_light_share_min: f32,
    /// Most light away from lamps, as a share of the day's.
    pub ambient_light_share_max: f32,
    /// Most lamps in a crop.
    pub lamps_max: u32,
    /// Largest standard deviation of the grain, in levels.
    pub noise_levels_max: f32,
}

impl Night {
    pub(super) const NONE: Self = Self {
        probability: 0.0,
        ambient_light_share_min: 0.12,
        ambient_light_share_max: 0.32,
        lamps_max: 7,
        noise_levels_max: 8.0,
    };

    pub(super) fn checks(&self) -> [Check; 5] {
        let (min, max) = (self.ambient_light_share_min, self.ambient_light_share_max);
        [
            probability("extra.night.probability", self.probability),
            ("extra.night.ambient_light_share_min", min, 0.0, 1.0),
            ("extra.night.ambient_light_share_max", max, min, 1.0),
            ("extra.night.lamps_max", self.lamps_max as f32, 0.0, 64.0),
            ("extra.night.noise_levels_max", self.noise_levels_max, 0.0, 64.0),
        ]
    }
}

/// Red, green and blue of the light that the sky leaves.
const AMBIENT_TINT: [f32; 3] = [0.78, 0.92, 1.25];

/// Levels that a sensor at high gain shows where there is no light.
const BLACK: [f32; 3] = [2.0, 3.0, 7.0];

/// A bright area counts as sky above this share of the height, the more the higher it lies.
const SKY_END: f32 = 0.55;

/// One draw of the night.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NightDraw {
    ambient: f32,
    noise: f32,
    lamps: u32,
    /// Red, green and blue of the lamps, from sodium vapour to white.
    tint: [f32; 3],
    lamp_stream: Stream,
    grain_stream: Stream,
    headlights: Stream,
}

/// One lamp, in pixels.
#[derive(Debug, Clone, Copy)]
struct Lamp {
    bulb: (f32, f32),
    /// The middle of what it lights.
    pool: (f32, f32),
    radius: f32,
    strength: f32,
    bulb_radius: f32,
}

impl NightDraw {
    pub(super) fn draw(night: &Night, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::Night, night.probability)?;
        let white = stream.unit(3);
        Some(Self {
            ambient: stream.uniform(
                1,
                night.ambient_light_share_min,
                night.ambient_light_share_max,
            ),
            noise: stream.uniform(2, 0.3, 1.0) * night.noise_levels_max,
            lamps: stream.below(4, night.lamps_max + 1),
            tint: [1.0, 0.72 + 0.24 * white, 0.38 + 0.56 * white],
            lamp_stream: stream.part(5),
            grain_stream: stream.part(6),
            headlights: stream.part(7),
        })
    }

    /// Shapes: `planes` [3, H, crop_width].
    pub(super) fn apply(&self, planes: &mut [u8], crop_width: u32) {
        let frame = Frame::of(planes, crop_width);
        let lamps: Vec<Lamp> = (0..self.lamps)
            .map(|lamp| Lamp::draw(self.lamp_stream.part(u64::from(lamp)), frame))
            .collect();
        let headlights = Headlights::draw(self.headlights, frame);
        let field = CoarseField::new(frame, |x, y| {
            lamps.iter().fold(headlights.light_at(x, y), |sum, lamp| sum + lamp.light_at(x, y))
        });
        let exposure = exposure(planes);
        let grain = Grain::new(self.grain_stream, frame.width);
        let mut lamp_light = vec![0.0; frame.width];
        for_each_row(planes, frame, |y, rows| {
            field.fill_row(y, &mut lamp_light);
            let height = y as f32 / frame.height as f32;
            let up = (2.0 - height * (2.0 / SKY_END)).clamp(0.0, 1.0);
            let number = 4 * y as u64;
            let grains = [0, 1, 2, 3].map(|channel| grain.row(number + channel));
            self.darken_row(rows, &lamp_light, (up, exposure), grains);
        });
        for lamp in &lamps {
            lamp.paint(planes, frame, self.tint);
        }
    }

    /// Shapes: everything [W]; `grains` of red, green, blue and their sum.
    fn darken_row(
        &self,
        [red, green, blue]: [&mut [u8]; 3],
        lamp_light: &[f32],
        (up, exposure): (f32, f32),
        grains: [&[f32]; 4],
    ) {
        let width = lamp_light.len();
        let (red, green, blue) = (&mut red[..width], &mut green[..width], &mut blue[..width]);
        let grains = grains.map(|row| &row[..width]);
        for x in 0..width {
            let rgb = [f32::from(red[x]), f32::from(green[x]), f32::from(blue[x])];
            let grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
            // The sky is bright by day and dark by night.
            let sky = up * ((grey - 90.0) * (1.0 / 80.0)).clamp(0.0, 1.0);
            // Shadows of the day are deeper still.
            let share = (0.3 + grey * (0.7 / 255.0)) * (1.0 - 0.85 * sky);
            // What shines by itself stays: the brightest below the sky, and red signals.
            let brightest = rgb[0].max(rgb[1]).max(rgb[2]);
            let white = (1.0 - up) * ((brightest - 225.0) * (1.0 / 30.0)).clamp(0.0, 1.0);
            let signal = ((rgb[0] - rgb[1].max(rgb[2]) - 80.0) * (1.0 / 60.0)).clamp(0.0, 1.0);
            let kept = 0.35 * white.max(signal);
            let common = self.noise * grains[3][x];
            let seen = |channel: usize| {
                // Colours fade where little light falls.
                let pale = rgb[channel] + (grey - rgb[channel]) * 0.35;
                let light = self.ambient * AMBIENT_TINT[channel]
                    + lamp_light[x] * self.tint[channel]
                    + kept;
                let noise = common + 0.6 * self.noise * grains[channel][x];
                byte((BLACK[channel] + pale * share * light * exposure + noise).clamp(0.0, 255.0))
            };
            (red[x], green[x], blue[x]) = (seen(0), seen(1), seen(2));
        }
    }
}

/// What the lamps of the own vehicle light, in pixels: a wide, low pool on the road.
#[derive(Debug, Clone, Copy)]
struct Headlights {
    pool: (f32, f32),
    reach: (f32, f32),
    strength: f32,
}

impl Headlights {
    fn draw(stream: Stream, frame: Frame) -> Self {
        let side = frame.side();
        Self {
            pool: (
                stream.uniform(1, 0.3, 0.7) * frame.width as f32,
                stream.uniform(2, 0.68, 0.85) * frame.height as f32,
            ),
            reach: (0.55 * side, 0.22 * side),
            // Two vehicles of three have them on.
            strength: stream.uniform(3, -0.3, 0.6).max(0.0),
        }
    }

    /// The light on a place, as a share of the day's.
    fn light_at(&self, x: f32, y: f32) -> f32 {
        let (right, down) = ((x - self.pool.0) / self.reach.0, (y - self.pool.1) / self.reach.1);
        let distance = right * right + down * down;
        self.strength / ((1.0 + distance) * (1.0 + distance))
    }
}

/// How much longer or shorter than usual the picture is exposed: a camera evens out the brightness
/// of scenes, though not wholly.
fn exposure(planes: &[u8]) -> f32 {
    let sum: u64 = planes.iter().map(|&value| u64::from(value)).sum();
    let mean = (sum as f64 / planes.len() as f64) as f32;
    (100.0 / mean.max(1.0)).clamp(0.8, 1.7)
}

impl Lamp {
    fn draw(stream: Stream, frame: Frame) -> Self {
        let side = frame.side();
        let bulb = (
            stream.uniform(1, 0.0, 1.0) * frame.width as f32,
            stream.uniform(2, 0.12, 0.52) * frame.height as f32,
        );
        Self {
            bulb,
            pool: (bulb.0, bulb.1 + stream.uniform(3, 0.05, 0.3) * side),
            radius: stream.uniform(4, 0.15, 0.4) * side,
            strength: stream.uniform(5, 0.35, 0.95),
            bulb_radius: stream.uniform(6, 0.004, 0.012) * side,
        }
    }

    /// The light on a place, as a share of the day's.
    fn light_at(&self, x: f32, y: f32) -> f32 {
        let (right, down) = (x - self.pool.0, y - self.pool.1);
        let distance = (right * right + down * down) / (self.radius * self.radius).max(1.0);
        self.strength / ((1.0 + distance) * (1.0 + distance))
    }

    /// The bulb and the halo about it.
    fn paint(&self, planes: &mut [u8], frame: Frame, tint: [f32; 3]) {
        for (radius, opacity, paleness) in [(9.0, 0.3, 0.0), (3.5, 0.5, 0.3), (1.0, 1.6, 0.8)] {
            let radius = radius * self.bulb_radius;
            let disc = Stroke {
                centre: self.bulb,
                direction: (0.0, 1.0),
                half_length: radius,
                half_width: radius,
                opacity: opacity * (0.5 + 0.5 * self.strength),
            };
            disc.paint(planes, frame, tint.map(|tint| 255.0 * (tint + (1.0 - tint) * paleness)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_night(night: &Night, planes: &[u8], index: u64) -> Vec<u8> {
        let mut planes = planes.to_vec();
        let draw = NightDraw::draw(night, SampleKey::new(1, "gtav", 0, index)).unwrap();
        draw.apply(&mut planes, 96);
        planes
    }

    fn mean(values: &[u8]) -> f32 {
        values.iter().map(|&value| f32::from(value)).sum::<f32>() / values.len() as f32
    }

    #[test]
    fn brightness_falls_to_half_or_less_on_average_and_the_sky_is_darkest() {
        let night = Night { probability: 1.0, ..Night::NONE };
        let dark = Night { lamps_max: 0, noise_levels_max: 0.0, ..night };
        for level in [90, 128, 200] {
            let scene = vec![level; 3 * 96 * 96];
            let mut sum = 0.0;
            for index in 0..30 {
                let found = mean(&at_night(&night, &scene, index));
                // Many lamps leave no dark corner.
                assert!(found < 0.8 * f32::from(level), "{level} {index}: {found}");
                sum += found;
                let planes = at_night(&dark, &scene, index);
                let (sky, ground) = (mean(&planes[..96 * 20]), mean(&planes[96 * 70..96 * 90]));
                // The level of black is the same in both; 90 is not bright enough for a sky.
                assert!(level < 128 || sky < 0.8 * ground, "{level} {index}: {sky} {ground}");
            }
            assert!(sum / 30.0 < 0.5 * f32::from(level), "{level}: {sum}");
        }
    }

    #[test]
    fn what_is_left_without_lamps_is_bluish_and_grainy() {
        let night = Night {
            probability: 1.0,
            // Enough that rounding leaves the tint to be seen.
            ambient_light_share_min: 0.4,
            ambient_light_share_max: 0.6,
            lamps_max: 0,
            ..Night::NONE
        };
        let smooth = Night { noise_levels_max: 0.0, ..night };
        let scene = vec![120; 3 * 96 * 96];
        for index in 0..20 {
            let planes = at_night(&smooth, &scene, index);
            // The upper left corner, where no headlight reaches.
            let corner = |plane: usize| mean(&planes[plane * 96 * 96..][..20]) - BLACK[plane];
            assert!(corner(2) > corner(1) && corner(1) > corner(0), "{index}");
            let grainy = at_night(&night, &scene, index);
            let changed = grainy.iter().zip(&planes).filter(|(a, b)| a != b).count();
            assert!(changed > planes.len() / 2, "{index}: {changed}");
        }
    }

    #[test]
    fn lamps_light_their_surroundings() {
        let night = Night { probability: 1.0, noise_levels_max: 0.0, ..Night::NONE };
        let scene = vec![120; 3 * 96 * 96];
        let light = |lamps_max: u32| {
            let night = Night { lamps_max, ..night };
            (0..20).map(|index| mean(&at_night(&night, &scene, index))).sum::<f32>()
        };
        assert!(light(7) > 1.2 * light(0));
    }
}
