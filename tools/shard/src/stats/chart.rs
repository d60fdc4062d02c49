//! Class frequencies as a bar chart.

use crate::canvas::{Anchor, Canvas, Colour, TextStyle, fitted, text_width};
use palette::{IGNORED, class_colours};

use super::{Frequency, Statistics};

const GROUND: Colour = [255, 255, 255];
const INK: Colour = [34, 34, 34];
const FAINT_INK: Colour = [110, 110, 110];
const MARGIN: u32 = 28;
const GAP: u32 = 12;
const TITLE_SIZE: u32 = 26;
const TITLE_HEIGHT: u32 = 40;
const TEXT_SIZE: u32 = 19;
const AXIS_HEIGHT: u32 = 34;
const ROW_HEIGHT: u32 = 30;
const BAR_HEIGHT: u32 = 21;
const PLOT_WIDTH: u32 = 760;
const NAME_WIDTH_LIMIT: u32 = 320;
/// The axis begins no lower than at this power of ten of a share.
const LOWEST_DECADE: i32 = -9;

/// Draws the share of pixels of each class on a logarithmic axis, as a PNG file.
pub fn chart(statistics: &Statistics) -> Vec<u8> {
    let names: Vec<String> = statistics.classes.iter().map(|class| class.name.clone()).collect();
    let colours = class_colours(&names).into_iter().chain([IGNORED]);
    let rows: Vec<&Frequency> = statistics.classes.iter().chain([&statistics.ignored]).collect();
    let lowest = lowest_decade(&rows);
    let numbers: Vec<String> = rows.iter().map(|row| numbers_shown(row)).collect();
    let widest = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| text_width(text, TEXT_SIZE)).max().unwrap_or(0)
    };
    let name_width = widest(&mut rows.iter().map(|row| &*row.name)).min(NAME_WIDTH_LIMIT);
    let number_width = widest(&mut numbers.iter().map(|text| &**text));
    let plot = MARGIN + name_width + GAP;
    let top = MARGIN + TITLE_HEIGHT + AXIS_HEIGHT;
    let width = plot + PLOT_WIDTH + GAP + number_width + MARGIN;
    let rows_height = rows.len() as u32 * ROW_HEIGHT;
    let mut canvas = Canvas::new(width, top + rows_height + MARGIN, GROUND);

    let Statistics { dataset, split, samples, pixels, .. } = statistics;
    let millions = *pixels as f64 / 1e6;
    let title = format!(
        "{dataset} ({split}): share of pixels in {samples} images, {millions:.1} million pixels"
    );
    let title = fitted(&title, TITLE_SIZE, width - 2 * MARGIN);
    let left = TextStyle { colour: INK, anchor: Anchor::Left };
    canvas.text(&title, (MARGIN, MARGIN + TITLE_SIZE / 2), TITLE_SIZE, left);

    for decade in lowest..=0 {
        let x = plot + length(10_f64.powi(decade), lowest);
        canvas.fill([x, top, 1, rows_height], INK, 0.16);
        let middle = TextStyle { colour: FAINT_INK, anchor: Anchor::Centre };
        canvas.text(&decade_shown(decade), (x, top - AXIS_HEIGHT / 2), TEXT_SIZE, middle);
    }
    for (((row, colour), numbers), place) in rows.iter().zip(colours).zip(&numbers).zip(0..) {
        let middle = top + place * ROW_HEIGHT + ROW_HEIGHT / 2;
        let right = TextStyle { colour: INK, anchor: Anchor::Right };
        let name = fitted(&row.name, TEXT_SIZE, name_width);
        canvas.text(&name, (plot - GAP, middle), TEXT_SIZE, right);
        if row.pixels > 0 {
            let bar = length(row.pixel_share, lowest).max(2);
            canvas.fill([plot, middle - BAR_HEIGHT / 2, bar, BAR_HEIGHT], colour, 1.0);
        }
        let faint = TextStyle { colour: FAINT_INK, anchor: Anchor::Left };
        canvas.text(numbers, (plot + PLOT_WIDTH + GAP, middle), TEXT_SIZE, faint);
    }
    canvas.into_png()
}

/// The power of ten just below the rarest class that occurs.
fn lowest_decade(rows: &[&Frequency]) -> i32 {
    let shares = rows.iter().map(|row| row.pixel_share).filter(|&share| share > 0.0);
    let rarest = shares.fold(0.1, f64::min);
    // A bar at the very power of ten would have no length.
    ((rarest * 0.999).log10().floor() as i32).max(LOWEST_DECADE)
}

/// Length of a bar in pixels.
fn length(share: f64, lowest: i32) -> u32 {
    let decades = share.log10() - f64::from(lowest);
    (decades / f64::from(-lowest) * f64::from(PLOT_WIDTH)).round().max(0.0) as u32
}

fn decade_shown(decade: i32) -> String {
    let percent = 10_f64.powi(decade + 2);
    format!("{percent} %")
}

fn numbers_shown(row: &Frequency) -> String {
    if row.pixels == 0 {
        return "does not occur".into();
    }
    let percent = row.pixel_share * 100.0;
    let digits = (1 - percent.log10().floor() as i32).clamp(1, 9) as usize;
    format!("{percent:.digits$} %, in {:.1} % of images", row.image_share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_logarithmic_and_ends_at_the_whole() {
        assert_eq!(length(1.0, -4), PLOT_WIDTH);
        assert_eq!(length(0.01, -4), PLOT_WIDTH / 2);
        assert_eq!(length(0.0001, -4), 0);
    }

    #[test]
    fn the_axis_reaches_below_the_rarest_class() {
        let row = |pixel_share| Frequency {
            train_id: 0,
            name: "road".into(),
            pixels: 1,
            pixel_share,
            images: 1,
            image_share: 1.0,
        };
        assert_eq!(lowest_decade(&[&row(0.5), &row(0.0)]), -2);
        assert_eq!(lowest_decade(&[&row(0.5), &row(0.0003)]), -4);
        assert_eq!(lowest_decade(&[&row(0.001)]), -4);
    }

    #[test]
    fn marks_are_percent_without_rounding_noise() {
        let shown: Vec<String> = (-5..=0).map(decade_shown).collect();
        assert_eq!(shown, ["0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"]);
    }
}
