//! The confusion matrix: every score of a segmentation is a function of its counts.

use serde::{Deserialize, Serialize};

/// Pixel counts by true class (rows) and predicted class (columns).
///
/// Counts of parts of a dataset add up to the counts of the whole, so parts may be counted anywhere
/// and merged in any order.
/// Source: `fast_hist` and `evaluate_eval` in utils/misc.py, with u64 counts where the reference
/// adds up in float32, which rounds above 2^24 pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>, // [classes * classes], row-major
}

impl ConfusionMatrix {
    /// Starts with no pixel counted.
    ///
    /// # Panics
    /// If `classes` is 0 or above 255: labels are bytes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        assert!((1..=255).contains(&classes), "{classes} classes, expected 1 to 255");
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one label map against one prediction of the same shape.
    ///
    /// A pixel whose truth is `ignore_id` or no class is left out.
    ///
    /// # Panics
    /// If the lengths differ, or a predicted id is no class: a model has no such output.
    pub fn add(&mut self, truth: &[u8], prediction: &[u8], ignore_id: u8) {
        assert_eq!(truth.len(), prediction.len(), "truth and prediction differ in pixel count");
        for (&truth_id, &predicted_id) in truth.iter().zip(prediction) {
            let (row, column) = (usize::from(truth_id), usize::from(predicted_id));
            assert!(column < self.classes, "predicted id {column}, expected < {}", self.classes);
            if truth_id != ignore_id && row < self.classes {
                self.counts[row * self.classes + column] += 1;
            }
        }
    }

    /// Adds the counts of another part of the data.
    ///
    /// # Panics
    /// If the matrices differ in their number of classes.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "matrices of different class counts");
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The pixels of class `truth` that were predicted as class `prediction`.
    ///
    /// # Panics
    /// If either is no class.
    #[must_use]
    pub fn count(&self, truth: usize, prediction: usize) -> u64 {
        assert!(truth < self.classes && prediction < self.classes, "no such class");
        self.counts[truth * self.classes + prediction]
    }

    /// All pixels counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Pixels whose truth is each class.
    #[must_use]
    pub fn truth_totals(&self) -> Vec<u64> {
        self.counts.chunks(self.classes).map(|row| row.iter().sum()).collect()
    }

    /// Pixels predicted as each class.
    #[must_use]
    pub fn prediction_totals(&self) -> Vec<u64> {
        (0..self.classes)
            .map(|column| (0..self.classes).map(|row| self.count(row, column)).sum())
            .collect()
    }

    /// Intersection over union of each class, 0 to 1; `None` for a class that is neither in the
    /// truth nor predicted.
    #[must_use]
    pub fn iou(&self) -> Vec<Option<f64>> {
        let (truths, predictions) = (self.truth_totals(), self.prediction_totals());
        (0..self.classes)
            .map(|class| {
                let intersection = self.count(class, class);
                ratio(intersection, truths[class] + predictions[class] - intersection)
            })
            .collect()
    }

    /// Mean IoU over the classes that have one; `None` when nothing was counted.
    #[must_use]
    pub fn miou(&self) -> Option<f64> {
        mean_of_present(&self.iou())
    }

    /// The share of pixels predicted right; `None` when nothing was counted.
    #[must_use]
    pub fn pixel_accuracy(&self) -> Option<f64> {
        ratio((0..self.classes).map(|class| self.count(class, class)).sum(), self.total())
    }

    /// The share of its pixels predicted right, averaged over the classes in the truth.
    #[must_use]
    pub fn mean_class_accuracy(&self) -> Option<f64> {
        let recalls: Vec<_> = self
            .truth_totals()
            .iter()
            .enumerate()
            .map(|(class, &pixels)| ratio(self.count(class, class), pixels))
            .collect();
        mean_of_present(&recalls)
    }

    /// IoU averaged over the classes in the truth, each weighted by its share of pixels.
    #[must_use]
    pub fn frequency_weighted_iou(&self) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let weighted = self.truth_totals().into_iter().zip(self.iou());
        Some(
            weighted.filter_map(|(pixels, iou)| Some(pixels as f64 * iou?)).sum::<f64>()
                / total as f64,
        )
    }
}

