//! The gradient predictor: each byte is stored as its distance from left + up - up-left.

/// Bytes summed at once by [`inverse_rows`]; stored tile widths are multiples of it.
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

/// Replaces the rows above, in `rows`, by the rows that `residuals` encode.
///
/// The change from the row above is the running sum of the residuals, so a row is a prefix sum
/// and an addition; three rows at a time, because each block of a row waits for the one before it.
/// Shapes: all hold one row of equal length, a multiple of 16 bytes; `rows` start as zero.
#[inline(always)]
pub(crate) fn inverse_rows<const ROWS: usize>(residuals: [&[u8]; ROWS], rows: [&mut [u8]; ROWS]) {
    let mut carries = [0u8; ROWS];
    let residuals = residuals.map(|residuals| residuals.as_chunks::<BLOCK>().0);
    let rows = rows.map(|row| row.as_chunks_mut::<BLOCK>().0);
    for block in 0..residuals[0].len() {
        for row in 0..ROWS {
            let sums = prefix_sum(&residuals[row][block]);
            let carry = carries[row];
            for (value, sum) in rows[row][block].iter_mut().zip(sums) {
                *value = value.wrapping_add(sum.wrapping_add(carry));
            }
            carries[row] = sums[BLOCK - 1].wrapping_add(carry);
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
                inverse_rows([&residuals], [&mut restored]);
                prop_assert_eq!(&restored, row);
                above.copy_from_slice(row);
            }
        }
    }
}
