//! Antialiased resampling with Pillow's integer arithmetic, along each axis on its own.
//!
//! Both passes round to bytes, along rows first, with weights of the whole image's resize; so a
//! crop has the bits of the same crop of the whole image resized by Pillow.

mod horizontal;
mod vertical;
mod weights;

pub(crate) use horizontal::Horizontal;
pub(crate) use vertical::resample_rows;
pub(crate) use weights::Weights;

/// Bits behind the binary point of a weight: what Pillow has left of 32 beside 8 for a level and 2
/// for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The level of a weighted sum that was begun at one half.
#[inline(always)]
fn level_of(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Half a level, where every sum begins.
const HALF: i32 = 1 << (PRECISION_BITS - 1);
