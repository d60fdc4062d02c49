//! Saturation: a blend with the pixel's own grey level.

use super::colours::{Colours, PIXELS};
use super::exact::{Rounding, blend, grey};

/// Moves every channel away from the pixel's grey level by `factor`.
///
/// Source: torchvision `adjust_saturation` on a PIL image.
#[inline(always)]
pub(crate) fn adjust<R: Rounding>(colours: &mut Colours, factor: f32) {
    let Colours { red, green, blue } = colours;
    for pixel in 0..PIXELS {
        let neutral = grey::<R>(red[pixel], green[pixel], blue[pixel]);
        red[pixel] = blend::<R>(neutral, red[pixel], factor);
        green[pixel] = blend::<R>(neutral, green[pixel], factor);
        blue[pixel] = blend::<R>(neutral, blue[pixel], factor);
    }
}
