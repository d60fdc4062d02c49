//! The tables of scores.

use std::collections::BTreeSet;

use super::text::{ABSENT, difference, escape, grouped, percent, run_label, swatch};
use super::{ReportData, ReportError, RunReport};
use crate::charts;
use crate::scores::{TargetScore, averaged_miou};

/// mIoU of each run on each target, with the difference to the first run.
pub(super) fn headline(runs: &[RunReport]) -> String {
    let targets = target_names(runs);
    if targets.is_empty() {
        return String::new();
    }
    let averaged = targets.len() > 1;
    let heads = targets.iter().map(|target| format!("<th scope=\"col\">{}</th>", escape(target)));
    let average_head = if averaged { "<th scope=\"col\" class=\"total\">average</th>" } else { "" };
    let rows = runs.iter().enumerate().map(|(index, run)| {
        let cells = targets.iter().map(|target| {
            let miou_of = |run| score_of(run, target).and_then(|score| score.miou);
            headline_cell("", index, miou_of(run), miou_of(&runs[0]))
        });
        let average = averaged.then(|| {
            headline_cell(
                " class=\"total\"",
                index,
                averaged_miou(&run.targets),
                averaged_miou(&runs[0].targets),
            )
        });
        let cells: String = cells.chain(average).collect();
        format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", run_label(index, &run.name))
    });
    let difference_hint =
        if runs.len() > 1 { " Below each, the difference to the first run in points." } else { "" };
    format!(
        "<section>\n<h2>Mean IoU</h2>\n\
         <p class=\"hint\">In percent, higher is better.{difference_hint}</p>\n\
         <div class=\"scroll\"><table class=\"headline\">\n\
         <thead><tr><th scope=\"col\">run</th>{}{average_head}</tr></thead>\n\
         <tbody>\n{}</tbody></table></div>\n</section>\n",
        heads.collect::<String>(),
        rows.collect::<String>(),
    )
}

/// IoU of each class for each run, side by side, with bars and confusion, for each target.
pub(super) fn per_class(data: &ReportData) -> Result<String, ReportError> {
    let targets = target_names(&data.runs);
    if targets.is_empty() {
        return Ok(String::new());
    }
    let parts: Result<String, ReportError> =
        targets.iter().map(|target| one_target(data, target)).collect();
    Ok(format!("<section>\n<h2>IoU of each class</h2>\n{}</section>\n", parts?))
}

fn headline_cell(attributes: &str, run: usize, miou: Option<f64>, first: Option<f64>) -> String {
    let difference = difference(miou, first).filter(|_| run > 0).unwrap_or_default();
    format!("<td{attributes}><b>{}</b>{difference}</td>", percent(miou))
}

fn target_names(runs: &[RunReport]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let names = runs.iter().flat_map(|run| &run.targets).map(|target| target.name.as_str());
    names.filter(|name| seen.insert(*name)).collect()
}

fn score_of<'a>(run: &'a RunReport, target: &str) -> Option<&'a TargetScore> {
    run.targets.iter().find(|score| score.name == target)
}

fn one_target(data: &ReportData, target: &str) -> Result<String, ReportError> {
    let scores: Vec<Option<&TargetScore>> =
        data.runs.iter().map(|run| score_of(run, target)).collect();
    let Some(any) = scores.iter().flatten().next() else { return Ok(String::new()) };
    let truths = any.confusion.truth_totals();
    let total = any.confusion.total();
    let classes = data.classes.iter().enumerate().map(|(class, name)| {
        let ratios: Vec<Option<f64>> =
            scores.iter().map(|score| score.and_then(|score| score.iou[class])).collect();
        let share = (total > 0 && truths[class] > 0).then(|| truths[class] as f64 / total as f64);
        let label = format!("{}{}", swatch(palette::colour(class as u8)), escape(name));
        score_row(&label, &share_of_pixels(share), &ratios)
    });
    let measure = |name: &str, value: fn(&TargetScore) -> Option<f64>| {
        score_row(name, "", &scores.iter().map(|score| score.and_then(value)).collect::<Vec<_>>())
    };
    let measures = [
        measure("mIoU", |score| score.miou),
        measure("pixel accuracy", |score| score.pixel_accuracy),
        measure("mean class accuracy", |score| score.confusion.mean_class_accuracy()),
        measure("frequency-weighted IoU", |score| score.confusion.frequency_weighted_iou()),
    ];
    let heads = data.runs.iter().enumerate();
    let heads =
        heads.map(|(index, run)| format!("<th scope=\"col\">{}</th>", run_label(index, &run.name)));
    let difference_head =
        if data.runs.len() == 2 { "<th scope=\"col\">difference</th>" } else { "" };
    let ratios: Vec<Vec<Option<f64>>> = scores
        .iter()
        .map(|score| {
            score.map_or_else(|| vec![None; data.classes.len()], |score| score.iou.clone())
        })
        .collect();
    let best_hint = if data.runs.len() > 1 { "; the best of each row is bold" } else { "" };
    let chart = charts::bars(&data.classes, &ratios)?;
    Ok(format!(
        "<h3>{}</h3>\n<p class=\"hint\">{} images, {} pixels with a label. In percent; \
         \u{2018}pixels\u{2019} is the class\u{2019}s share of the truth{best_hint}.</p>\n\
         <div class=\"beside\">\n<div class=\"scroll\">\
         <table class=\"scores\">\n\
         <thead><tr><th scope=\"col\">class</th>\
         <th scope=\"col\">pixels</th>{}{difference_head}</tr></thead>\n\
         <tbody>\n{}</tbody>\n<tfoot>\n{}</tfoot></table></div>\n<figure>{}</figure>\n</div>\n{}",
        escape(target),
        grouped(any.samples),
        grouped(total),
        heads.collect::<String>(),
        classes.collect::<String>(),
        measures.concat(),
        super::figures::inline(&chart, &format!("IoU of each class on {target}")),
        confusions(data, &scores),
    ))
}

