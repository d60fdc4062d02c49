//! Exact rounding in single precision, in operations that every vector unit has.
//!
//! `f32::floor` and `as u8` become calls or long sequences on baseline x86-64; adding a large number
//! rounds to an integer in one addition, on every machine alike.

/// 1.5 * 2^23: within 2^22 of it on either side, neighbouring f32 values are 1 apart.
const INTEGERS_ONLY: f32 = 12_582_912.0;

/// The nearest integer of a value in [-2^22, 2^22], ties to even.
#[inline(always)]
pub(crate) fn round(value: f32) -> f32 {
    (value + INTEGERS_ONLY) - INTEGERS_ONLY
}

/// The integer part of a value in [0, 2^22].
#[inline(always)]
pub(crate) fn floor(value: f32) -> f32 {
    let nearest = round(value);
    nearest - if nearest > value { 1.0 } else { 0.0 }
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
pub(crate) fn blend(neutral: f32, value: f32, factor: f32) -> f32 {
    let moved = neutral + factor * (value - neutral);
    floor(least(greatest(moved, 0.0), 255.0))
}

/// The grey level of a pixel of integers, an integer in [0, 255].
///
/// Source: Pillow's conversion to "L": (19595 R + 38470 G + 7471 B + 32768) >> 16. Every term and
/// sum is an integer below 2^24, so single precision is exact.
#[inline(always)]
pub(crate) fn grey(red: f32, green: f32, blue: f32) -> f32 {
    let sum = red * 19_595.0 + green * 38_470.0 + blue * 7471.0;
    floor((sum + 32_768.0) * (1.0 / 65_536.0))
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
                    let found = grey(f32::from(red), f32::from(green), f32::from(blue));
                    assert_eq!(found, ((sum + 32_768) >> 16) as f32);
                }
            }
        }
    }

    #[test]
    fn floor_and_byte_hold_next_to_integers() {
        for integer in 0..=255_u8 {
            let exact = f32::from(integer);
            assert_eq!(floor(exact), exact);
            assert_eq!(byte(exact), integer);
            if integer > 0 {
                assert_eq!(floor(exact.next_down()), exact - 1.0);
                assert_eq!(floor(exact.next_up()), exact);
            }
        }
    }
}
