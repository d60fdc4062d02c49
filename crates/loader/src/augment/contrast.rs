//! Contrast: a blend with the mean grey level.

use super::exact::{blend, byte, grey};

/// Moves every channel away from the rounded mean grey level by `factor`.
///
/// Shapes: `planes` [3, H, W]. Source: torchvision `adjust_contrast` on a PIL image.
pub(crate) fn adjust(planes: &mut [u8], factor: f32) {
    let mean = mean_grey(planes);
    for value in planes {
        *value = blend(mean, *value, factor);
    }
}

/// The mean grey level, rounded half up as in `ImageEnhance.Contrast`.
fn mean_grey(planes: &[u8]) -> f32 {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at(pixels);
    let (green, blue) = rest.split_at(pixels);
    let mut sum = 0_u64;
    // 4096 grey levels fit a u32 sum with room to spare, and narrow sums vectorize.
    for ((red, green), blue) in red.chunks(4096).zip(green.chunks(4096)).zip(blue.chunks(4096)) {
        let mut part = 0_u32;
        for ((&red, &green), &blue) in red.iter().zip(green).zip(blue) {
            part += u32::from(byte(grey(red, green, blue)));
        }
        sum += u64::from(part);
    }
    (sum as f64 / pixels as f64 + 0.5).trunc() as f32
}
