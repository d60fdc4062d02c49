//! Charts as SVG text, and heat maps as PNG files.
//!
//! Text, axes and grid are black: a page may recolour `#000000` to suit its background. Runs have
//! the colours of [`RUN_COLOURS`], which read well on white and on black.

mod axis;
pub mod heat_map;

use std::fmt::Display;
use std::ops::Range;

use plotters::prelude::*;

use axis::{Axis, marks, number};

/// The colour of each run, by its position; told apart with any common colour vision.
///
/// Source: after Okabe and Ito, "Color Universal Design", 2008, shifted to a middle lightness.
pub const RUN_COLOURS: [[u8; 3]; 6] = [
    [224, 122, 31],
    [46, 134, 222],
    [31, 158, 117],
    [199, 90, 160],
    [140, 108, 208],
    [142, 142, 60],
];

// The backend rounds coordinates to whole units, so a chart is drawn this much larger than shown.
const UNITS_PER_PIXEL: u32 = 4;
const CURVES_WIDTH: u32 = 520;
const CURVES_HEIGHT: u32 = 270;
const BARS_WIDTH: u32 = 430;
const TEXT_HEIGHT: u32 = 15;
const NAME_CHARACTER_WIDTH: u32 = 7;
const MIN_ROW_HEIGHT: u32 = 27;
const GRID_OPACITY: f64 = 0.14;
const RAW_OPACITY: f64 = 0.3;

// A line with more points than this is drawn by the extremes of this many stretches.
const MAX_STRETCHES: usize = 500;
// Fewer points than this are drawn as they are, without a moving average.
const MIN_SMOOTHED: usize = 80;

/// The share of a line's points that its moving average spans, as one over this.
pub const SMOOTHING_DIVISOR: usize = 40;

/// The colour of the run at `index`.
#[must_use]
pub fn run_colour(index: usize) -> [u8; 3] {
    RUN_COLOURS[index % RUN_COLOURS.len()]
}

/// One run's line in a chart of curves.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The position of the run, which gives the colour.
    pub run: usize,
    /// Steps and values.
    pub points: &'a [(f64, f64)],
}

/// A chart of curves, and what it cannot show.
#[derive(Clone, Debug)]
pub struct CurveChart {
    /// The chart; `None` if no point can be shown.
    pub svg: Option<String>,
    /// Points left out: not finite, or not positive on a logarithmic axis.
    pub skipped_points: usize,
}

