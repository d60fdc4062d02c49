//! Saturation: a blend with the pixel's own grey level.

use super::exact::{blend, grey};

/// Moves every channel away from the pixel's grey level by `factor`.
///
/// Shapes: `planes` [3, H, W]. Source: torchvision `adjust_saturation` on a PIL image.
pub(crate) fn adjust(planes: &mut [u8], factor: f32) {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let neutral = grey(*red, *green, *blue);
        *red = blend(neutral, *red, factor);
        *green = blend(neutral, *green, factor);
        *blue = blend(neutral, *blue, factor);
    }
}
