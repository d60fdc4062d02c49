//! Brightness: a blend with black.

use super::colours::Colours;
use super::exact::blend;

/// Multiplies every channel by `factor`.
///
/// Source: torchvision `adjust_brightness` on a PIL image.
#[inline(always)]
pub(crate) fn adjust(colours: &mut Colours, factor: f32) {
    for channel in [&mut colours.red, &mut colours.green, &mut colours.blue] {
        for value in channel {
            *value = blend(0.0, *value, factor);
        }
    }
}
