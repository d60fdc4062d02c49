//! Hue: a turn of the byte-valued hue channel, there and back through HSV.

use super::exact::{byte, floor, round};

/// Turns the hue by `turn`, in turns of the colour circle.
///
/// Shapes: `planes` [3, H, W]. Source: torchvision `adjust_hue` on a PIL image: hue, saturation
/// and value are truncated to bytes on the way there, channels rounded on the way back.
pub(crate) fn adjust(planes: &mut [u8], turn: f64) {
    let step = f32::from(step(turn));
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let (hue, saturation, value) =
            hsv_from_rgb(f32::from(*red), f32::from(*green), f32::from(*blue));
        let turned = hue + step;
        let turned = if turned >= 256.0 { turned - 256.0 } else { turned };
        let rgb = rgb_from_hsv(turned, saturation, value);
        *red = byte(rgb.0);
        *green = byte(rgb.1);
        *blue = byte(rgb.2);
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
/// With the middle channel m, each sextant of the hue circle is `base` plus or minus
/// (max - m) / (max - min). The roundings are those of Pillow for every colour.
#[inline(always)]
pub(crate) fn hsv_from_rgb(red: f32, green: f32, blue: f32) -> (f32, f32, f32) {
    let value = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    let chroma = value - least;
    let middle = red + green + blue - value - least;
    let part = (value - middle) / chroma.max(1.0);
    let (base, sign) = if red == value {
        if blue == least { (1.0, -1.0) } else { (-1.0, 1.0) }
    } else if green == value {
        if blue == least { (1.0, 1.0) } else { (3.0, -1.0) }
    } else if red == least {
        (3.0, 1.0)
    } else {
        (5.0, -1.0)
    };
    let sextants: f32 = base + sign * part;
    let turns = sextants / 6.0;
    let turns = if turns < 0.0 { turns + 1.0 } else { turns };
    let saturation = floor(chroma / value.max(1.0) * 255.0);
    (floor(turns * 255.0), saturation, value)
}

/// The channels of integer-valued hue, saturation and value in [0, 255].
///
/// The hue circle has six sextants of 42.5 steps; in half steps, the place within a sextant is an
/// integer in 0..85, so every product below is an integer less than 2^24 and exact. No quotient
/// is a tie, because the divisors are odd.
#[inline(always)]
fn rgb_from_hsv(hue: f32, saturation: f32, value: f32) -> (f32, f32, f32) {
    let sextant = floor(hue * (2.0 / 85.0));
    let place = 2.0 * hue - 85.0 * sextant;
    // Sextant 6 holds hue 255 alone and equals sextant 0.
    let sextant = if sextant >= 6.0 { 0.0 } else { sextant };
    let odd = sextant == 1.0 || sextant == 3.0 || sextant == 5.0;
    let weight = if odd { place } else { 85.0 - place };
    let low = round(value * (255.0 - saturation) * (1.0 / 255.0));
    let middle = round(value * (21_675.0 - saturation * weight) * (1.0 / 21_675.0));
    let red = if sextant == 0.0 || sextant == 5.0 {
        value
    } else if sextant == 1.0 || sextant == 4.0 {
        middle
    } else {
        low
    };
    let green = if sextant == 1.0 || sextant == 2.0 {
        value
    } else if sextant == 0.0 || sextant == 3.0 {
        middle
    } else {
        low
    };
    let blue = if sextant == 3.0 || sextant == 4.0 {
        value
    } else if sextant == 2.0 || sextant == 5.0 {
        middle
    } else {
        low
    };
    (red, green, blue)
}
