//! Learning curves and sample pictures.

use std::collections::BTreeSet;

use super::text::{escape, percent, run_label, swatch};
use super::{ReportData, ReportError, RunReport, SamplePicture};
use crate::charts::{self, Line, SMOOTHING_DIVISOR};
use crate::confusion::ConfusionMatrix;
use crate::pictures;

// Wide enough for the column a picture has on a large screen.
const MAX_PICTURE_WIDTH: u32 = 640;

/// The section of learning curves, and notes on what they cannot show.
pub(super) struct LearningCurves {
    pub(super) html: String,
    pub(super) notes: Vec<String>,
}

/// One chart for each name of a curve, all runs in it.
pub(super) fn learning_curves(runs: &[RunReport]) -> Result<LearningCurves, ReportError> {
    let mut seen = BTreeSet::new();
    let names = runs.iter().flat_map(|run| &run.curves).map(|curve| curve.name.as_str());
    let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
    let (mut figures, mut notes) = (String::new(), Vec::new());
    for name in &names {
        let (figure, note) = one_chart(runs, name)?;
        figures.push_str(&figure);
        notes.extend(note);
    }
    if names.is_empty() {
        return Ok(LearningCurves { html: String::new(), notes });
    }
    let html = format!(
        "<section>\n<h2>Learning curves</h2>\n{}\n<p class=\"hint\">Over training steps. \
         Thin: as logged; bold: moving average over 1/{SMOOTHING_DIVISOR} of the points.</p>\n\
         <div class=\"charts\">\n{figures}</div>\n</section>\n",
        run_legend(runs),
    );
    Ok(LearningCurves { html, notes })
}

/// Pictures of samples: image, truth, and the prediction of each run.
pub(super) fn samples(data: &ReportData) -> Result<String, ReportError> {
    if data.samples.is_empty() {
        return Ok(String::new());
    }
    let rows: Result<String, ReportError> =
        data.samples.iter().map(|sample| one_sample(sample, data.classes.len())).collect();
    let entry = |colour, name: &str| format!("<li>{}{}</li>", swatch(colour), escape(name));
    let classes = data.classes.iter().enumerate();
    let legend: String =
        classes.map(|(class, name)| entry(palette::colour(class as u8), name)).collect();
    Ok(format!(
        "<section>\n<h2>Sample pictures</h2>\n<ul class=\"legend\">{legend}{}</ul>\n{}</section>\n",
        entry(palette::IGNORED, "ignored"),
        rows?
    ))
}

/// Prepares a chart for the inside of a page: named for screen readers, as wide as its place.
pub(super) fn inline(svg: &str, label: &str) -> String {
    let view_box = svg.find("viewBox=").map_or("", |start| {
        let value = &svg[start..];
        value.match_indices('"').nth(1).map_or("", |(end, _)| &value[..=end])
    });
    let content = svg.find('>').map_or("", |end| &svg[end + 1..]);
    format!("<svg role=\"img\" aria-label=\"{}\" {view_box}>{content}", escape(label))
}

fn one_chart(runs: &[RunReport], name: &str) -> Result<(String, Option<String>), ReportError> {
    let curves: Vec<_> = runs
        .iter()
        .enumerate()
        .flat_map(|(run, report)| report.curves.iter().map(move |curve| (run, curve)))
        .filter(|(_, curve)| curve.name == name)
        .collect();
    let log_scale = curves.iter().any(|(_, curve)| curve.log_scale);
    let lines: Vec<Line<'_>> =
        curves.iter().map(|(run, curve)| Line { run: *run, points: &curve.points }).collect();
    let chart = charts::curves(&lines, log_scale)?;
    let picture = chart.svg.map_or_else(
        || "<p class=\"hint\">No point that can be drawn.</p>".to_owned(),
        |svg| inline(&svg, &format!("{name} over training steps")),
    );
    let scale = if log_scale { " <small>logarithmic</small>" } else { "" };
    let figure =
        format!("<figure><figcaption>{}{scale}</figcaption>{picture}</figure>\n", escape(name));
    let why = if log_scale { "not finite or not positive" } else { "not finite" };
    let skipped = chart.skipped_points;
    let note = (skipped > 0).then(|| {
        format!(
            "Points of the curve \u{201c}{name}\u{201d} that are {why} and not drawn: {skipped}."
        )
    });
    Ok((figure, note))
}

fn run_legend(runs: &[RunReport]) -> String {
    let entries = runs.iter().enumerate().filter(|(_, run)| !run.curves.is_empty());
    let entries = entries.map(|(index, run)| format!("<li>{}</li>", run_label(index, &run.name)));
    format!("<ul class=\"legend\">{}</ul>", entries.collect::<String>())
}

fn one_sample(sample: &SamplePicture, classes: usize) -> Result<String, ReportError> {
    let failed = |source| ReportError::Picture { sample: sample.id.clone(), source };
    let factor = pictures::shrink_factor(sample.width, MAX_PICTURE_WIDTH).min(sample.height);
    let (width, height) = (sample.width / factor, sample.height / factor);
    let labels = |train_ids: &[u8]| {
        let shrunk = pictures::shrink_labels(sample.width, sample.height, train_ids, factor);
        pictures::label_png(width, height, &shrunk).map_err(failed)
    };
    let image = pictures::shrink_image(sample.width, sample.height, &sample.rgb, factor);
    let image = pictures::image_png(width, height, &image).map_err(failed)?;
    let mut figures = vec![
        picture("image", "", &image, (width, height)),
        picture("truth", "", &labels(&sample.truth)?, (width, height)),
    ];
    for (run, prediction) in &sample.predictions {
        let mut confusion = ConfusionMatrix::new(classes);
        confusion.add(&sample.truth, prediction, u8::MAX);
        let score = format!(" <small>mIoU {}</small>", percent(confusion.miou()));
        figures.push(picture(run, &score, &labels(prediction)?, (width, height)));
    }
    Ok(format!(
        "<div class=\"sample\">\n<h3>{} <small>{}</small></h3>\n\
         <div class=\"pictures\">{}</div>\n</div>\n",
        escape(&sample.id),
        escape(&sample.target),
        figures.concat()
    ))
}

fn picture(caption: &str, score: &str, png: &[u8], (width, height): (u32, u32)) -> String {
    let caption = escape(caption);
    format!(
        "<figure><img alt=\"{caption}\" width=\"{width}\" height=\"{height}\" src=\"{}\">\
         <figcaption>{caption}{score}</figcaption></figure>\n",
        pictures::data_uri(png)
    )
}