/// One row of scores, the best in bold, with the difference where two runs are compared.
fn score_row(label: &str, share: &str, ratios: &[Option<f64>]) -> String {
    let present = || ratios.iter().flatten().copied();
    let best = present().reduce(f64::max).filter(|&best| present().any(|ratio| ratio < best));
    let cells = ratios.iter().map(|ratio| {
        let class = if ratio.is_some() && *ratio == best { " class=\"best\"" } else { "" };
        format!("<td{class}>{}</td>", percent(*ratio))
    });
    let difference = match ratios {
        [first, second] => {
            let points = difference(*second, *first).unwrap_or_else(|| ABSENT.to_owned());
            format!("<td>{points}</td>")
        }
        _ => String::new(),
    };
    let cells: String = cells.collect();
    format!(
        "<tr><th scope=\"row\">{label}</th><td class=\"share\">{share}</td>{cells}{difference}</tr>\n"
    )
}

fn share_of_pixels(share: Option<f64>) -> String {
    match share {
        None => ABSENT.to_owned(),
        Some(share) if share < 0.0005 => "&lt;0.1".to_owned(),
        Some(share) => percent(Some(share)),
    }
}

/// What each class was predicted as, in percent of its pixels, folded away.
fn confusions(data: &ReportData, scores: &[Option<&TargetScore>]) -> String {
    let matrices = data.runs.iter().zip(scores).enumerate();
    let tables = matrices.filter_map(|(index, (run, score))| {
        let table = confusion_table(&data.classes, (*score)?);
        Some(format!(
            "<h4>{}</h4>\n<div class=\"scroll\">{table}</div>\n",
            run_label(index, &run.name)
        ))
    });
    format!(
        "<details><summary>Confusion: what each class was predicted as</summary>\n\
         <p class=\"hint\">Rows are the truth, columns the prediction, in percent of the \
         row\u{2019}s pixels; below 0.5 is left blank.</p>\n{}</details>\n",
        tables.collect::<String>()
    )
}

fn confusion_table(classes: &[String], score: &TargetScore) -> String {
    let truths = score.confusion.truth_totals();
    let heads =
        classes.iter().map(|name| format!("<th scope=\"col\"><span>{}</span></th>", escape(name)));
    let rows =
        classes.iter().enumerate().filter(|(truth, _)| truths[*truth] > 0).map(|(truth, name)| {
            let cells = (0..classes.len()).map(|predicted| {
                let share = score.confusion.count(truth, predicted) as f64 / truths[truth] as f64;
                let class = if truth == predicted { "right" } else { "wrong" };
                if share < 0.005 {
                    return "<td></td>".to_owned();
                }
                format!(
                    "<td class=\"{class}\" style=\"--share:{share:.2}\">{:.0}</td>",
                    share * 100.0
                )
            });
            format!(
                "<tr><th scope=\"row\">{}</th>{}</tr>\n",
                escape(name),
                cells.collect::<String>()
            )
        });
    format!(
        "<table class=\"confusion\">\n<thead><tr><th></th>{}</tr></thead>\n\
         <tbody>\n{}</tbody></table>",
        heads.collect::<String>(),
        rows.collect::<String>()
    )
}
