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

    /// The noise at a place in pixels.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let [coarse, middle, fine] = &self.octaves;
        (4.0 * coarse.at(x, y) + 2.0 * middle.at(x, y) + fine.at(x, y)) * (1.0 / 7.0)
    }
}

impl Lattice {
    fn at(&self, x: f32, y: f32) -> f32 {
        let (column, right) = cell_and_weight(x * self.cells.0);
        let (row, lower) = cell_and_weight(y * self.cells.1);
        let node =
            |row: u32, column: u32| self.stream.unit(u64::from(row) << 32 | u64::from(column));
        let mix = |from: f32, to: f32, weight: f32| from + (to - from) * weight;
        let (next_row, next_column) = (row.wrapping_add(1), column.wrapping_add(1));
        let upper_edge = mix(node(row, column), node(row, next_column), right);
        let lower_edge = mix(node(next_row, column), node(next_row, next_column), right);
        mix(upper_edge, lower_edge, lower)
    }
}

/// The cell of a coordinate and its place inside, bent so that slopes meet at the borders.
fn cell_and_weight(coordinate: f32) -> (u32, f32) {
    let cell = coordinate.floor();
    let place = coordinate - cell;
    // Cells left of 0 wrap around to the other end.
    (cell as i32 as u32, place * place * (3.0 - 2.0 * place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, SampleKey};

    #[test]
    fn a_linear_field_is_met_at_every_pixel() {
        let frame = Frame { width: 21, height: 18 };
        let field = CoarseField::new(frame, |x, y| 2.0 * x - 0.5 * y);
        let mut row = vec![0.0; 21];
        for y in 0..18 {
            field.fill_row(y, &mut row);
            for (x, &value) in row.iter().enumerate() {
                // Quarters and halves below 64: exact in single precision.
                assert_eq!(value, 2.0 * x as f32 - 0.5 * y as f32, "{x} {y}");
            }
        }
    }

    #[test]
    fn noise_fills_its_range_and_hardly_changes_between_neighbours() {
        let key = SampleKey::new(1, "gtav", 0, 0);
        let stream = Stream::applies(key, Purpose::Fog, 1.0).unwrap();
        let noise = SmoothNoise::new(stream, (40.0, 20.0));
        let (mut least, mut most) = (1.0_f32, 0.0_f32);
        for y in -150..150 {
            for x in -150..150 {
                let (x, y) = (x as f32, y as f32);
                let here = noise.at(x, y);
                (least, most) = (least.min(here), most.max(here));
                // Slopes of 3 octaves, each at most 1.5 cells' height over a cell, of width 40:
                // 1.5 * (4/7 + 2/7 * 2 + 1/7 * 4) / 40.
                assert!((noise.at(x + 1.0, y) - here).abs() < 0.065);
            }
        }
        assert!((0.0..0.25).contains(&least) && most > 0.75 && most <= 1.0, "{least} {most}");
    }
}
