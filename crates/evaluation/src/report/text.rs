//! Text and numbers as HTML.

use crate::charts::run_colour;

/// What stands in for a value that is not there.
pub(super) const ABSENT: &str = "\u{2013}";

/// Replaces the characters that mean something in HTML text or attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A paragraph of plain text, or nothing.
pub(super) fn paragraph(class: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("<p class=\"{class}\">{}</p>", escape(text))
    }
}

/// A ratio in percent with one decimal.
pub(super) fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| ABSENT.to_owned(), |ratio| format!("{:.1}", ratio * 100.0))
}

/// The difference of two ratios in points, signed and coloured; `None` where one is not there.
pub(super) fn difference(of: Option<f64>, to: Option<f64>) -> Option<String> {
    let points = format!("{:.1}", (of? - to?) * 100.0);
    let (class, written) = match points.strip_prefix('-') {
        _ if points == "0.0" || points == "-0.0" => ("same", "\u{b1}0.0".to_owned()),
        Some(size) => ("down", format!("\u{2212}{size}")),
        None => ("up", format!("+{points}")),
    };
    Some(format!("<span class=\"{class}\">{written}</span>"))
}

/// A small square of a colour.
pub(super) fn swatch([red, green, blue]: [u8; 3]) -> String {
    format!("<i class=\"swatch\" style=\"background:#{red:02x}{green:02x}{blue:02x}\"></i>")
}

/// The name of a run behind its colour.
pub(super) fn run_label(index: usize, name: &str) -> String {
    format!("{}{}", swatch(run_colour(index)), escape(name))
}

/// A whole number with its thousands set apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}'); // narrow space that does not break
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_is_escaped() {
        assert_eq!(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }

    #[test]
    fn differences_are_signed_and_zero_has_no_side() {
        let shown = |of, to| difference(Some(of), Some(to)).unwrap();
        assert!(shown(0.314, 0.3).contains(">+1.4<"));
        assert!(shown(0.3, 0.314).contains(">\u{2212}1.4<"));
        assert!(shown(0.3, 0.3001).contains(">\u{b1}0.0<"));
        assert!(difference(None, Some(0.1)).is_none());
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
