//! Contrast: a blend with the mean grey level.

use super::colours::{Colours, PIXELS};
use super::exact::{Rounding, blend, grey, integer};

/// Moves every channel away from `mean` by `factor`.
///
/// Source: torchvision `adjust_contrast` on a PIL image.
#[inline(always)]
pub(crate) fn adjust<R: Rounding>(colours: &mut Colours, mean: f32, factor: f32) {
    for channel in [&mut colours.red, &mut colours.green, &mut colours.blue] {
        for value in channel {
            *value = blend::<R>(mean, *value, factor);
        }
    }
}

/// The sum of grey levels, in many parts so that it needs no order.
#[derive(Debug)]
pub(crate) struct GreySum {
    /// Enough for 2^24 levels each, more than the pixels of the largest crop.
    parts: [u32; PIXELS],
}

impl GreySum {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { parts: [0; PIXELS] }
    }

    /// Adds the first `count` pixels.
    #[inline(always)]
    pub(crate) fn add<R: Rounding>(&mut self, colours: &Colours, count: usize) {
        let Colours { red, green, blue } = colours;
        let level = |pixel: usize| integer(grey::<R>(red[pixel], green[pixel], blue[pixel]));
        if count == PIXELS {
            for (pixel, part) in self.parts.iter_mut().enumerate() {
                *part += level(pixel);
            }
        } else {
            for (pixel, part) in self.parts.iter_mut().enumerate().take(count) {
                *part += level(pixel);
            }
        }
    }

    /// The mean grey level of all pixels, rounded half up as in `ImageEnhance.Contrast`.
    pub(crate) fn mean(&self, pixels: usize) -> f32 {
        let sum: u64 = self.parts.iter().map(|&part| u64::from(part)).sum();
        (sum as f64 / pixels as f64 + 0.5).trunc() as f32
    }
}