/// Draws lines over steps: each point thin, and over it a moving average.
///
/// `log_scale` makes the value axis logarithmic (and the average a geometric mean).
///
/// # Errors
/// If the drawing library refuses the chart.
pub fn curves(lines: &[Line<'_>], log_scale: bool) -> Result<CurveChart, ChartError> {
    let shown: Vec<Vec<(f64, f64)>> =
        lines.iter().map(|line| drawable(line.points, log_scale)).collect();
    let skipped_points =
        lines.iter().zip(&shown).map(|(line, shown)| line.points.len() - shown.len()).sum();
    let all = || shown.iter().flatten();
    let (Some(steps), Some(values)) =
        (extent(all().map(|point| point.0)), extent(all().map(|point| point.1)))
    else {
        return Ok(CurveChart { svg: None, skipped_points });
    };
    let values = padded(&values, log_scale);
    let value_of = |axis: f64| if log_scale { 10_f64.powf(axis) } else { axis };
    let steps = Axis { marks: marks(&steps, false), range: steps };
    let values = Axis { marks: marks(&values, log_scale), range: values };

    let mut svg = String::new();
    {
        let size = (CURVES_WIDTH * UNITS_PER_PIXEL, CURVES_HEIGHT * UNITS_PER_PIXEL);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(units(8))
            .margin_right(units(18))
            .x_label_area_size(units(22))
            .y_label_area_size(units(46))
            .build_cartesian_2d(steps, values)
            .map_err(refused)?;
        draw_mesh(&mut chart, &|step| number(*step), &|axis| number(value_of(*axis)))?;
        for (line, points) in lines.iter().zip(&shown) {
            let colour = rgb(run_colour(line.run));
            let smoothed = moving_average(points);
            let raw_opacity = if smoothed.is_some() { RAW_OPACITY } else { 1.0 };
            let raw = colour.mix(raw_opacity).stroke_width(units(1));
            chart.draw_series(LineSeries::new(thinned(points), raw)).map_err(refused)?;
            if let [only] = points[..] {
                chart
                    .draw_series([Circle::new(only, units(3), colour.filled())])
                    .map_err(refused)?;
            }
            if let Some(smoothed) = smoothed {
                let bold = colour.stroke_width(units(2));
                chart.draw_series(LineSeries::new(thinned(&smoothed), bold)).map_err(refused)?;
            }
        }
        area.present().map_err(refused)?;
    }
    Ok(CurveChart { svg: Some(svg), skipped_points })
}

/// Draws ratios as horizontal bars in percent: a group for each class, a bar for each run.
///
/// A ratio of 0 has a sliver of a bar, an absent one (`None`) has none.
/// Shapes: `ratios` `[runs][classes]`.
///
/// # Errors
/// If the drawing library refuses the chart.
///
/// # Panics
/// If a run has more or fewer ratios than there are classes.
pub fn bars(classes: &[String], ratios: &[Vec<Option<f64>>]) -> Result<String, ChartError> {
    assert!(ratios.iter().all(|run| run.len() == classes.len()), "a ratio for each class");
    let highest = ratios
        .iter()
        .flatten()
        .flatten()
        .fold(0.0_f64, |highest, ratio| highest.max(ratio * 100.0));
    let percents = 0.0..(highest / 10.0).ceil().clamp(1.0, 10.0) * 10.0;
    let rows = classes.len() as f64..0.0; // the first class is on top
    let row_height = (13 + 7 * ratios.len() as u32).max(MIN_ROW_HEIGHT);
    let sliver = percents.end / 300.0;
    let thickness = 0.76 / ratios.len().max(1) as f64;
    let percents = Axis { marks: marks(&percents, false), range: percents };
    let row_middles = (0..classes.len()).map(|class| class as f64 + 0.5).collect();
    let rows = Axis { marks: row_middles, range: rows };
    let longest = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let names_width = (longest as u32 * NAME_CHARACTER_WIDTH + 6).clamp(48, BARS_WIDTH / 2);
    let name_of = |row: &f64| classes.get(*row as usize).cloned().unwrap_or_default();

    let mut svg = String::new();
    {
        let height = row_height * classes.len() as u32 + 36;
        let size = (BARS_WIDTH * UNITS_PER_PIXEL, height * UNITS_PER_PIXEL);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(units(6))
            .margin_right(units(18))
            .x_label_area_size(units(22))
            .y_label_area_size(units(names_width))
            .build_cartesian_2d(percents, rows)
            .map_err(refused)?;
        draw_mesh(&mut chart, &|percent| format!("{percent} %"), &name_of)?;
        for (run, ratios) in ratios.iter().enumerate() {
            let style = rgb(run_colour(run)).filled();
            let present =
                ratios.iter().enumerate().filter_map(|(class, ratio)| Some((class, (*ratio)?)));
            let bars = present.map(|(class, ratio)| {
                let top = class as f64 + 0.12 + run as f64 * thickness;
                Rectangle::new([(0.0, top), ((ratio * 100.0).max(sliver), top + thickness)], style)
            });
            chart.draw_series(bars).map_err(refused)?;
        }
        area.present().map_err(refused)?;
    }
    Ok(svg)
}

/// The drawing library refused a chart.
#[derive(Debug, thiserror::Error)]
#[error("chart cannot be drawn: {0}")]
pub struct ChartError(String);

fn refused(error: impl Display) -> ChartError {
    ChartError(error.to_string())
}

type Chart<'a, 'svg> = ChartContext<'a, SVGBackend<'svg>, Cartesian2d<Axis, Axis>>;

/// Draws the grid and writes the marks.
fn draw_mesh(
    chart: &mut Chart<'_, '_>,
    x_mark: &dyn Fn(&f64) -> String,
    y_mark: &dyn Fn(&f64) -> String,
) -> Result<(), ChartError> {
    let grid = BLACK.mix(GRID_OPACITY).stroke_width(units(1));
    let text = ("sans-serif", units(TEXT_HEIGHT)).into_font().color(&BLACK.mix(0.75));
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(grid).axis_style(grid).label_style(text);
    mesh.x_label_formatter(x_mark).y_label_formatter(y_mark);
    mesh.draw().map_err(refused)
}

fn units(pixels: u32) -> u32 {
    pixels * UNITS_PER_PIXEL
}

fn rgb([red, green, blue]: [u8; 3]) -> RGBColor {
    RGBColor(red, green, blue)
}

/// The points that can be drawn, values as logarithms where the axis is logarithmic.
fn drawable(points: &[(f64, f64)], log_scale: bool) -> Vec<(f64, f64)> {
    let on_axis =
        |&(step, value): &(f64, f64)| (step, if log_scale { value.log10() } else { value });
    points
        .iter()
        .map(on_axis)
        .filter(|(step, value)| step.is_finite() && value.is_finite())
        .collect()
}

fn extent(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    values.fold(None, |extent: Option<Range<f64>>, value| {
        Some(extent.map_or(value..value, |extent| extent.start.min(value)..extent.end.max(value)))
    })
}

/// Widens a range of values so that lines keep off the frame; a linear axis of positive values
/// starts at 0.
fn padded(values: &Range<f64>, log_scale: bool) -> Range<f64> {
    let start = if log_scale { values.start } else { values.start.min(0.0) };
    let span = values.end - start;
    let margin = if span > 0.0 { span * 0.05 } else { 0.5 };
    (if start == 0.0 && !log_scale { 0.0 } else { start - margin })..values.end + margin
}

/// The centred moving average; at the ends over what is there.
fn moving_average(points: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    if points.len() < MIN_SMOOTHED {
        return None;
    }
    let reach = points.len() / SMOOTHING_DIVISOR / 2;
    let average = |index: usize| {
        let window = &points[index.saturating_sub(reach)..(index + reach + 1).min(points.len())];
        let sum: f64 = window.iter().map(|point| point.1).sum();
        (points[index].0, sum / window.len() as f64)
    };
    Some((0..points.len()).map(average).collect())
}

/// Keeps the lowest and the highest point of each stretch of a long line.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * MAX_STRETCHES {
        return points.to_vec();
    }
    let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
    let extremes = |stretch: &[(f64, f64)]| {
        let lowest = stretch.iter().min_by(by_value).copied();
        let highest = stretch.iter().max_by(by_value).copied();
        let in_order = lowest <= highest; // by step, which comes first in the pair
        let ordered = if in_order { [lowest, highest] } else { [highest, lowest] };
        ordered.into_iter().flatten().collect::<Vec<_>>()
    };
    points.chunks(points.len().div_ceil(MAX_STRETCHES)).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line<'_> {
        Line { run: 0, points }
    }

    #[test]
    fn points_that_cannot_be_shown_are_left_out_and_counted() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 0.0), (4.0, 2.0)];
        assert_eq!(curves(&[line(&points)], false).unwrap().skipped_points, 2);
        let logarithmic = curves(&[line(&points)], true).unwrap();
        assert_eq!(logarithmic.skipped_points, 3);
        assert!(!logarithmic.svg.unwrap().contains("NaN"));
    }

    #[test]
    fn a_chart_without_a_point_is_none() {
        let chart = curves(&[line(&[(0.0, f64::NAN)]), line(&[])], false).unwrap();
        assert!(chart.svg.is_none());
        assert_eq!(chart.skipped_points, 1);
    }

    #[test]
    fn a_single_point_and_a_constant_line_can_be_drawn() {
        for points in [&[(7.0, -3.0)][..], &[(0.0, 0.0), (1.0, 0.0)]] {
            assert!(curves(&[line(points)], false).unwrap().svg.is_some());
        }
    }

    #[test]
    fn each_run_has_its_colour_and_an_absent_class_no_bar() {
        let classes = ["road".to_owned(), "a < b".to_owned()];
        let svg = bars(&classes, &[vec![Some(0.5), Some(0.0)], vec![Some(0.25), None]]).unwrap();
        assert_eq!(svg.matches("fill=\"#E07A1F\"").count(), 2);
        assert_eq!(svg.matches("fill=\"#2E86DE\"").count(), 1);
        assert!(svg.contains("a &lt; b") && svg.contains("<text"));
        let (road, other) = (svg.find("road").unwrap(), svg.find("a &lt; b").unwrap());
        let height_at = |at: usize| {
            let tag = svg[..at].rfind(" y=\"").unwrap() + 4;
            svg[tag..].split('"').next().unwrap().parse::<i32>().unwrap()
        };
        assert!(height_at(road) < height_at(other), "the first class is on top");
    }

    #[test]
    fn a_long_line_keeps_its_spikes_and_its_order() {
        let mut points: Vec<(f64, f64)> = (0..20_000).map(|step| (f64::from(step), 1.0)).collect();
        points[12_345].1 = 99.0;
        let thin = thinned(&points);
        assert!(thin.len() <= 2 * MAX_STRETCHES && thin.contains(&(12_345.0, 99.0)));
        assert!(thin.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn a_moving_average_keeps_a_constant_and_halves_a_step() {
        let constant: Vec<_> = (0..100).map(|step| (f64::from(step), 2.0)).collect();
        assert_eq!(moving_average(&constant).unwrap(), constant);
        assert!(moving_average(&constant[..10]).is_none());
    }
}
