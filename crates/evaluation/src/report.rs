//! The report: one self-contained HTML page of tables, charts and pictures.
//!
//! The page needs no network and no script, follows the reader's light or dark theme and prints.

mod figures;
mod recipes;
mod tables;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use crate::charts::ChartError;
use crate::scores::{EvalScores, Protocol, TargetScore};

use text::{escape, paragraph};

const STYLE: &str = include_str!("report/page.css");

/// Everything a report shows.
///
/// Curves, samples, recipes and notes may be empty: their sections are then left out.
#[derive(Clone, Debug)]
pub struct ReportData {
    /// The heading of the page.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// What was done, by what and where: command, recipe, seed, device, versions.
    pub facts: Vec<(String, String)>,
    /// Class names by train id.
    pub classes: Vec<String>,
    /// How images became predictions.
    pub protocol: Protocol,
    /// The runs side by side; differences are to the first.
    pub runs: Vec<RunReport>,
    /// Pictures to look at.
    pub samples: Vec<SamplePicture>,
    /// What the reader should keep in mind, one paragraph each.
    pub notes: Vec<String>,
    /// Name and TOML text of each resolved recipe.
    pub recipes: Vec<(String, String)>,
}

/// One run: its scores and how it learned.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The name of the run.
    pub name: String,
    /// Its scores on each target.
    pub targets: Vec<TargetScore>,
    /// What was logged in training; curves of the same name share a chart.
    pub curves: Vec<Curve>,
}

impl From<EvalScores> for RunReport {
    fn from(scores: EvalScores) -> Self {
        Self { name: scores.run, targets: scores.targets, curves: Vec::new() }
    }
}

/// A quantity over training steps.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The name of the quantity.
    pub name: String,
    /// Whether its axis is logarithmic.
    pub log_scale: bool,
    /// Steps and values; values that are not finite are left out and counted in a note.
    pub points: Vec<(f64, f64)>,
}

/// One image with its truth and what each run predicted.
#[derive(Clone, Debug)]
pub struct SamplePicture {
    /// The sample's id in its dataset.
    pub id: String,
    /// The target it belongs to.
    pub target: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The image, `[H*W*3]` interleaved.
    pub rgb: Vec<u8>,
    /// The true train ids, `[H*W]`.
    pub truth: Vec<u8>,
    /// Name of the run and predicted train ids, `[H*W]`.
    pub predictions: Vec<(String, Vec<u8>)>,
}

/// Renders a report as one HTML page.
///
/// # Errors
/// If scores or pictures do not fit the classes or their own size, or a chart cannot be drawn.
pub fn render(data: &ReportData) -> Result<String, ReportError> {
    check(data)?;
    let curves = figures::learning_curves(&data.runs)?;
    let notes: Vec<String> = data.notes.iter().chain(&curves.notes).cloned().collect();
    let sections = [
        facts(&data.facts),
        tables::headline(&data.runs),
        tables::per_class(data)?,
        curves.html,
        figures::samples(data)?,
        recipes::section(&data.recipes),
        protocol(&data.protocol),
        noted(&notes),
    ];
    let title = escape(&data.title);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{title}</h1>{}</header>\n{}\n</main>\n</body>\n</html>\n",
        paragraph("subtitle", &data.subtitle),
        sections.concat(),
    ))
}

