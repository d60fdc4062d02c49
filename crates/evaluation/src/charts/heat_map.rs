//! Heat maps of cosines as PNG files.

use std::sync::Once;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, FontTransform, register_font};

use super::{ChartError, refused};
use crate::pictures::image_png;

const FONT: &str = "Ubuntu Light";
const TITLE_HEIGHT: u32 = 17;
const TEXT_HEIGHT: u32 = 15;
const NUMBER_HEIGHT: u32 = 14;
const MARGIN: u32 = 10;
/// Sides of a cell in pixels: with a number in it, and where there are too many for that.
const CELL: u32 = 38;
const SMALL_CELL: u32 = 18;
/// More rows or columns than this have small cells.
const MAX_NUMBERED: usize = 40;
/// Names longer than this are cut.
const MAX_NAME: usize = 24;

/// Colours of -1, 0 and 1; between them is a straight line.
///
/// Source: the ends and the middle of ColorBrewer's scheme RdBu, whose ends are told apart with any
/// common colour vision.
const SCALE: [[u8; 3]; 3] = [[33, 102, 172], [247, 247, 247], [178, 24, 43]];
/// What is unknown.
const UNKNOWN: [u8; 3] = [190, 190, 190];

/// The colour of a cosine.
#[must_use]
pub fn cosine_colour(cosine: Option<f64>) -> [u8; 3] {
    let Some(cosine) = cosine.filter(|cosine| !cosine.is_nan()) else { return UNKNOWN };
    let share = cosine.abs().min(1.0);
    let end = if cosine < 0.0 { SCALE[0] } else { SCALE[2] };
    [0, 1, 2].map(|channel| {
        let (middle, end) = (f64::from(SCALE[1][channel]), f64::from(end[channel]));
        (middle + (end - middle) * share).round() as u8
    })
}

/// Draws cosines under a title as coloured cells, with their numbers where there is room, as a PNG
/// file.
///
/// Shapes: `cosines` is a row of cells for each of `rows`, a cell for each of `columns`.
///
/// # Errors
/// If the drawing library refuses the picture.
pub fn cosines(
    title: &str,
    rows: &[String],
    columns: &[String],
    cosines: &[Vec<Option<f64>>],
) -> Result<Vec<u8>, ChartError> {
    know_font();
    let is_small = rows.len().max(columns.len()) > MAX_NUMBERED;
    let cell = if is_small { SMALL_CELL } else { CELL };
    let (title_style, title_length) = heading(title)?;
    let (left, top) =
        (MARGIN + names_length(rows)?, 2 * MARGIN + TITLE_HEIGHT + names_length(columns)?);
    let width = (left + cell * columns.len() as u32 + MARGIN).max(title_length + 2 * MARGIN);
    let height = top + cell * rows.len() as u32 + MARGIN;
    let mut pixels = vec![255; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        let at = (MARGIN as i32, (MARGIN + TITLE_HEIGHT / 2) as i32);
        area.draw(&Text::new(title, at, title_style)).map_err(refused)?;
        let place = |row: usize, column: usize| {
            ((left + cell * column as u32) as i32, (top + cell * row as u32) as i32)
        };
        let (side, half) = (cell as i32, cell as i32 / 2);
        for (row, cells) in cosines.iter().enumerate() {
            for (column, &cosine) in cells.iter().enumerate() {
                let (x, y) = place(row, column);
                let style = rgb(cosine_colour(cosine)).filled();
                area.draw(&Rectangle::new([(x, y), (x + side - 2, y + side - 2)], style))
                    .map_err(refused)?;
                if !is_small {
                    let colour = if cosine.is_some_and(|c| c.abs() > 0.6) { WHITE } else { BLACK };
                    let number = cosine.map_or("-".to_owned(), |cosine| format!("{cosine:.2}"));
                    let style = text(NUMBER_HEIGHT, &colour, HPos::Center);
                    area.draw(&Text::new(number, (x + half, y + half), style)).map_err(refused)?;
                }
            }
        }
        for (row, name) in rows.iter().enumerate() {
            let (x, y) = place(row, 0);
            let style = text(TEXT_HEIGHT, &BLACK, HPos::Right);
            area.draw(&Text::new(shown(name), (x - 6, y + half), style)).map_err(refused)?;
        }
        for (column, name) in columns.iter().enumerate() {
            let (x, y) = place(0, column);
            let style = text(TEXT_HEIGHT, &BLACK, HPos::Left).transform(FontTransform::Rotate270);
            area.draw(&Text::new(shown(name), (x + half, y - 6), style)).map_err(refused)?;
        }
        area.present().map_err(refused)?;
    }
    image_png(width, height, &pixels).map_err(refused)
}

