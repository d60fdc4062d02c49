//! Labels: the nearest source pixel of every crop pixel.

use shard_format::Window;

use super::{Geometry, Span};

/// Resamples label maps; keeps its tables between samples.
#[derive(Debug, Default)]
pub(crate) struct LabelWarp {
    /// The source column of every visible crop column.
    columns: Vec<u32>,
    /// The source row of every visible crop row.
    rows: Vec<u32>,
}

impl LabelWarp {
    /// Prepares one sample; returns the part of the label map that its crop shows.
    pub(crate) fn aim(&mut self, geometry: &Geometry) -> Window {
        let fill = |table: &mut Vec<u32>, span: &Span| {
            table.clear();
            table.extend(span.nearest_sources());
            // `visible` is at least 1 and sources never decrease.
            (table[0], table[table.len() - 1] + 1 - table[0])
        };
        let (x, width) = fill(&mut self.columns, &geometry.x);
        let (y, height) = fill(&mut self.rows, &geometry.y);
        Window { x, y, width, height }
    }

    /// Fills `labels` from the train ids under the window of `aim`; padding becomes `ignore_id`.
    ///
    /// Shapes: `train_ids` [window.height, window.width], `labels` [H, crop_width].
    pub(crate) fn run(
        &mut self,
        geometry: &Geometry,
        train_ids: &[u8],
        (crop_width, ignore_id): (u32, u8),
        labels: &mut [u8],
    ) {
        let (left, top) = (self.columns[0], self.rows[0]);
        let window_width = (self.columns[self.columns.len() - 1] + 1 - left) as usize;
        let mut at = geometry.x.at as usize;
        if geometry.flip {
            self.columns.reverse();
            at = crop_width as usize - at - self.columns.len();
        }
        let shown = at..at + self.columns.len();
        let first_row = geometry.y.at as usize;
        for (row, output) in labels.chunks_exact_mut(crop_width as usize).enumerate() {
            let Some(&source_row) = row.checked_sub(first_row).and_then(|row| self.rows.get(row))
            else {
                output.fill(ignore_id);
                continue;
            };
            let source = &train_ids[(source_row - top) as usize * window_width..][..window_width];
            output[..shown.start].fill(ignore_id);
            output[shown.end..].fill(ignore_id);
            for (label, &column) in output[shown.clone()].iter_mut().zip(&self.columns) {
                *label = source[(column - left) as usize];
            }
        }
    }
}