/// Renders a report and writes it, as a whole or not at all.
///
/// # Errors
/// Those of [`render`], or if the file cannot be written.
pub fn write(path: &Path, data: &ReportData) -> Result<(), ReportError> {
    let page = render(data)?;
    whole_file::write(path, page.as_bytes())
        .map_err(|source| ReportError::Write { path: path.into(), source })
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Scores are of another number of classes than the report.
    #[error("run {run:?}, target {target:?}: scores of {found} classes, expected {expected}")]
    Classes {
        /// The run.
        run: String,
        /// The target.
        target: String,
        /// The number of classes scored.
        found: usize,
        /// The number of classes of the report.
        expected: usize,
    },
    /// A picture is of another size than its sample says.
    #[error(
        "sample {sample:?}: {layer} of {found} bytes, expected {expected} for {width} x {height} pixels"
    )]
    PictureSize {
        /// The sample's id.
        sample: String,
        /// What the picture shows.
        layer: String,
        /// Its bytes.
        found: usize,
        /// The bytes that the size asks for.
        expected: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A prediction holds an id that is no class.
    #[error("sample {sample:?}: {run:?} predicts id {found}, expected less than {classes}")]
    PredictedId {
        /// The sample's id.
        sample: String,
        /// The run.
        run: String,
        /// The id.
        found: u8,
        /// The number of classes.
        classes: usize,
    },
    /// A picture cannot be encoded.
    #[error("sample {sample:?}: picture cannot be encoded: {source}")]
    Picture {
        /// The sample's id.
        sample: String,
        /// What the encoder said.
        source: png::EncodingError,
    },
    /// A chart cannot be drawn.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The page cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

fn check(data: &ReportData) -> Result<(), ReportError> {
    let expected = data.classes.len();
    for run in &data.runs {
        for target in &run.targets {
            let sizes = [target.iou.len(), target.confusion.classes()];
            if let Some(&found) = sizes.iter().find(|&&found| found != expected) {
                let (run, target) = (run.name.clone(), target.name.clone());
                return Err(ReportError::Classes { run, target, found, expected });
            }
        }
    }
    data.samples.iter().try_for_each(|sample| check_sample(sample, expected))
}

fn check_sample(sample: &SamplePicture, classes: usize) -> Result<(), ReportError> {
    let (width, height) = (sample.width, sample.height);
    let pixels = width as usize * height as usize;
    let fits = |layer: &str, found: usize, expected: usize| {
        if found == expected && found > 0 {
            return Ok(());
        }
        let (sample, layer) = (sample.id.clone(), layer.to_owned());
        Err(ReportError::PictureSize { sample, layer, found, expected, width, height })
    };
    fits("image", sample.rgb.len(), pixels * 3)?;
    fits("truth", sample.truth.len(), pixels)?;
    for (run, prediction) in &sample.predictions {
        fits(&format!("prediction of {run:?}"), prediction.len(), pixels)?;
        if let Some(&found) = prediction.iter().find(|&&id| usize::from(id) >= classes) {
            let (sample, run) = (sample.id.clone(), run.clone());
            return Err(ReportError::PredictedId { sample, run, found, classes });
        }
    }
    Ok(())
}

fn facts(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let rows = facts.iter().map(|(name, value)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
    });
    format!("<dl class=\"facts\">{}</dl>\n", rows.collect::<String>())
}

fn protocol(protocol: &Protocol) -> String {
    let settings = protocol.parameters.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(&value))
    });
    let settings: String = settings.collect();
    let table = if settings.is_empty() {
        String::new()
    } else {
        format!(
            "<div class=\"scroll\"><table class=\"settings\"><tbody>{settings}</tbody></table></div>"
        )
    };
    format!(
        "<section>\n<h2>How it was measured</h2>\n<p>Protocol <b>{}</b>. {}</p>\n{table}\n\
         <p>Every pixel of a target with a label counts once; pixels with the ignore id do not \
         count. The IoU of a class is <i>TP / (TP + FP + FN)</i> over all images of the target \
         together. mIoU is the mean over the classes that occur in the truth or in the \
         prediction; a class that does neither is shown as \u{2013} and left out. The average \
         over targets gives each target the same weight.</p>\n</section>\n",
        escape(&protocol.name),
        escape(&protocol.description),
    )
}

fn noted(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    format!("<section>\n<h2>Notes</h2>\n<ul class=\"notes\">{items}</ul>\n</section>\n")
}

#[cfg(test)]
mod tests;
