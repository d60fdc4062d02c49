//! Scores as a plain text table for the terminal.

use std::collections::BTreeSet;

use super::{EvalScores, TargetScore};

const GAP: &str = "  ";

/// Lays out IoU in percent: for each target a block with classes as rows, runs as columns and mIoU
/// last; with several targets a block of their mIoU and its average follows.
///
/// An absent class is `-`. There is no line break at the end.
///
/// # Panics
/// If the runs were scored on different classes.
#[must_use]
pub fn table(runs: &[EvalScores]) -> String {
    let Some(first) = runs.first() else { return String::new() };
    assert!(runs.iter().all(|run| run.classes == first.classes), "runs of different classes");
    let mut seen = BTreeSet::new();
    let named = runs.iter().flat_map(|run| &run.targets).filter(|target| seen.insert(&target.name));
    let targets: Vec<&TargetScore> = named.collect();
    let miou_on = |target: &TargetScore| {
        row(runs, &target.name, |run| score_of(run, target).and_then(|score| score.miou))
    };

    let mut blocks = Vec::new();
    for target in &targets {
        let classes = first.classes.iter().enumerate();
        let rows = classes.map(|(class, name)| {
            row(runs, name, |run| score_of(run, target).and_then(|score| score.iou[class]))
        });
        let mut last = miou_on(target);
        last[0] = "mIoU".to_owned();
        let title = format!("target: {} ({} images)", target.name, target.samples);
        blocks.push(format!("{title}\n{}", block(runs, "IoU, %", rows.collect(), last)));
    }
    if targets.len() > 1 {
        let rows = targets.iter().map(|target| miou_on(target)).collect();
        blocks.push(block(runs, "mIoU, %", rows, row(runs, "average", |run| run.miou)));
    }
    blocks.join("\n\n")
}

fn score_of<'a>(run: &'a EvalScores, target: &TargetScore) -> Option<&'a TargetScore> {
    run.targets.iter().find(|score| score.name == target.name)
}

fn row(
    runs: &[EvalScores],
    label: &str,
    value: impl Fn(&EvalScores) -> Option<f64>,
) -> Vec<String> {
    let cells = runs.iter().map(|run| percent(value(run)));
    [label.to_owned()].into_iter().chain(cells).collect()
}

/// Puts a heading above the rows and sets the last row apart.
fn block(
    runs: &[EvalScores],
    label: &str,
    mut rows: Vec<Vec<String>>,
    last: Vec<String>,
) -> String {
    let names = runs.iter().map(|run| run.run.clone());
    rows.insert(0, [label.to_owned()].into_iter().chain(names).collect());
    rows.push(last);
    let mut lines = aligned(&rows);
    let rule = "-".repeat(lines[0].chars().count());
    lines.insert(lines.len() - 1, rule.clone());
    lines.insert(1, rule);
    lines.join("\n")
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.1}", ratio * 100.0))
}

/// Pads each column to its widest cell: the first to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        cells.collect::<Vec<_>>().join(GAP)
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::confusion::ConfusionMatrix;
    use crate::scores::{Protocol, TargetScore};

    fn run(name: &str, predictions: &[(&str, [u8; 4])]) -> EvalScores {
        let protocol = Protocol {
            name: "whole".to_owned(),
            description: String::new(),
            parameters: BTreeMap::new(),
        };
        let targets = predictions.iter().map(|(target, prediction)| {
            let mut confusion = ConfusionMatrix::new(3);
            confusion.add(&[0, 0, 0, 1], prediction, 255);
            TargetScore::new(*target, 4, confusion)
        });
        let classes = ["road", "traffic light", "train"].map(String::from).to_vec();
        EvalScores::new(name, protocol, classes, targets.collect())
    }

    #[test]
    fn columns_line_up_and_an_absent_class_is_a_dash() {
        let runs = [
            run("baseline", &[("city", [0, 0, 1, 1])]),
            run("pin memory", &[("city", [0, 0, 0, 1])]),
        ];
        let expected = "\
target: city (4 images)
IoU, %         baseline  pin memory
-----------------------------------
road               66.7       100.0
traffic light      50.0       100.0
train                 -           -
-----------------------------------
mIoU               58.3       100.0";
        assert_eq!(table(&runs), expected);
    }

    #[test]
    fn several_targets_have_a_block_each_and_an_average() {
        let text = table(&[run("pin", &[("day", [0, 0, 1, 1]), ("night", [0, 0, 0, 1])])]);
        let expected = "\
target: day (4 images)
IoU, %          pin
-------------------
road           66.7
traffic light  50.0
train             -
-------------------
mIoU           58.3

target: night (4 images)
IoU, %           pin
--------------------
road           100.0
traffic light  100.0
train              -
--------------------
mIoU           100.0

mIoU, %    pin
--------------
day       58.3
night    100.0
--------------
average   79.2";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_run_is_no_table() {
        assert_eq!(table(&[]), "");
    }
}
