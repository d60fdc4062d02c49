//! Brightness: a blend with black.

use super::exact::blend;

/// Multiplies every channel by `factor`.
///
/// Source: torchvision `adjust_brightness` on a PIL image.
pub(crate) fn adjust(planes: &mut [u8], factor: f32) {
    for value in planes {
        *value = blend(0.0, *value, factor);
    }
}
