//! Resampling along columns, a row at a time.

use super::{HALF, levels_of};

/// Columns whose sums stay in registers.
const LANES: usize = 32;

/// The weighted sum of some rows.
///
/// Shapes: `rows` [at least as many as weights, stride] with a stride that is a multiple of 32,
/// `output` at most [stride].
#[inline(always)]
pub(crate) fn resample_rows(weights: &[i32], rows: &[u8], stride: usize, output: &mut [u8]) {
    for (step, output) in output.chunks_mut(LANES).enumerate() {
        let mut sums = [HALF; LANES];
        for (row, &weight) in weights.iter().enumerate() {
            let values = rows[row * stride + step * LANES..].first_chunk::<LANES>();
            let values = values.expect("invariant: rows are whole steps long");
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += weight * i32::from(value);
            }
        }
        let levels = levels_of(&sums);
        match output.as_mut_array::<LANES>() {
            Some(output) => *output = levels,
            None => output.copy_from_slice(&levels[..output.len()]),
        }
    }
}
