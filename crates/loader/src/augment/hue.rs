//! Hue: a turn of the byte-valued hue channel, there and back through HSV.

use super::colours::{Colours, PIXELS};
use super::exact::{Rounding, greatest, least};

/// How far the hue is turned: an integer in [0, 255], in steps of Pillow's hue channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Turn(f32);

impl Turn {
    /// The turn by a fraction of the colour circle.
    pub(crate) fn new(turn: f64) -> Self {
        Self(f32::from(step(turn)))
    }
}

/// Turns the hue.
///
/// Source: torchvision `adjust_hue` on a PIL image: hue, saturation and value are truncated to
/// bytes on the way there, channels rounded on the way back.
#[inline(always)]
pub(crate) fn adjust<R: Rounding>(colours: &mut Colours, Turn(steps): Turn) {
    let Colours { red, green, blue } = colours;
    for pixel in 0..PIXELS {
        let (hue, saturation, value) = hsv_from_rgb::<R>(red[pixel], green[pixel], blue[pixel]);
        let turned = hue + steps;
        let turned = if turned >= 256.0 { turned - 256.0 } else { turned };
        (red[pixel], green[pixel], blue[pixel]) = rgb_from_hsv::<R>(turned, saturation, value);
    }
}

/// What a turn adds to a byte-valued hue.
///
/// The reference truncates toward zero and lets the byte wrap around.
pub(super) fn step(turn: f64) -> u8 {
    (turn * 255.0).trunc().rem_euclid(256.0) as u8
}

/// Hue, saturation and value as integers in [0, 255]; the hue of a grey pixel is arbitrary.
///
/// Where two channels lie `part` of the chroma apart, the hue is that far from the middle of a
/// third of its circle. The roundings are those of Pillow for every colour.
#[inline(always)]
pub(crate) fn hsv_from_rgb<R: Rounding>(red: f32, green: f32, blue: f32) -> (f32, f32, f32) {
    let value = greatest(greatest(red, green), blue);
    // The third of the circle around the largest channel, and the channels after it.
    let (third, next, last) = if red == value {
        (0.0, green, blue)
    } else if green == value {
        (2.0, blue, red)
    } else {
        (4.0, red, green)
    };
    let chroma = value - least(next, last);
    let part = (value - greatest(next, last)) / greatest(chroma, 1.0);
    let sign = if last <= next { 1.0 } else { -1.0 };
    let sextants: f32 = (third + sign) - sign * part;
    let turns = sextants / 6.0;
    let turns = if turns < 0.0 { turns + 1.0 } else { turns };
    let saturation = R::floor(chroma / greatest(value, 1.0) * 255.0);
    (R::floor(turns * 255.0), saturation, value)
}

/// The channels of integer-valued hue, saturation and value in [0, 255].
///
/// In half steps the hue circle has 510 places, 85 a sextant. A channel is full within a sextant of
/// its own colour, and two sextants away from it is as low as the saturation lets it be. Each lies
/// far enough from a tie that the roundings are those of Pillow for every colour.
#[inline(always)]
pub(crate) fn rgb_from_hsv<R: Rounding>(hue: f32, saturation: f32, value: f32) -> (f32, f32, f32) {
    let place = 2.0 * hue;
    let drop = value * (saturation * (1.0 / 21_675.0)); // 85 * 255
    // The distance from the colour opposite to the channel's own.
    let channel = |distance: f32| {
        let weight = least(greatest(170.0 - distance, 0.0), 85.0);
        R::round(value - drop * weight)
    };
    let around = |distance: f32| least(distance, 510.0 - distance);
    let red = (place - 255.0).abs();
    let (green, blue) = (around((place - 425.0).abs()), around((place - 85.0).abs()));
    (channel(red), channel(green), channel(blue))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::exact::ByAddition;

    /// Pillow's `rgb2hsv`: in single precision, but for the operations that its literals make
    /// double.
    fn pillow_hsv(red: u8, green: u8, blue: u8) -> (u8, u8) {
        let (value, least) = (red.max(green).max(blue), red.min(green).min(blue));
        let chroma = f32::from(value - least);
        let away = |channel: u8| f32::from(value - channel) / chroma;
        let (r, g, b) = (away(red), away(green), away(blue));
        let sextants = if red == value {
            b - g
        } else if green == value {
            (2.0 + f64::from(r) - f64::from(b)) as f32
        } else {
            (4.0 + f64::from(g) - f64::from(r)) as f32
        };
        let turns = ((f64::from(sextants) / 6.0 + 1.0) % 1.0) as f32;
        let saturation = chroma / f32::from(value);
        ((f64::from(turns) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8)
    }

    #[test]
    fn hue_and_saturation_equal_pillow_for_every_colour() {
        for red in 0..=255 {
            for green in 0..=255 {
                for blue in (0..=255).filter(|&blue| red != green || green != blue) {
                    let [r, g, b] = [red, green, blue].map(f32::from);
                    let (hue, saturation, _) = hsv_from_rgb::<ByAddition>(r, g, b);
                    let expected = pillow_hsv(red, green, blue);
                    assert_eq!((hue as u8, saturation as u8), expected, "{red} {green} {blue}");
                }
            }
        }
    }

    /// Pillow's `HSV2RGB`, which computes in single precision with a division per step.
    fn pillow_rgb(hue: u8, saturation: u8, value: u8) -> [f32; 3] {
        if saturation == 0 {
            return [f32::from(value); 3];
        }
        let sextants = f32::from(hue) * 6.0 / 255.0;
        let (sextant, part) = (sextants.floor(), sextants - sextants.floor());
        let (level, share) = (f32::from(value), f32::from(saturation) / 255.0);
        let low = (level * (1.0 - share)).round();
        let falling = (level * (1.0 - share * part)).round();
        let rising = (level * (1.0 - share * (1.0 - part))).round();
        match sextant as u8 % 6 {
            0 => [level, rising, low],
            1 => [falling, level, low],
            2 => [low, level, rising],
            3 => [low, falling, level],
            4 => [rising, low, level],
            _ => [level, low, falling],
        }
    }

    #[test]
    fn channels_equal_the_formula_of_six_cases_for_every_hue_saturation_and_value() {
        for hue in 0..=255 {
            for saturation in 0..=255 {
                for value in 0..=255 {
                    let [h, s, v] = [hue, saturation, value].map(f32::from);
                    let (red, green, blue) = rgb_from_hsv::<ByAddition>(h, s, v);
                    let expected = pillow_rgb(hue, saturation, value);
                    assert_eq!([red, green, blue], expected, "{hue} {saturation} {value}");
                }
            }
        }
    }
}
