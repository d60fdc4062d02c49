//! A categorical memory as data: norms, cosines of its slots, and what became of them.

mod table;

use serde::{Deserialize, Serialize};

pub use table::table;

/// The memory of a run or of a file of weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryReport {
    /// Where it is from.
    pub source: String,
    /// Name of each slot's class.
    pub classes: Vec<String>,
    /// Channels of a slot.
    pub channels: usize,
    /// L2 norm of each slot.
    pub norms: Vec<f64>,
    /// Cosine of every slot with every slot, `[K, K]`; none where one of them is zero.
    pub similarity: Vec<Vec<Option<f64>>>,
    /// Mean cosine of different slots.
    pub mean_similarity: Option<f64>,
    /// Mean positive cosine of different slots: the divergence loss of unit slots.
    pub divergence: Option<f64>,
    /// What became of it, which a file of weights does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryReport>,
}

/// What became of a memory over a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryReport {
    /// Steps taken.
    pub step: u64,
    /// In how many of them each slot was written.
    pub slot_writes: Vec<u64>,
    /// Cosine of each slot with its first value.
    pub cosine_with_first: Vec<Option<f64>>,
    /// The run's log.
    pub drift: Vec<MemoryLine>,
}

/// One line of a run's log, of the memory after a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLine {
    /// Steps taken, this one included.
    pub step: u64,
    /// Cosine of each slot with its first value; none where one of them is zero.
    pub cosine_with_first: Vec<Option<f64>>,
    /// Cosine of each slot with its value in the line before.
    pub cosine_with_last: Vec<Option<f64>>,
    /// In how many steps so far each slot was written.
    pub slot_writes: Vec<u64>,
}

/// Cosines are kept to a billionth: more than f32 slots know, and what JSON brings back exactly.
const DECIMALS: f64 = 1e9;

/// Cosine of two vectors, none where one of them is zero or not finite.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let norms = norm(a) * norm(b);
    let product: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let cosine = product / norms;
    cosine.is_finite().then(|| (cosine.clamp(-1.0, 1.0) * DECIMALS).round() / DECIMALS)
}

impl MemoryReport {
    /// Of `slots` `[K, C]`, one for each of the `classes`.
    ///
    /// # Panics
    /// If the slots are not as many vectors of the same length as there are classes.
    #[must_use]
    pub fn new(
        source: String,
        classes: Vec<String>,
        slots: &[f32],
        history: Option<HistoryReport>,
    ) -> Self {
        let channels = slots.len() / classes.len().max(1);
        assert_eq!(channels * classes.len(), slots.len(), "a slot for each class");
        let rows: Vec<&[f32]> = slots.chunks(channels.max(1)).collect();
        let similarity: Vec<Vec<_>> =
            rows.iter().map(|a| rows.iter().map(|b| cosine(a, b)).collect()).collect();
        let pairs = || different(&similarity).flatten();
        Self {
            source,
            norms: rows.iter().map(|row| norm(row)).collect(),
            mean_similarity: mean(pairs()),
            divergence: mean(pairs().map(|cosine| cosine.max(0.0))),
            classes,
            channels,
            similarity,
            history,
        }
    }

    /// The slot that is most like slot `class`, and their cosine.
    #[must_use]
    pub fn nearest(&self, class: usize) -> Option<(usize, f64)> {
        let others = self.similarity[class].iter().enumerate().filter(|(other, _)| *other != class);
        let known = others.filter_map(|(other, cosine)| Some((other, (*cosine)?)));
        known.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// The cosines of different slots.
fn different(similarity: &[Vec<Option<f64>>]) -> impl Iterator<Item = Option<f64>> {
    let rows = similarity.iter().enumerate();
    rows.flat_map(|(a, row)| {
        row.iter().enumerate().filter(move |(b, _)| a != *b).map(|(_, cosine)| *cosine)
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(slots: &[f32]) -> MemoryReport {
        let classes = ["road", "sky", "car"].map(str::to_owned).to_vec();
        MemoryReport::new("a test".to_owned(), classes, slots, None)
    }

    #[test]
    fn slots_are_compared_by_direction_and_a_zero_slot_with_none() {
        let report = report(&[3.0, 4.0, -4.0, 3.0, 0.0, 0.0]);
        assert_eq!(report.norms, [5.0, 5.0, 0.0]);
        assert_eq!(report.channels, 2);
        let expected =
            [[Some(1.0), Some(0.0), None], [Some(0.0), Some(1.0), None], [None, None, None]];
        assert_eq!(report.similarity, expected);
        assert_eq!(report.mean_similarity, Some(0.0));
        assert_eq!((report.nearest(0), report.nearest(2)), (Some((1, 0.0)), None));
    }

    #[test]
    fn the_divergence_counts_positive_cosines_alone_and_the_mean_all() {
        let report = report(&[1.0, 0.0, -1.0, 0.0, 0.6, 0.8]);
        // Of six ordered pairs: twice -1, twice 0.6 and twice -0.6.
        assert!((report.mean_similarity.unwrap() + 1.0 / 3.0).abs() < 1e-7);
        assert!((report.divergence.unwrap() - 0.2).abs() < 1e-7);
        assert_eq!(report.nearest(0).unwrap().0, 2);
    }

    #[test]
    fn what_is_no_number_has_no_cosine() {
        assert_eq!(cosine(&[f32::NAN, 1.0], &[1.0, 1.0]), None);
        assert_eq!(cosine(&[f32::INFINITY, 1.0], &[1.0, 1.0]), None);
        assert_eq!(cosine(&[1e-30], &[-1e-30]), Some(-1.0));
    }
}
