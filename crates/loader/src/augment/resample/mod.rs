//! Antialiased resampling with Pillow's integer arithmetic, along each axis on its own.
//!
//! Both passes round to bytes, along rows first, with weights of the whole image's resize; so a
//! crop has the bits of the same crop of the whole image resized by Pillow.

mod horizontal;
mod vertical;
mod weights;

pub(crate) use horizontal::{Horizontal, Rows};
pub(crate) use vertical::resample_rows;
pub(crate) use weights::Weights;

/// Bits behind the binary point of a weight: what Pillow has left of 32 beside 8 for a level and 2
/// for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Half a level, where every sum begins.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// The levels of weighted sums.
#[inline(always)]
fn levels_of<const LANES: usize>(sums: &[i32; LANES]) -> [u8; LANES] {
    // A loop: `map` on arrays is not always inlined.
    let mut levels = [0; LANES];
    for (level, sum) in levels.iter_mut().zip(sums) {
        *level = (sum >> PRECISION_BITS).clamp(0, 255) as u8;
    }
    levels
}
