//! Resampling along rows, many rows at a time.

/// Rows that are resampled together, one in each lane.
pub(crate) const LANES: usize = 32;

/// Columns that are turned at once: as many as a word has bytes.
const TURNED: usize = 8;

/// Words that hold one column of all lanes.
const WORDS: usize = LANES / TURNED;

/// Eight columns of 32 rows: lane l of word r is row 8 l + r; or, turned, rows 8 l on of column r.
type Words = [[u64; WORDS]; TURNED];

/// The same column of 32 rows.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Column(pub(crate) [u8; LANES]);

/// Rows of equal width, lying anywhere in a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) width: usize,
    /// Where each row starts.
    pub(crate) starts: &'a [usize],
}

/// The horizontal pass; keeps its buffer between samples.
///
/// A strip of rows is turned into columns, so that one weight meets one vector of neighbours down
/// the strip, and the result is turned back.
#[derive(Debug, Default)]
pub(crate) struct Horizontal {
    /// The strip turned, and up to seven columns more.
    columns: Vec<Column>,
}

impl Horizontal {
    /// Makes `pixels` pixels of every row; `pixel`, which must be inlined, makes one column of them
    /// out of all the source's columns.
    ///
    /// Shapes: `output` [rows, stride] with a stride of at least `pixels`, rounded up to a multiple
    /// of 8.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        rows: Rows<'_>,
        pixels: usize,
        pixel: impl Fn(&[Column], usize) -> Column,
        (output, stride): (&mut [u8], usize),
    ) {
        self.columns.resize(rows.width.next_multiple_of(TURNED), Column([0; LANES]));
        let strips = rows.starts.chunks(LANES).zip(output.chunks_mut(LANES * stride));
        for (starts, output) in strips {
            turn_into_columns(Rows { starts, ..rows }, &mut self.columns);
            for first in (0..pixels).step_by(TURNED) {
                let mut words: Words = [[0; WORDS]; TURNED];
                for (number, words) in (first..pixels).zip(&mut words) {
                    let column = pixel(&self.columns, number);
                    for (word, bytes) in words.iter_mut().zip(column.0.as_chunks::<TURNED>().0) {
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
    }
}

#[inline(always)]
fn turn_into_columns(rows: Rows<'_>, columns: &mut [Column]) {
    // Rows that are missing from the last strip are repeated and not used.
    let last = rows.starts.len() - 1;
    let row = |number: usize| &rows.bytes[rows.starts[number.min(last)]..][..rows.width];
    let split: [_; LANES] = std::array::from_fn(|number| row(number).as_chunks::<TURNED>());
    let (groups, rest) = columns.as_chunks_mut::<TURNED>();
    debug_assert!(rest.is_empty());
    for (group, columns) in groups.iter_mut().enumerate() {
        let mut words: Words = [[0; WORDS]; TURNED];
        for (row, words) in words.iter_mut().enumerate() {
            for (lane, word) in words.iter_mut().enumerate() {
                let (whole, rest) = split[lane * TURNED + row];
                *word = match whole.get(group) {
                    Some(bytes) => u64::from_le_bytes(*bytes),
                    None => padded_word(rest),
                };
            }
        }
        turn(&mut words);
        for (column, words) in columns.iter_mut().zip(&words) {
            for (bytes, word) in column.0.as_chunks_mut::<TURNED>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
        }
    }
}

/// The bytes at the end of a row, then zeros.
fn padded_word(bytes: &[u8]) -> u64 {
    let mut word = [0; TURNED];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
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
