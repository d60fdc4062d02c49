//! The gradient predictor: each byte is stored as its distance from left + up - up-left.

/// Bytes summed at once by [`inverse_row`]; stored tile widths are multiples of it.
const BLOCK: usize = 16;

/// Writes `row` minus its prediction to `residuals`, all modulo 256.
///
/// Shapes: `above`, `row` and `residuals` hold one row each; `above` is zero for the first row.
pub(crate) fn forward_row(above: &[u8], row: &[u8], residuals: &mut [u8]) {
    // Left + up - up-left is the left neighbour's change from the row above, added to `above`.
    if let (Some(residual), Some(value), Some(up)) =
        (residuals.first_mut(), row.first(), above.first())
    {
        *residual = value.wrapping_sub(*up);
    }
    let here = row.iter().skip(1).zip(above.iter().skip(1));
    let left = row.iter().zip(above);
    for ((residual, (value, up)), (left, up_left)) in
        residuals.iter_mut().skip(1).zip(here).zip(left)
    {
        *residual = value.wrapping_sub(*up).wrapping_sub(left.wrapping_sub(*up_left));
    }
}

/// Replaces the row above, in `row`, by the row that `residuals` encode.
///
/// The change from the row above is the running sum of the residuals, so a row is a prefix sum
/// and an addition. Shapes: both hold one row, a multiple of 16 bytes; `row` starts as zero.
#[inline(always)]
pub(crate) fn inverse_row(residuals: &[u8], row: &mut [u8]) {
    let mut carry = 0u8;
    let (residuals, _) = residuals.as_chunks::<BLOCK>();
    let (row, _) = row.as_chunks_mut::<BLOCK>();
    for (row, residuals) in row.iter_mut().zip(residuals) {
        let change = prefix_sum(residuals).map(|sum| sum.wrapping_add(carry));
        carry = change[BLOCK - 1];
        for (value, change) in row.iter_mut().zip(change) {
            *value = value.wrapping_add(change);
        }
    }
}

/// Running sum in log2(16) steps of whole-block additions, which compile to vector code.
#[inline(always)]
fn prefix_sum(values: &[u8; BLOCK]) -> [u8; BLOCK] {
    shifted_sum::<8>(shifted_sum::<4>(shifted_sum::<2>(shifted_sum::<1>(*values))))
}

/// Adds to each value the one `DISTANCE` places before it.
#[inline(always)]
fn shifted_sum<const DISTANCE: usize>(values: [u8; BLOCK]) -> [u8; BLOCK] {
    std::array::from_fn(|index| match index.checked_sub(DISTANCE) {
        Some(before) => values[index].wrapping_add(values[before]),
        None => values[index],
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The predictor as the specification words it.
    fn residual(plane: &[u8], width: usize, x: usize, y: usize) -> u8 {
        let at = |dx: usize, dy: usize| match (x.checked_sub(dx), y.checked_sub(dy)) {
            (Some(x), Some(y)) => plane[y * width + x],
            _ => 0,
        };
        at(0, 0).wrapping_sub(at(1, 0).wrapping_add(at(0, 1)).wrapping_sub(at(1, 1)))
    }

    proptest! {
        #[test]
        fn rows_follow_the_written_predictor_and_come_back(
            plane in proptest::collection::vec(any::<u8>(), 96 * 5)
        ) {
            let width = 96;
            let mut above = vec![0; width];
            let mut restored = vec![0; width];
            for (y, row) in plane.chunks_exact(width).enumerate() {
                let mut residuals = vec![0; width];
                forward_row(&above, row, &mut residuals);
                let expected: Vec<u8> = (0..width).map(|x| residual(&plane, width, x, y)).collect();
                prop_assert_eq!(&residuals, &expected);
                inverse_row(&residuals, &mut restored);
                prop_assert_eq!(&restored, row);
                above.copy_from_slice(row);
            }
        }
    }
}
