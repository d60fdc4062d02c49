//! A memory as plain text tables for the terminal.

use super::{HistoryReport, MemoryReport};

/// Lays a memory out: a row for each slot, then the cosines of all pairs.
///
/// What is unknown is `-`. There is no line break at the end.
#[must_use]
pub fn table(report: &MemoryReport) -> String {
    let mut lines = vec![heading(report), String::new()];
    lines.extend(slots(report));
    lines.push(String::new());
    lines.push(format!(
        "different slots: mean cosine {}, mean positive cosine {} (the divergence loss of unit \
         slots)",
        number(report.mean_similarity),
        number(report.divergence)
    ));
    lines.push(String::new());
    lines.extend(similarity(report));
    lines.join("\n")
}

fn heading(report: &MemoryReport) -> String {
    let (slots, channels) = (report.classes.len(), report.channels);
    let at = report.history.as_ref().map_or(String::new(), |h| format!(" after step {}", h.step));
    let counted = |count: usize, unit: &str| match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    };
    let (slots, channels) = (counted(slots, "slot"), counted(channels, "channel"));
    format!("memory of {}{at}: {slots} of {channels}", report.source)
}

fn slots(report: &MemoryReport) -> Vec<String> {
    let lengths = report.classes.iter().map(|name| name.chars().count());
    let width = lengths.max().unwrap_or(0).max("nearest".len());
    let mut head = format!(
        "{:>3}  {:width$}  {:>6}  {:width$}  {:>6}",
        "id", "class", "norm", "nearest", "cos"
    );
    if report.history.is_some() {
        head += &format!("  {:>9}  {:>10}  {:>10}", "writes", "with first", "with last");
    }
    let row = |(class, name): (usize, &String)| {
        let nearest = report.nearest(class);
        let other = nearest.map_or("-", |(other, _)| report.classes[other].as_str());
        let (norm, cosine) = (report.norms[class], number(nearest.map(|(_, cosine)| cosine)));
        let row = format!("{class:>3}  {name:width$}  {norm:>6.3}  {other:width$}  {cosine:>6}");
        let history = report.history.as_ref().map_or(String::new(), |h| history(h, class));
        row + &history
    };
    [head].into_iter().chain(report.classes.iter().enumerate().map(row)).collect()
}

fn history(history: &HistoryReport, class: usize) -> String {
    let first = number(history.cosine_with_first[class]);
    let last = history.drift.last().and_then(|line| line.cosine_with_last[class]);
    format!("  {:>9}  {first:>10}  {:>10}", history.slot_writes[class], number(last))
}

fn similarity(report: &MemoryReport) -> Vec<String> {
    let ids = (0..report.classes.len()).map(|class| format!("  {class:>5}"));
    let head = format!("cos{}", ids.collect::<String>());
    let row = |(class, row): (usize, &Vec<Option<f64>>)| {
        let cells = row.iter().map(|cosine| match cosine {
            Some(cosine) => format!("  {cosine:>5.2}"),
            None => format!("  {:>5}", "-"),
        });
        format!("{class:>3}{}", cells.collect::<String>())
    };
    [head].into_iter().chain(report.similarity.iter().enumerate().map(row)).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::super::MemoryLine;
    use super::*;

    #[test]
    fn each_slot_has_a_row_and_each_pair_a_number() {
        let history = HistoryReport {
            step: 7,
            slot_writes: vec![7, 0],
            cosine_with_first: vec![Some(0.5), None],
            drift: vec![MemoryLine {
                step: 7,
                cosine_with_first: vec![Some(0.5), None],
                cosine_with_last: vec![Some(0.25), None],
                slot_writes: vec![7, 0],
            }],
        };
        let classes = ["road", "sky"].map(str::to_owned).to_vec();
        let slots = [1.0, 0.0, 0.0, 0.0];
        let report = MemoryReport::new("runs/a".to_owned(), classes, &slots, Some(history));
        let text = table(&report);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "memory of runs/a after step 7: 2 slots of 2 channels",
            "",
            " id  class      norm  nearest     cos     writes  with first   with last",
            "  0  road      1.000  -             -          7       0.500       0.250",
            "  1  sky       0.000  -             -          0           -           -",
            "",
            "different slots: mean cosine -, mean positive cosine - (the divergence loss of unit \
             slots)",
            "",
            "cos      0      1",
            "  0   1.00      -",
            "  1      -      -",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn one_slot_is_singular() {
        let report = MemoryReport::new("a".to_owned(), vec!["road".to_owned()], &[1.0], None);
        assert!(table(&report).starts_with("memory of a: 1 slot of 1 channel\n"));
    }
}
