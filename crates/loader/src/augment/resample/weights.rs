//! Which source pixels make up each resized pixel, and how much each of them weighs.

use super::horizontal::{Column, LANES};
use super::{HALF, PRECISION_BITS, levels_of};
use crate::augment::{Filter, Span};

/// The weights of the visible pixels of one axis.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    taps: Vec<Taps>,
    /// The fixed-point weights of all pixels, one pixel after the other.
    weights: Vec<i32>,
    /// The weights of one pixel before they are rounded.
    unrounded: Vec<f64>,
}

/// Where the weights of one resized pixel are and what they belong to.
#[derive(Debug, Clone, Copy)]
struct Taps {
    /// The first source pixel.
    source: u32,
    /// Its weight's place.
    start: u32,
    /// The number of source pixels, at least 1.
    count: u32,
}

impl Weights {
    /// Computes the weights of an axis; returns the source pixels that they need: first, end.
    ///
    /// Source: Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc`, without weights of zero at
    /// either end.
    pub(crate) fn aim(&mut self, span: &Span, filter: Filter) -> (u32, u32) {
        self.taps.clear();
        self.weights.clear();
        let (mut first, mut end) = (span.source, 0);
        for pixel in span.first..span.first + span.visible {
            let taps = self.push(pixel, span, filter);
            first = first.min(taps.source);
            end = end.max(taps.source + taps.count);
        }
        (first, end)
    }

    fn push(&mut self, pixel: u32, span: &Span, filter: Filter) -> Taps {
        let step = span.step();
        let stretch = step.max(1.0);
        let support = filter.support() * stretch;
        let centre = (f64::from(pixel) + 0.5) * step;
        let lowest = (centre - support + 0.5).max(0.0) as u32;
        let highest = ((centre + support + 0.5) as u32).min(span.source);
        let inverse = 1.0 / stretch;
        self.unrounded.clear();
        self.unrounded.extend(
            (lowest..highest)
                .map(|source| filter.weight((f64::from(source) - centre + 0.5) * inverse)),
        );
        let sum: f64 = self.unrounded.iter().sum();
        let start = self.weights.len();
        self.weights.extend(self.unrounded.iter().map(|&weight| fixed_point(weight / sum)));
        while self.weights.len() > start + 1 && self.weights[self.weights.len() - 1] == 0 {
            self.weights.pop();
        }
        let zeros = self.weights[start..self.weights.len() - 1].iter();
        let zeros = zeros.take_while(|&&weight| weight == 0).count();
        let taps = Taps {
            source: lowest + zeros as u32,
            start: (start + zeros) as u32,
            count: (self.weights.len() - start - zeros) as u32,
        };
        self.taps.push(taps);
        taps
    }

    /// Number of visible pixels.
    pub(crate) fn len(&self) -> usize {
        self.taps.len()
    }

    /// The first source pixel and the weights of visible pixel number `pixel`.
    #[inline(always)]
    pub(crate) fn of(&self, pixel: usize) -> (usize, &[i32]) {
        let Taps { source, start, count } = self.taps[pixel];
        (source as usize, &self.weights[start as usize..][..count as usize])
    }

    /// The first source pixel that visible pixel number `pixel` or any after it needs, if any does.
    pub(crate) fn needed_from(&self, pixel: usize) -> Option<usize> {
        self.taps[pixel..].iter().map(|taps| taps.source as usize).min()
    }

    /// The weighted columns of visible pixel number `pixel`; source columns are counted from `left`.
    #[inline(always)]
    pub(crate) fn column(&self, columns: &[Column], left: usize, pixel: usize) -> Column {
        let (source, weights) = self.of(pixel);
        let mut sums = [HALF; LANES];
        for (&weight, column) in weights.iter().zip(&columns[source - left..]) {
            for (sum, &value) in sums.iter_mut().zip(&column.0) {
                *sum += weight * i32::from(value);
            }
        }
        Column(levels_of(&sums))
    }

    /// Mirrors the order of the visible pixels.
    pub(crate) fn mirror(&mut self) {
        self.taps.reverse();
    }
}

impl Filter {
    /// Distance from the centre at which the weight vanishes, in pixels of the coarser grid.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// The weight at a distance from the centre.
    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// Rounds half away from zero.
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}
