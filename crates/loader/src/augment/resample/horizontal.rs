//! Resampling along rows, many rows at a time.

use super::{HALF, Weights, levels_of};

/// Rows that are resampled together, one in each lane.
const LANES: usize = 32;

/// Columns that are turned at once: as many as a word has bytes.
const TURNED: usize = 8;

/// Words that hold one column of all lanes.
const WORDS: usize = LANES / TURNED;

/// Eight columns of 32 rows: lane l of word r is row 8 l + r; or, turned, rows 8 l on of column r.
type Words = [[u64; WORDS]; TURNED];

/// The horizontal pass; keeps its buffer between samples.
///
/// A strip of rows is turned into columns, so that one weight meets one vector of neighbours down
/// the strip, and the result is turned back.
#[derive(Debug, Default)]
pub(crate) struct Horizontal {
    /// [width, LANES], the strip turned.
    columns: Vec<[u8; LANES]>,
}

impl Horizontal {
    /// Resamples every row of a plane; source columns are counted from `left`.
    ///
    /// Shapes: `plane` [height, width], `output` [height, stride] with a stride of at least the
    /// number of weights, rounded up to a multiple of 8.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        (weights, left): (&Weights, usize),
        (plane, width): (&[u8], usize),
        (output, stride): (&mut [u8], usize),
    ) {
        self.columns.resize(width.next_multiple_of(TURNED), [0; LANES]);
        let strips = plane.chunks(LANES * width).zip(output.chunks_mut(LANES * stride));
        for (strip, output) in strips {
            turn_into_columns(strip, width, &mut self.columns);
            resample((weights, left), &self.columns, output, stride);
        }
    }
}

#[inline(always)]
fn turn_into_columns(strip: &[u8], width: usize, columns: &mut [[u8; LANES]]) {
    let last_row = strip.len() / width - 1;
    for (group, columns) in columns.as_chunks_mut::<TURNED>().0.iter_mut().enumerate() {
        let x = group * TURNED;
        let mut words: Words = [[0; WORDS]; TURNED];
        for (row, words) in words.iter_mut().enumerate() {
            for (lane, word) in words.iter_mut().enumerate() {
                // Rows that are missing from the last strip are repeated and not used.
                let start = (lane * TURNED + row).min(last_row) * width;
                *word = match strip[start + x..].first_chunk() {
                    Some(bytes) => u64::from_le_bytes(*bytes),
                    None => last_word(&strip[start + x..]),
                };
            }
        }
        turn(&mut words);
        for (column, words) in columns.iter_mut().zip(&words) {
            for (bytes, word) in column.as_chunks_mut::<TURNED>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
        }
    }
}

/// The bytes at the end of the last row, then zeros.
fn last_word(bytes: &[u8]) -> u64 {
    let mut word = [0; TURNED];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[inline(always)]
fn resample(
    (weights, left): (&Weights, usize),
    columns: &[[u8; LANES]],
    output: &mut [u8],
    stride: usize,
) {
    let rows = output.len() / stride;
    for first in (0..weights.len()).step_by(TURNED) {
        let mut words: Words = [[0; WORDS]; TURNED];
        for (pixel, words) in (first..weights.len()).zip(&mut words) {
            let (source, weights) = weights.of(pixel);
            let column = weighted_column(weights, &columns[source - left..]);
            for (word, bytes) in words.iter_mut().zip(column.as_chunks::<TURNED>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        turn(&mut words);
        for (row, words) in words.iter().enumerate() {
            for (lane, word) in words.iter().enumerate() {
                let row = lane * TURNED + row;
                if row < rows {
                    output[row * stride + first..][..TURNED].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }
}

#[inline(always)]
fn weighted_column(weights: &[i32], columns: &[[u8; LANES]]) -> [u8; LANES] {
    let mut sums = [HALF; LANES];
    for (&weight, column) in weights.iter().zip(columns) {
        for (sum, &value) in sums.iter_mut().zip(column) {
            *sum += weight * i32::from(value);
        }
    }
    levels_of(&sums)
}

/// Swaps rows and columns of the eight by eight bytes in each lane.
///
/// Source: Warren, Hacker's Delight, section 7-3: blocks of 4, 2 and 1 change places.
#[inline(always)]
fn turn(words: &mut Words) {
    swap_blocks::<4, 0x0000_0000_ffff_ffff>(words);
    swap_blocks::<2, 0x0000_ffff_0000_ffff>(words);
    swap_blocks::<1, 0x00ff_00ff_00ff_00ff>(words);
}

#[inline(always)]
fn swap_blocks<const DISTANCE: usize, const MASK: u64>(words: &mut Words) {
    for row in 0..TURNED {
        if row & DISTANCE != 0 {
            continue;
        }
        let (before, after) = words.split_at_mut(row + DISTANCE);
        for (upper, lower) in before[row].iter_mut().zip(&mut after[0]) {
            let change = ((*upper >> (8 * DISTANCE)) ^ *lower) & MASK;
            *upper ^= change << (8 * DISTANCE);
            *lower ^= change;
        }
    }
}