impl From<ConfusionMatrix> for Vec<Vec<u64>> {
    fn from(matrix: ConfusionMatrix) -> Self {
        matrix.counts.chunks(matrix.classes).map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for ConfusionMatrix {
    type Error = String;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, String> {
        let classes = rows.len();
        if !(1..=255).contains(&classes) {
            return Err(format!("confusion matrix of {classes} rows, expected 1 to 255"));
        }
        if let Some((index, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != classes) {
            let found = row.len();
            return Err(format!(
                "confusion matrix row {index} of {found} counts, expected {classes}"
            ));
        }
        let counts = rows.concat();
        // Twice the total bounds every sum formed above.
        let total = counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        if total.and_then(|total| total.checked_mul(2)).is_none() {
            return Err("confusion matrix counts add up to more than 2^63 pixels".to_owned());
        }
        Ok(Self { classes, counts })
    }
}

/// The mean over the entries that are there; `None` where there is none.
///
/// This is the `nanmean` of the reference.
#[must_use]
pub fn mean_of_present(values: &[Option<f64>]) -> Option<f64> {
    let (sum, present) = values
        .iter()
        .flatten()
        .fold((0.0, 0_u32), |(sum, present), value| (sum + value, present + 1));
    (present > 0).then(|| sum / f64::from(present))
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        n: usize,
        gt: Vec<Vec<u8>>,
        pred: Vec<Vec<u8>>,
        hist_rows_gt_cols_pred: Vec<Vec<u64>>,
        iou: Vec<Option<f64>>,
        miou_nanmean: f64,
        acc: f64,
        acc_cls: f64,
        fwavacc: f64,
    }

    // One rounding per operation and at most 5 terms a sum.
    const ROUNDING: f64 = 1e-15;

    fn close(found: Option<f64>, expected: Option<f64>) -> bool {
        match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() <= ROUNDING,
            (None, None) => true,
            _ => false,
        }
    }

    #[test]
    fn scores_equal_those_of_the_reference() {
        let golden = include_str!("../../../tests/goldens/miou_example.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        let mut matrix = ConfusionMatrix::new(golden.n);
        matrix.add(&golden.gt.concat(), &golden.pred.concat(), 255);
        assert_eq!(Vec::<Vec<u64>>::from(matrix.clone()), golden.hist_rows_gt_cols_pred);
        assert!(
            matrix
                .iou()
                .into_iter()
                .zip(golden.iou)
                .all(|(found, expected)| close(found, expected))
        );
        assert!(close(matrix.miou(), Some(golden.miou_nanmean)));
        assert!(close(matrix.pixel_accuracy(), Some(golden.acc)));
        assert!(close(matrix.mean_class_accuracy(), Some(golden.acc_cls)));
        assert!(close(matrix.frequency_weighted_iou(), Some(golden.fwavacc)));
    }

    #[test]
    fn a_class_neither_true_nor_predicted_has_no_iou_and_leaves_the_mean_alone() {
        let mut matrix = ConfusionMatrix::new(3);
        matrix.add(&[0, 0, 1, 1], &[0, 0, 1, 0], 255);
        assert_eq!(matrix.iou(), [Some(2.0 / 3.0), Some(0.5), None]);
        assert!(close(matrix.miou(), Some((2.0 / 3.0 + 0.5) / 2.0)));
    }

    #[test]
    fn a_class_only_predicted_has_iou_zero() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(&[0, 0], &[0, 1], 255);
        assert_eq!(matrix.iou(), [Some(0.5), Some(0.0)]);
        assert_eq!(matrix.mean_class_accuracy(), Some(0.5));
    }

    #[test]
    fn pixels_of_the_ignore_id_and_of_no_class_are_dropped() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(&[255, 7, 1, 0], &[0, 1, 1, 1], 0);
        assert_eq!(Vec::<Vec<u64>>::from(matrix), [[0, 0], [0, 1]]);
    }

    #[test]
    fn merged_parts_equal_the_whole() {
        let (truth, prediction) = ([0, 1, 2, 2, 1, 0, 255, 2], [0, 2, 2, 1, 1, 1, 0, 0]);
        let mut whole = ConfusionMatrix::new(3);
        whole.add(&truth, &prediction, 255);
        let mut parts = ConfusionMatrix::new(3);
        for (truth, prediction) in truth.chunks(3).zip(prediction.chunks(3)) {
            let mut part = ConfusionMatrix::new(3);
            part.add(truth, prediction, 255);
            parts.merge(&part);
        }
        assert_eq!(parts, whole);
    }

    #[test]
    fn nothing_counted_has_no_score() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(&[255], &[0], 255);
        assert_eq!((matrix.miou(), matrix.pixel_accuracy()), (None, None));
        assert_eq!((matrix.mean_class_accuracy(), matrix.frequency_weighted_iou()), (None, None));
    }

    #[test]
    #[should_panic(expected = "predicted id 2, expected < 2")]
    fn a_predicted_id_that_is_no_class_is_a_bug() {
        ConfusionMatrix::new(2).add(&[255], &[2], 255);
    }

    #[test]
    fn a_matrix_that_is_not_square_or_overflows_is_refused() {
        let read = serde_json::from_str::<ConfusionMatrix>;
        assert!(
            read("[[1, 2], [3]]")
                .unwrap_err()
                .to_string()
                .contains("row 1 of 1 counts, expected 2")
        );
        assert!(read("[]").unwrap_err().to_string().contains("0 rows"));
        assert!(
            read("[[18446744073709551615, 1], [0, 0]]").unwrap_err().to_string().contains("2^63")
        );
    }
}
