//! Slowly varying numbers over a crop: known at every eighth pixel, linear in between.

use super::plane_rows::Frame;
use super::stream::Stream;

/// Pixels between two known values.
const STEP: usize = 8;

/// One number for each pixel.
#[derive(Debug)]
pub(super) struct CoarseField {
    columns: usize,
    /// [rows, columns]
    values: Vec<f32>,
}

impl CoarseField {
    /// Takes `value(x, y)`, in pixels, at every eighth pixel.
    pub(super) fn new(frame: Frame, value: impl Fn(f32, f32) -> f32) -> Self {
        let columns = frame.width.div_ceil(STEP) + 1;
        let rows = frame.height.div_ceil(STEP) + 1;
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let y = (row * STEP) as f32;
            values.extend((0..columns).map(|column| value((column * STEP) as f32, y)));
        }
        Self { columns, values }
    }

    /// The values of pixel row `y`. Shapes: `row` [W].
    pub(super) fn fill_row(&self, y: usize, row: &mut [f32]) {
        let weight = (y % STEP) as f32 * (1.0 / STEP as f32);
        let (upper, rest) = self.values[y / STEP * self.columns..].split_at(self.columns);
        let at = |column: usize| upper[column] + (rest[column] - upper[column]) * weight;
        let mut left = at(0);
        for (cell, run) in row.chunks_mut(STEP).enumerate() {
            let right = at(cell + 1);
            let slope = (right - left) * (1.0 / STEP as f32);
            for (x, value) in run.iter_mut().enumerate() {
                *value = left + slope * x as f32;
            }
            left = right;
        }
    }
}

/// Smooth noise in [0, 1]: three octaves of draws on a lattice, the finer ones half as strong.
#[derive(Debug)]
pub(super) struct SmoothNoise {
    octaves: [Lattice; 3],
}

#[derive(Debug)]
struct Lattice {
    stream: Stream,
    /// Cells for each pixel, along x and y.
    cells: (f32, f32),
}

impl SmoothNoise {
    /// Patches about as large as `patch`, width and height in pixels.
    pub(super) fn new(stream: Stream, patch: (f32, f32)) -> Self {
        let lattice = |octave: u64, finer: f32| Lattice {
            stream: stream.part(octave),
            cells: (finer / patch.0.max(1.0), finer / patch.1.max(1.0)),
        };
        Self { octaves: [lattice(1, 1.0), lattice(2, 2.0), lattice(3, 4.0)] }
    }

    /// The noise at a place in pixels, none of them negative.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let [coarse, middle, fine] = &self.octaves;
        (4.0 * coarse.at(x, y) + 2.0 * middle.at(x, y) + fine.at(x, y)) * (1.0 / 7.0)
    }
}

impl Lattice {
    fn at(&self, x: f32, y: f32) -> f32 {
        let (column, right) = cell_and_weight(x * self.cells.0);
        let (row, lower) = cell_and_weight(y * self.cells.1);
        let node = |row: u64, column: u64| self.stream.unit(row << 32 | column);
        let mix = |from: f32, to: f32, weight: f32| from + (to - from) * weight;
        let upper_edge = mix(node(row, column), node(row, column + 1), right);
        let lower_edge = mix(node(row + 1, column), node(row + 1, column + 1), right);
        mix(upper_edge, lower_edge, lower)
    }
}

/// The cell of a coordinate and its place inside, bent so that slopes meet at the borders.
fn cell_and_weight(coordinate: f32) -> (u64, f32) {
    let cell = coordinate as u32;
    let place = coordinate - cell as f32;
    (u64::from(cell), place * place * (3.0 - 2.0 * place))
}
