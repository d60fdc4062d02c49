//! Labels: the nearest source pixel of every crop pixel.

use shard_format::Window;
use simd_level::Level;

use super::resample::{Horizontal, Rows};
use super::{Geometry, Span};

/// Resamples label maps; keeps its tables between samples.
#[derive(Debug, Default)]
pub(crate) struct LabelWarp {
    /// The source column of every visible crop column, counted from the window of `aim`.
    columns: Vec<u32>,
    /// The source row of every visible crop row, likewise.
    rows: Vec<u32>,
    horizontal: Horizontal,
    /// Where each source row that is shown starts.
    starts: Vec<usize>,
    /// [rows shown, visible columns rounded up to whole words]
    narrowed: Vec<u8>,
}

impl LabelWarp {
    /// Prepares one sample; returns the part of the label map that its crop shows.
    pub(crate) fn aim(&mut self, geometry: &Geometry) -> Window {
        let (x, width) = fill(&mut self.columns, &geometry.x);
        let (y, height) = fill(&mut self.rows, &geometry.y);
        if geometry.flip {
            self.columns.reverse();
        }
        Window { x, y, width, height }
    }

    /// Fills `labels` from the train ids under the window of `aim`; padding becomes `ignore_id`.
    ///
    /// Shapes: `train_ids` [window.height, window.width], `labels` [H, crop_width].
    pub(crate) fn run(
        &mut self,
        level: Level,
        geometry: &Geometry,
        (train_ids, window): (&[u8], Window),
        (labels, crop_width): (&mut [u8], u32),
        ignore_id: u8,
    ) {
        let (width, crop_width) = (window.width as usize, crop_width as usize);
        self.starts.clear();
        self.starts.extend(
            self.rows.chunk_by(|one, next| one == next).map(|rows| rows[0] as usize * width),
        );
        let visible = self.columns.len();
        let stride = visible.next_multiple_of(8);
        self.narrowed.resize(self.starts.len() * stride, 0);
        let rows = Rows { bytes: train_ids, width, starts: &self.starts };
        let (columns, horizontal) = (&self.columns, &mut self.horizontal);
        let output = (&mut self.narrowed[..], stride);
        level.run(
            #[inline(always)]
            || {
                horizontal.run(
                    rows,
                    visible,
                    #[inline(always)]
                    |source, pixel| source[columns[pixel] as usize],
                    output,
                );
            },
        );
        let at = geometry.x.at as usize;
        let at = if geometry.flip { crop_width - at - visible } else { at };
        let (above, labels) = labels.split_at_mut(geometry.y.at as usize * crop_width);
        let (labels, below) = labels.split_at_mut(self.rows.len() * crop_width);
        above.fill(ignore_id);
        below.fill(ignore_id);
        let mut outputs = labels.chunks_exact_mut(crop_width);
        let shown = self.rows.chunk_by(|one, next| one == next);
        for (equal, row) in shown.zip(self.narrowed.chunks_exact(stride)) {
            for output in outputs.by_ref().take(equal.len()) {
                output[..at].fill(ignore_id);
                output[at..at + visible].copy_from_slice(&row[..visible]);
                output[at + visible..].fill(ignore_id);
            }
        }
    }
}

/// Fills a table with the nearest sources; returns the first of them and the length of their range,
/// from which the table is counted.
fn fill(table: &mut Vec<u32>, span: &Span) -> (u32, u32) {
    table.clear();
    table.extend(span.nearest_sources());
    // `visible` is at least 1 and sources never decrease.
    let (first, last) = (table[0], table[table.len() - 1]);
    for source in table {
        *source -= first;
    }
    (first, last + 1 - first)
}
