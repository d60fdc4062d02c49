//! `eval`: scores a trained run on targets it never saw, and writes the report.
//!
//! [`evaluate`] does the work, for this program and for `train demo`.
#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
mod memory;

use std::path::PathBuf;

use evaluation::EvalScores;
use evaluation::protocol::InferenceProtocol;
use evaluation::report::SamplePicture;
use evaluation::targets::{EvaluationError, Target};
use shard_store::StoreOptions;
use terminal::Bar;
use training::run::TrainedRun;

/// Name of the scores in an output folder.
pub const SCORES_FILE: &str = "eval.json";
/// Name of the report in an output folder.
pub const REPORT_FILE: &str = "report.html";

/// Scores of one run, and pictures with its predictions.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Scores on every target.
    pub scores: EvalScores,
    /// `pictures_per_target` images of every target.
    pub pictures: Vec<SamplePicture>,
}

/// Opens the targets of a run; their classes must be the run's.
///
/// # Errors
/// If a folder or URL is not a dataset of these classes.
pub fn open_targets(
    run: &TrainedRun,
    dirs: &[PathBuf],
    store: &StoreOptions,
) -> Result<Vec<Target>, EvaluationError> {
    dirs.iter().map(|dir| Target::open(dir, &run.facts.classes, store)).collect()
}

/// Evaluates `run` on `targets`, with a progress bar for each.
///
/// # Errors
/// If a shard cannot be read, or the network's scores of an image are not finite.
pub fn evaluate(
    run: &TrainedRun,
    targets: &[Target],
    protocol: InferenceProtocol,
    pictures_per_target: usize,
) -> Result<Evaluation, EvaluationError> {
    let name = &run.recipe.name;
    let mut scores = Vec::new();
    let mut pictures = Vec::new();
    for target in targets {
        let bar = Bar::new(format!("{name} on {}", target.name), "images", target.len() as u64);
        let shown = target.spread(pictures_per_target);
        let mut predictions = vec![Vec::new(); shown.len()];
        let score = target.score(&run.predictor, protocol, &mut |index, prediction| {
            if let Some(place) = shown.iter().position(|&shown| shown == index) {
                predictions[place] = prediction.clone().download();
            }
            bar.inc();
        })?;
        bar.finish();
        scores.push(score);
        for (&index, prediction) in shown.iter().zip(predictions) {
            let mut picture = target.picture(index)?;
            picture.predictions.push((name.clone(), prediction));
            pictures.push(picture);
        }
    }
    let classes = run.facts.classes.clone();
    let view = targets.first().map(Target::view).unwrap_or_default();
    let protocol = view.noted_in(protocol.describe());
    let scores = EvalScores::new(name.clone(), protocol, classes, scores);
    Ok(Evaluation { scores, pictures })
}
