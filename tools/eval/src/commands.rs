//! Runs the program: results to standard output, progress and remarks to standard error.

use std::fs;
use std::io::Write;

use anyhow::{Context, anyhow, bail};
use evaluation::protocol::{InferenceProtocol, NAMES};
use evaluation::report::{self, Curve, ReportData, RunReport};
use evaluation::scores::table;
use evaluation::targets::Target;
use evaluation::view::View;
use kernels::device;
use shard_store::StoreOptions;
use terminal::{Outcome, require_new_folder};
use tracing::{info, warn};
use training::metrics;
use training::recipe::EvaluationRecipe;
use training::run::{self, TrainedRun};

use crate::cli::{Cli, Command, ScoreArguments};
use crate::memory;
use crate::{Evaluation, REPORT_FILE, SCORES_FILE, evaluate, open_targets};

/// Does what is asked and writes the result to `out`.
///
/// # Errors
/// The command could not do its work: exit code 2.
pub fn run(cli: &Cli, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match (&cli.command, &cli.score) {
        (Some(Command::Memory(arguments)), _) => memory::run(arguments, out),
        (None, Some(arguments)) => score(arguments, out),
        (None, None) => Err(anyhow!("expected a run folder or a command; hint: eval --help")),
    }
}

fn score(cli: &ScoreArguments, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    require_new_folder(&cli.out)?;
    let opened = device::open(cli.device)?;
    info!("device: {}", opened.description);
    if let Some(note) = opened.shader_note() {
        info!("{note}");
    }
    let run = run::load(&cli.run, &opened.device)?;
    if let Some(remark) = run.unfinished() {
        warn!("{remark}");
    }
    let protocol = protocol(cli, &run.recipe.evaluation)?;
    let targets = open_targets(&run, &cli.shards, &StoreOptions::from_environment()?)?;
    let view = cli.view.into();
    if view == View::ReleasedMapillary {
        info!(
            "every image is resized to a height of 1536 and cropped to 1536x1536, for scores that \
             compare with the released code's on Mapillary"
        );
    }
    let targets: Vec<Target> = targets.into_iter().map(|target| target.with_view(view)).collect();
    let log = cli.run.join(metrics::METRICS_FILE);
    let curves = metrics::curves(&cli.run).with_context(|| log.display().to_string())?;
    let evaluation = evaluate(&run, &targets, protocol, cli.pictures)?;
    fs::create_dir_all(&cli.out).with_context(|| cli.out.display().to_string())?;
    let path = cli.out.join(REPORT_FILE);
    let scores = evaluation.scores.clone();
    let page = report_of(cli, &run, (evaluation, curves), &opened.description)?;
    report::write(&path, &page)?;
    scores.write(&cli.out.join(SCORES_FILE))?;
    writeln!(out, "{}", table(&[scores]))?;
    writeln!(out, "report: {}", path.display())?;
    Ok(Outcome::Done)
}

fn protocol(
    cli: &ScoreArguments,
    settings: &EvaluationRecipe,
) -> anyhow::Result<InferenceProtocol> {
    let name = cli.protocol.as_deref().unwrap_or(&settings.protocol);
    let window = cli.window.map_or(settings.window, |side| [side, side]);
    let Some(protocol) = InferenceProtocol::named(name, window) else {
        bail!("--protocol {name}: unknown protocol, expected {NAMES}");
    };
    if let (None, Some(side)) = (protocol.window, cli.window) {
        bail!(
            "--window {side}: protocol {name} takes the whole image, expected no --window; hint: \
             --protocol sliding or sliding-flip has one"
        );
    }
    Ok(protocol)
}

fn report_of(
    cli: &ScoreArguments,
    run: &TrainedRun,
    (evaluation, curves): (Evaluation, Vec<Curve>),
    device: &str,
) -> anyhow::Result<ReportData> {
    let sources: Vec<String> =
        run.facts.sources.iter().map(|s| format!("{} ({})", s.domain, s.samples)).collect();
    let scores = evaluation.scores;
    Ok(ReportData {
        title: format!("Evaluation of {}", run.recipe.name),
        subtitle: format!("{} steps on {}", run.step, sources.join(", ")),
        facts: vec![
            ("run".to_owned(), cli.run.display().to_string()),
            ("trained on".to_owned(), sources.join(", ")),
            ("steps".to_owned(), run.step.to_string()),
            ("seed".to_owned(), run.recipe.seed.to_string()),
            (
                "trained with".to_owned(),
                format!("pinmem {}, {}", run.facts.version, run.facts.device),
            ),
            ("evaluated on".to_owned(), device.to_owned()),
        ],
        classes: scores.classes.clone(),
        protocol: scores.protocol.clone(),
        runs: vec![RunReport { name: scores.run, targets: scores.targets, curves }],
        samples: evaluation.pictures,
        notes: Vec::new(),
        recipes: vec![(run.recipe.name.clone(), run.recipe.to_toml()?)],
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_window_is_refused_where_the_protocol_has_none() {
        let chosen = |recipes: &str, flags: &[&str]| {
            let words = ["eval", "run", "--shards", "a", "--out", "o"];
            let cli = Cli::try_parse_from(words.iter().chain(flags)).unwrap();
            let protocol_of_recipe = recipes.to_owned();
            let settings = EvaluationRecipe { protocol: protocol_of_recipe, window: [64, 96] };
            protocol(&cli.score.unwrap(), &settings).map_err(|error| error.to_string())
        };
        let window = ["--window", "512"];
        for (recipes, flags) in
            [("whole", &window[..]), ("sliding", &["--window", "512", "--protocol", "whole"])]
        {
            let error = chosen(recipes, flags).unwrap_err();
            assert!(error.contains("--window 512: protocol whole"), "{error}");
            assert!(error.contains("hint: --protocol sliding"), "{error}");
        }
        assert_eq!(chosen("sliding", &window).unwrap().window, Some([512, 512]));
        assert_eq!(chosen("sliding", &[]).unwrap().window, Some([64, 96]));
        assert_eq!(chosen("sliding", &["--protocol", "whole"]).unwrap().window, None);
    }
}
