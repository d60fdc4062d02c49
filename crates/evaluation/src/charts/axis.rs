//! A chart's axis: where its marks are, and how numbers are written on it.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// A linear axis, ascending or descending, with marks of our choice.
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    pub(super) marks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let span = self.range.end - self.range.start;
        let place = if span != 0.0 { (value - self.range.start) / span } else { 0.5 };
        start + (place * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.marks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Round numbers inside a range, about five of them.
///
/// With `log_scale` the range and the result are exponents of ten, and the marks are whole powers,
/// or 1, 2 and 5 times those where the range is short.
pub(super) fn marks(range: &Range<f64>, log_scale: bool) -> Vec<f64> {
    if !log_scale {
        return multiples_of(round_step(range), range);
    }
    let powers = multiples_of(round_step(range).max(1.0), range);
    if powers.len() >= 3 {
        return powers;
    }
    let first = range.start.floor() as i32;
    let last = range.end.ceil() as i32;
    let fine: Vec<f64> = (first..=last)
        .flat_map(|power| [1.0_f64, 2.0, 5.0].map(|digit| f64::from(power) + digit.log10()))
        .filter(|exponent| range.contains(exponent))
        .collect();
    if fine.len() >= 2 {
        return fine;
    }
    let values = 10_f64.powf(range.start)..10_f64.powf(range.end);
    multiples_of(round_step(&values), &values).into_iter().map(f64::log10).collect()
}

/// Writes a number in few characters, with up to four digits that count.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(0.00099..1e6).contains(&size) => {
            let text = format!("{value:.3e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{exponent}", without_trailing_zeros(digits))
        }
        size if size >= 1e4 && value % 100.0 == 0.0 => format!("{}k", value / 1000.0),
        size => {
            let decimals = (3.0 - size.log10().floor()).max(0.0) as usize;
            without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
        }
    }
}

fn without_trailing_zeros(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides the range into about five.
fn round_step(range: &Range<f64>) -> f64 {
    let rough = (range.end - range.start) / 5.0;
    if rough <= 0.0 || !rough.is_normal() {
        return 1.0;
    }
    let power = 10_f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * power >= rough * 0.99);
    digit.unwrap_or(10.0) * power
}

fn multiples_of(step: f64, range: &Range<f64>) -> Vec<f64> {
    let (first, last) = ((range.start / step).ceil(), (range.end / step).floor());
    // A step below the spacing of floats at this magnitude would give marks without end.
    if last - first > 100.0 {
        return vec![range.start, range.end];
    }
    // Division by the inverse of a small step keeps 0.3 from becoming 0.30000000000000004.
    let inverse = (1.0 / step).round();
    let multiple = |index: f64| if step < 1.0 { index / inverse } else { index * step };
    std::iter::successors(Some(first), |index| Some(index + 1.0))
        .take_while(|index| *index <= last)
        .map(multiple)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_inside_the_range() {
        assert_eq!(marks(&(0.0..1.3), false), [0.0, 0.5, 1.0]);
        assert_eq!(marks(&(0.0..1.0), false), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(marks(&(3.0..40.0), false), [10.0, 20.0, 30.0, 40.0]);
        assert_eq!(marks(&(7.0..7.0), false), [7.0]);
    }

    #[test]
    fn marks_of_a_logarithmic_axis_are_powers_of_ten_or_fractions_of_one() {
        assert_eq!(marks(&(-3.2..1.1), true), [-3.0, -2.0, -1.0, 0.0, 1.0]);
        let short = marks(&(-0.1..0.8), true);
        assert_eq!(
            short.iter().map(|axis| number(10_f64.powf(*axis))).collect::<Vec<_>>(),
            ["1", "2", "5"]
        );
        let shorter = marks(&(0.35..0.65), true); // 2.24 to 4.47
        assert!(shorter.len() >= 3 && shorter.iter().all(|axis| (0.35..0.65).contains(axis)));
    }

    #[test]
    fn a_range_too_narrow_for_marks_has_its_ends() {
        assert!(marks(&(1e17..1e17 + 64.0), false).len() <= 102);
    }

    #[test]
    fn numbers_are_short() {
        let written = [0.0, 0.25, 3.0, 100.0, -0.5].map(number);
        assert_eq!(written, ["0", "0.25", "3", "100", "-0.5"]);
        let large = [12_500.0, 20_000.0, 12_340.0, 2e6, 1.05e6].map(number);
        assert_eq!(large, ["12.5k", "20k", "12340", "2e6", "1.05e6"]);
        let small = [0.0025, 0.0015, 0.001, 0.00095, 1e-5].map(number);
        assert_eq!(small, ["0.0025", "0.0015", "0.001", "9.5e-4", "1e-5"]);
    }
}
