//! Brightness: a blend with black.

use super::colours::Colours;
use super::exact::{Rounding, least};

/// Multiplies every channel by `factor`, which is not negative.
///
/// Source: torchvision `adjust_brightness` on a PIL image: a blend with 0, in which only the upper
/// limit can be passed.
#[inline(always)]
pub(crate) fn adjust<R: Rounding>(colours: &mut Colours, factor: f32) {
    for channel in [&mut colours.red, &mut colours.green, &mut colours.blue] {
        for value in channel {
            *value = R::floor(least(factor * *value, 255.0));
        }
    }
}
