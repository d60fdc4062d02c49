//! Resampling along rows, many rows at a time.

use simd_level::Level;

use super::{HALF, Weights, level_of};

/// Rows that are resampled together, one in each lane.
const LANES: usize = 32;

/// Columns that are turned at once: as many as a word has bytes.
const TURNED: usize = 8;

/// Words that hold one column of all lanes.
const WORDS: usize = LANES / TURNED;

/// [column or row, lane]: eight columns of 32 rows, one row's eight bytes in each word, or eight
/// rows' bytes of one column.
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
    /// Resamples every row of a plane.
    ///
    /// Shapes: `plane` [height, width], `output` [height, stride] with a stride of at least the
    /// number of weights, rounded up to a multiple of 8; source columns are counted from `left`.
    pub(crate) fn run(
        &mut self,
        level: Level,
        (weights, left): (&Weights, usize),
        (plane, width): (&[u8], usize),
        (output, stride): (&mut [u8], usize),
    ) {
        self.columns.resize(width.next_multiple_of(TURNED), [0; LANES]);
        let columns = &mut self.columns[..];
        let strips = plane.chunks(LANES * width).zip(output.chunks_mut(LANES * stride));
        for (strip, output) in strips {
            level.run(
                #[inline(always)]
                || {
                    turn_into_columns(strip, width, columns);
                    resample(weights, left, columns, output, stride);
                },
            );
        }
    }
}

#[inline(always)]
fn turn_into_columns(strip: &[u8], width: usize, columns: &mut [[u8; LANES]]) {
    let height = strip.len() / width;
    for (group, columns) in columns.as_chunks_mut::<TURNED>().0.iter_mut().enumerate() {
        let x = group * TURNED;
        let mut words: Words = [[0; WORDS]; TURNED];
        for row in 0..height {
            let row_start = row * width;
            words[row % TURNED][row / TURNED] = if x + TURNED <= width {
                let bytes = strip[row_start + x..].first_chunk();
                u64::from_le_bytes(*bytes.expect("invariant: the row has eight more columns"))
            } else {
                let mut bytes = [0; TURNED];
                bytes[..width - x].copy_from_slice(&strip[row_start + x..row_start + width]);
                u64::from_le_bytes(bytes)
            };
        }
        turn(&mut words);
        for (column, words) in columns.iter_mut().zip(&words) {
            for (bytes, word) in column.as_chunks_mut::<TURNED>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
        }
    }
}

#[inline(always)]
fn resample(
    weights: &Weights,
    left: usize,
    columns: &[[u8; LANES]],
    output: &mut [u8],
    stride: usize,
) {
    let pixels = weights.len();
    for first in (0..pixels).step_by(TURNED) {
        let mut words: Words = [[0; WORDS]; TURNED];
        for (pixel, words) in (first..pixels).zip(&mut words) {
            let (source, weights) = weights.of(pixel);
            let column = weighted_column(weights, &columns[source - left..]);
            for (word, bytes) in words.iter_mut().zip(column.as_chunks::<TURNED>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        turn(&mut words);
        for (row, output) in output.chunks_exact_mut(stride).enumerate() {
            let bytes = words[row % TURNED][row / TURNED].to_le_bytes();
            output[first..first + TURNED].copy_from_slice(&bytes);
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
    sums.map(level_of)
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
        for lane in 0..WORDS {
            let (upper, lower) = (words[row][lane], words[row + DISTANCE][lane]);
            let change = ((upper >> (8 * DISTANCE)) ^ lower) & MASK;
            words[row][lane] = upper ^ (change << (8 * DISTANCE));
            words[row + DISTANCE][lane] = lower ^ change;
        }
    }
}
