//! Results in words and tables.

use std::fmt::Write;

use crate::pack::PackReport;

/// What packing gave, for standard output.
pub(crate) fn pack_shown(report: &PackReport) -> String {
    let audit = &report.audit;
    let shards = report.index.iter().flat_map(|index| &index.shards);
    let total: u64 = audit.classes.iter().map(|class| class.pixels).sum();
    let total = total + audit.ignored_pixels;
    let share = |pixels: u64| format!("{:.2} %", 100.0 * pixels as f64 / total.max(1) as f64);
    let mut rows: Vec<[String; 4]> = audit
        .classes
        .iter()
        .map(|class| {
            let id = class.train_id.to_string();
            [id, class.name.clone(), share(class.pixels), class.images.to_string()]
        })
        .collect();
    rows.push(["255".into(), "ignored".into(), share(audit.ignored_pixels), String::new()]);
    let mut text = table(["id", "class", "pixels", "images"], rows);
    let bytes = shards.clone().map(|shard| shard.bytes).sum();
    // Writing to a string cannot fail.
    _ = writeln!(
        text,
        "\npacked {} of {} ({}{}) into {}, {}; {} left out",
        counted(audit.packed as usize, "sample"),
        printable(&audit.dataset),
        printable(&audit.split),
        audit.part.map_or(String::new(), |part| format!(", part {part}")),
        counted(shards.count(), "shard"),
        bytes_shown(bytes),
        audit.skipped.len() + audit.excluded.len(),
    );
    _ = writeln!(text, "audit: {}", report.audit_path.display());
    text
}

/// `text` with escapes for what would move the cursor, turn the direction of writing or hide.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Beside control characters, the marks of Unicode that have no width.
        let is_hidden = c.is_control()
            || matches!(
                c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                    | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            );
        if is_hidden {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Columns padded to equal width, left-aligned; cells are [`printable`].
pub(crate) fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let header = header.map(String::from);
    let rows: Vec<_> = rows.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
    let mut widths = header.each_ref().map(|cell| cell.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&header).chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number and what it counts, which takes an s in the plural.
pub(crate) fn counted(number: usize, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// A size in the largest unit that leaves at least one.
pub(crate) fn bytes_shown(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let rows = vec![["1".into(), "long name".into()], ["255".into(), String::new()]];
        assert_eq!(table(["id", "name"], rows), "id   name\n1    long name\n255\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left_and_whatever_it_shows_is_kept() {
        assert_eq!(printable("a\u{1b}[2J\r\u{202e}gnp\u{9b}"), r"a\u{1b}[2J\r\u{202e}gnp\u{9b}");
        for kept in ["münchen/000_019", "東京 \"'\\", "e\u{301}", "🚗"] {
            assert_eq!(printable(kept), kept);
        }
        let rows = vec![["a\nb".into()]];
        assert_eq!(table(["id"], rows), "id\na\\nb\n");
    }

    #[test]
    fn sizes_take_the_largest_unit_that_leaves_at_least_one() {
        let shown = [1023, 1024, 1 << 20, 5 << 40].map(bytes_shown);
        assert_eq!(shown, ["1023 B", "1.0 KiB", "1.0 MiB", "5.0 TiB"]);
    }
}