/// The style of a title, and its length in pixels.
fn heading(title: &str) -> Result<(TextStyle<'static>, u32), ChartError> {
    let (length, _) = (FONT, TITLE_HEIGHT).into_font().box_size(title).map_err(refused)?;
    Ok((text(TITLE_HEIGHT, &BLACK, HPos::Left), length))
}

fn text<'a>(height: u32, colour: &'a RGBColor, across: HPos) -> TextStyle<'a> {
    (FONT, height).into_font().color(colour).pos(Pos::new(across, VPos::Center))
}

/// Pixels that the longest of the names takes, with a gap.
fn names_length(names: &[String]) -> Result<u32, ChartError> {
    let font = (FONT, TEXT_HEIGHT).into_font();
    let lengths = names.iter().map(|name| font.box_size(&shown(name)).map_err(refused));
    Ok(lengths.collect::<Result<Vec<_>, _>>()?.into_iter().map(|size| size.0).max().unwrap_or(0)
        + 8)
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// The built-in font, registered with the drawing library on first use.
fn know_font() {
    static KNOWN: Once = Once::new();
    KNOWN.call_once(|| {
        let known = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
        assert!(known.is_ok(), "the built-in font is a font");
    });
}

fn rgb([red, green, blue]: [u8; 3]) -> RGBColor {
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn pixels(png: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width as usize, info.height as usize, pixels)
    }

    #[test]
    fn colours_run_from_blue_over_white_to_red_and_the_unknown_is_grey() {
        let colours = [Some(-1.0), Some(0.0), Some(1.0), None, Some(f64::NAN)].map(cosine_colour);
        assert_eq!(colours, [SCALE[0], SCALE[1], SCALE[2], UNKNOWN, UNKNOWN]);
        let [red, _, blue] = cosine_colour(Some(0.5));
        assert!(red > blue && red < SCALE[1][0]);
    }

    #[test]
    fn every_cell_has_the_colour_of_its_cosine() {
        let values =
            vec![vec![Some(1.0), Some(-0.5), None], vec![Some(0.0), Some(0.25), Some(-1.0)]];
        let png = cosines("", &names(2), &names(3), &values).unwrap();
        let (width, height, pixels) = pixels(&png);
        let margin = MARGIN as usize;
        let [left, top] = [width - 3 * CELL as usize, height - 2 * CELL as usize];
        for (row, cells) in values.iter().enumerate() {
            for (column, cosine) in cells.iter().enumerate() {
                // Near the cell's corner, where no number is.
                let x = left - margin + column * CELL as usize + 2;
                let y = top - margin + row * CELL as usize + 2;
                let at = (y * width + x) * 3;
                assert_eq!(pixels[at..at + 3], cosine_colour(*cosine), "{row} {column}");
            }
        }
        let is_ink = |pixel: &[u8]| pixel.iter().all(|level| *level < 120);
        assert!(pixels.chunks(3).any(is_ink), "names and numbers are there");
    }

    #[test]
    fn many_slots_have_small_cells_and_none_at_all_is_a_picture_too() {
        let many = vec![vec![Some(0.5); 124]; 124];
        let (width, height, _) = pixels(&cosines("", &names(124), &names(124), &many).unwrap());
        assert!(width > 124 * SMALL_CELL as usize && width < 124 * CELL as usize, "{width}");
        // The title's line.
        assert_eq!(height, width + (MARGIN + TITLE_HEIGHT) as usize);
        let (width, ..) = pixels(&cosines("A title", &[], &[], &[]).unwrap());
        assert!(width > "A title".len() * 4, "{width} pixels hold the title");
    }
}
