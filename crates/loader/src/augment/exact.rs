//! Exact rounding in single precision, in operations that vector units have.

use simd_level::Level;

/// 1.5 * 2^23: within 2^22 of it on either side, neighbouring f32 values are 1 apart.
const INTEGERS_ONLY: f32 = 12_582_912.0;

/// How values are rounded; all ways give the same numbers.
pub(crate) trait Rounding {
    /// The nearest integer of a value in [-2^22, 2^22], ties to even.
    fn round(value: f32) -> f32;

    /// The integer part of a value in [0, 2^22].
    fn floor(value: f32) -> f32;
}

/// By additions, where a rounding instruction is missing and the functions of the standard library
/// are calls: adding a large number rounds to an integer.
pub(crate) struct ByAddition;

impl Rounding for ByAddition {
    #[inline(always)]
    fn round(value: f32) -> f32 {
        (value + INTEGERS_ONLY) - INTEGERS_ONLY
    }

    #[inline(always)]
    fn floor(value: f32) -> f32 {
        let nearest = Self::round(value);
        nearest - if nearest > value { 1.0 } else { 0.0 }
    }
}

/// By the processor's instruction, which every level above the baseline has.
pub(crate) struct ByInstruction;

impl Rounding for ByInstruction {
    #[inline(always)]
    fn round(value: f32) -> f32 {
        value.round_ties_even()
    }

    #[inline(always)]
    fn floor(value: f32) -> f32 {
        value.floor()
    }
}

/// A kernel that rounds.
pub(crate) trait RoundingKernel {
    /// Runs the kernel; must be inlined.
    fn run<R: Rounding>(self);
}

/// Runs a kernel at a level with the rounding that is fastest there.
#[inline(always)]
pub(crate) fn run_rounding(level: Level, kernel: impl RoundingKernel) {
    if level == Level::Baseline {
        kernel.run::<ByAddition>();
    } else {
        level.run(
            #[inline(always)]
            || kernel.run::<ByInstruction>(),
        );
    }
}

/// The smaller of two numbers; `f32::min` takes more instructions, for the sake of NaN.
#[inline(always)]
pub(crate) fn least(one: f32, other: f32) -> f32 {
    if one < other { one } else { other }
}

/// The larger of two numbers.
#[inline(always)]
pub(crate) fn greatest(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}

/// The integer nearest to a value in [-0.5, 255.5), ties to even.
#[inline(always)]
pub(crate) fn byte(value: f32) -> u8 {
    (integer(value) & 0xff) as u8
}

/// The integer nearest to a value in [-0.5, 2^22], ties to even.
#[inline(always)]
pub(crate) fn integer(value: f32) -> u32 {
    // The low mantissa bits of the sum are the integer itself.
    (value + INTEGERS_ONLY).to_bits() - INTEGERS_ONLY.to_bits()
}

/// Moves `value` from `neutral` by `factor` and truncates to an integer in [0, 255].
///
/// Source: Pillow's `Image.blend`, which `ImageEnhance` and so torchvision build on: single
/// precision, clipped, truncated.
#[inline(always)]
pub(crate) fn blend<R: Rounding>(neutral: f32, value: f32, factor: f32) -> f32 {
    let moved = neutral + factor * (value - neutral);
    R::floor(least(greatest(moved, 0.0), 255.0))
}

/// The grey level of a pixel of integers, an integer in [0, 255].
///
/// Source: Pillow's conversion to "L": (19595 R + 38470 G + 7471 B + 32768) >> 16. Every term and
/// sum is a multiple of 2^-16 below 2^8, so single precision is exact.
#[inline(always)]
pub(crate) fn grey<R: Rounding>(red: f32, green: f32, blue: f32) -> f32 {
    const UNIT: f32 = 1.0 / 65_536.0;
    let sum = red * (19_595.0 * UNIT) + green * (38_470.0 * UNIT) + blue * (7471.0 * UNIT);
    R::floor(sum + 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_equals_the_integer_formula_for_every_colour() {
        for red in 0..=255_u8 {
            for green in 0..=255_u8 {
                for blue in 0..=255_u8 {
                    let sum = u32::from(red) * 19_595
                        + u32::from(green) * 38_470
                        + u32::from(blue) * 7471;
                    let [red, green, blue] = [red, green, blue].map(f32::from);
                    let found = grey::<ByAddition>(red, green, blue);
                    assert_eq!(found, ((sum + 32_768) >> 16) as f32);
                }
            }
        }
    }

    #[test]
    fn both_ways_of_rounding_agree_at_and_next_to_integers_and_ties() {
        for half in 0..=511_u16 {
            let exact = f32::from(half) / 2.0;
            for value in [exact.next_down().max(0.0), exact, exact.next_up()] {
                assert_eq!(ByAddition::floor(value), ByInstruction::floor(value), "{value}");
                assert_eq!(ByAddition::round(value), ByInstruction::round(value), "{value}");
                assert_eq!(f32::from(byte(value.floor())), value.floor());
            }
        }
    }
}
