//! The contact sheet as one picture.

use crate::canvas::{Anchor, Canvas, Colour, TextStyle, fitted, text_width};

use super::{ContactSheet, Legend, Look, Picture};

/// Most pixels of a sheet: 2^28, three quarters of a gibibyte in memory.
pub(super) const MAX_PIXELS: u64 = 1 << 28;

const GROUND: Colour = [250, 250, 248];
const INK: Colour = [34, 34, 34];
const FAINT_INK: Colour = [110, 110, 110];
const MARGIN: u32 = 24;
const GAP: u32 = 16;
const PAIR_GAP: u32 = 4;
const TITLE_SIZE: u32 = 26;
const TITLE_HEIGHT: u32 = 44;
const CAPTION_SIZE: u32 = 16;
const CAPTION_HEIGHT: u32 = 26;
const SWATCH: u32 = 18;
const LEGEND_ROW: u32 = 28;

/// Draws the sheet, or gives its columns and rows if these are too many.
pub(super) fn sheet(contents: &ContactSheet, look: &Look) -> Result<Canvas, (u64, u64)> {
    let cell = if look.side_by_side { look.width * 2 + PAIR_GAP } else { look.width };
    let longest = contents.groups.iter().map(Vec::len).max().unwrap_or(0);
    let columns = look.columns.min(longest as u32).max(1);
    let rows = contents.groups.iter().flat_map(|group| group.chunks(columns as usize));
    let rows: Vec<&[Picture]> = rows.collect();
    let heights: Vec<u32> = rows.iter().map(|row| row_height(row)).collect();
    let inner = columns * (cell + GAP) - GAP;
    let legend = LegendGrid::new(&contents.legend, inner);
    let (width, height) = (
        u64::from(inner) + u64::from(2 * MARGIN),
        heights.iter().map(|&row| u64::from(row + CAPTION_HEIGHT + GAP)).sum::<u64>()
            + u64::from(2 * MARGIN + TITLE_HEIGHT + legend.height()),
    );
    let too_large = width * height > MAX_PIXELS;
    let (Ok(columns_drawn), Ok(rows_drawn), false) =
        (u32::try_from(width), u32::try_from(height), too_large)
    else {
        return Err((width, height));
    };
    let mut canvas = Canvas::new(columns_drawn, rows_drawn, GROUND);
    let style = TextStyle { colour: INK, anchor: Anchor::Left };
    let title = fitted(&contents.title, TITLE_SIZE, inner);
    canvas.text(&title, (MARGIN, MARGIN + TITLE_SIZE / 2), TITLE_SIZE, style);
    let mut top = MARGIN + TITLE_HEIGHT;
    for (row, height) in rows.iter().zip(heights) {
        for (picture, column) in row.iter().zip(0..) {
            let left = MARGIN + column * (cell + GAP);
            draw_picture(&mut canvas, picture, (left, top, cell), look);
        }
        top += height + CAPTION_HEIGHT + GAP;
    }
    legend.draw(&mut canvas, top);
    Ok(canvas)
}

fn row_height(row: &[Picture]) -> u32 {
    row.iter().map(|picture| picture.overlay.height).max().unwrap_or(0)
}

fn draw_picture(
    canvas: &mut Canvas,
    picture: &Picture,
    (left, top, cell): (u32, u32, u32),
    look: &Look,
) {
    let mut x = left;
    if look.side_by_side {
        canvas.paste(&picture.image, x, top);
        x += picture.image.width + PAIR_GAP;
    }
    canvas.paste(&picture.overlay, x, top);
    let middle = top + picture.overlay.height + CAPTION_HEIGHT / 2;
    let size = format!("{}x{}", picture.size.0, picture.size.1);
    let faint = TextStyle { colour: FAINT_INK, anchor: Anchor::Right };
    canvas.text(&size, (left + cell, middle), CAPTION_SIZE, faint);
    let room = cell.saturating_sub(text_width(&size, CAPTION_SIZE) + GAP);
    let id = fitted(&picture.caption, CAPTION_SIZE, room);
    let style = TextStyle { colour: INK, anchor: Anchor::Left };
    canvas.text(&id, (left, middle), CAPTION_SIZE, style);
}

/// The legend as a grid of equal columns.
struct LegendGrid<'a> {
    /// Name and colour; none for pixels that are not painted.
    entries: Vec<(&'a str, Option<Colour>)>,
    columns: u32,
    column_width: u32,
}

impl<'a> LegendGrid<'a> {
    fn new(legend: &'a Legend, width: u32) -> Self {
        let classes = legend.classes.iter().map(|(name, colour)| (&**name, Some(*colour)));
        let ignored = legend.has_ignored.then_some(("ignored: not painted", None));
        let entries: Vec<_> = classes.chain(ignored).collect();
        let widest = entries.iter().map(|(name, _)| text_width(name, CAPTION_SIZE)).max();
        let column_width = (widest.unwrap_or(0) + SWATCH + 8 + GAP).min(width).max(1);
        Self { entries, columns: (width / column_width).max(1), column_width }
    }

    fn height(&self) -> u32 {
        (self.entries.len() as u32).div_ceil(self.columns) * LEGEND_ROW
    }

    fn draw(&self, canvas: &mut Canvas, top: u32) {
        for ((name, colour), place) in self.entries.iter().zip(0..) {
            let x = MARGIN + place % self.columns * self.column_width;
            let y = top + place / self.columns * LEGEND_ROW;
            let corner = y + (LEGEND_ROW - SWATCH) / 2;
            // An empty frame where there is no colour.
            canvas.fill([x, corner, SWATCH, SWATCH], colour.unwrap_or(FAINT_INK), 1.0);
            if colour.is_none() {
                canvas.fill([x + 1, corner + 1, SWATCH - 2, SWATCH - 2], GROUND, 1.0);
            }
            let style = TextStyle { colour: INK, anchor: Anchor::Left };
            canvas.text(name, (x + SWATCH + 8, y + LEGEND_ROW / 2), CAPTION_SIZE, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use shard_format::RgbImage;

    use super::*;

    #[test]
    fn a_sheet_too_large_for_a_picture_is_refused_before_it_is_drawn() {
        let drawn = || RgbImage { width: 2000, height: 2000, pixels: Vec::new() };
        let picture = || Picture {
            caption: "a".into(),
            size: (2000, 2000),
            image: drawn(),
            overlay: drawn(),
        };
        let contents = ContactSheet {
            title: "toy".into(),
            groups: vec![(0..89).map(|_| picture()).collect(), vec![picture()]],
            legend: Legend { classes: Vec::new(), has_ignored: false },
        };
        let look = Look::new(2000, 3);
        let size = sheet(&contents, &look).map(|_| ()).unwrap_err();
        assert_eq!(size, (3 * 2016 - 16 + 48, 31 * (2000 + 26 + 16) + 48 + 44));
    }
}
