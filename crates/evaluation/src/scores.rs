//! The scores of one run on its targets, as `eval.json` holds them.

mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::confusion::{ConfusionMatrix, mean_of_present};

pub use table::table;

/// The version of `eval.json` that this crate writes and reads.
pub const VERSION: u32 = 1;

// A score read back differs from the one its counts give by the parsing of a decimal alone.
const PARSING_TOLERANCE: f64 = 1e-12;

/// How images became predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// The name by which it is asked for.
    pub name: String,
    /// What it does, in one or two sentences.
    pub description: String,
    /// Every setting that the scores depend on.
    pub parameters: BTreeMap<String, serde_json::Value>,
}

/// The scores on one target: a dataset the model never saw, or a held-out split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetScore {
    /// The name of the target.
    pub name: String,
    /// The number of images evaluated.
    pub samples: u64,
    /// IoU of each class, 0 to 1; `None` for a class neither in the truth nor predicted.
    pub iou: Vec<Option<f64>>,
    /// The mean over the classes that have an IoU, 0 to 1.
    pub miou: Option<f64>,
    /// The share of pixels predicted right, 0 to 1.
    pub pixel_accuracy: Option<f64>,
    /// The pixel counts that all of the above follow from.
    pub confusion: ConfusionMatrix,
}

impl TargetScore {
    /// Derives the scores from the counts.
    #[must_use]
    pub fn new(name: impl Into<String>, samples: u64, confusion: ConfusionMatrix) -> Self {
        Self {
            name: name.into(),
            samples,
            iou: confusion.iou(),
            miou: confusion.miou(),
            pixel_accuracy: confusion.pixel_accuracy(),
            confusion,
        }
    }
}

/// The content of `eval.json`: one run, one protocol, all targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalScores {
    /// The version of the file's layout: [`VERSION`].
    pub version: u32,
    /// The name of the run evaluated.
    pub run: String,
    /// How images became predictions.
    pub protocol: Protocol,
    /// Class names by train id.
    pub classes: Vec<String>,
    /// The scores on each target.
    pub targets: Vec<TargetScore>,
    /// mIoU averaged over the targets, each of equal weight, 0 to 1.
    pub miou: Option<f64>,
}

impl EvalScores {
    /// Puts together the targets of a run and averages their mIoU.
    ///
    /// # Panics
    /// If a target's matrix has another number of classes than `classes` names.
    #[must_use]
    pub fn new(
        run: impl Into<String>,
        protocol: Protocol,
        classes: Vec<String>,
        targets: Vec<TargetScore>,
    ) -> Self {
        for target in &targets {
            assert_eq!(target.confusion.classes(), classes.len(), "class count of {}", target.name);
        }
        let miou = averaged_miou(&targets);
        Self { version: VERSION, run: run.into(), protocol, classes, targets, miou }
    }

    /// Reads an `eval.json` and checks that its scores follow from its counts.
    ///
    /// # Errors
    /// If the file cannot be read, is no `eval.json` of this version, or contradicts itself.
    pub fn read(path: &Path) -> Result<Self, ScoresError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ScoresError::Read { path: path.into(), source })?;
        let malformed = |error: serde_json::Error| ScoresError::Malformed {
            path: path.into(),
            detail: error.to_string(),
        };
        let Versioned { version } = serde_json::from_str(&text).map_err(malformed)?;
        if version != VERSION {
            return Err(ScoresError::Version { path: path.into(), found: version });
        }
        let read: Self = serde_json::from_str(&text).map_err(malformed)?;
        read.checked().map_err(|detail| ScoresError::Contradiction { path: path.into(), detail })
    }

    /// Writes an `eval.json`, as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ScoresError> {
        let failed = |source| ScoresError::Write { path: path.into(), source };
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        whole_file::write(path, &text).map_err(failed)
    }

    /// Returns the same scores derived anew from the counts, or what differs from them.
    fn checked(self) -> Result<Self, String> {
        for target in &self.targets {
            let (found, expected) = (target.confusion.classes(), self.classes.len());
            if found != expected {
                let name = &target.name;
                return Err(format!(
                    "target {name:?} has counts of {found} classes, expected {expected}"
                ));
            }
        }
        let targets = self.targets.iter();
        let targets =
            targets.map(|t| TargetScore::new(t.name.clone(), t.samples, t.confusion.clone()));
        let derived = Self::new(
            self.run.clone(),
            self.protocol.clone(),
            self.classes.clone(),
            targets.collect(),
        );
        for (read, derived) in self.targets.iter().zip(&derived.targets) {
            let same_iou = read.iou.len() == derived.iou.len()
                && read.iou.iter().zip(&derived.iou).all(|(read, derived)| same(*read, *derived));
            if !same_iou
                || !same(read.miou, derived.miou)
                || !same(read.pixel_accuracy, derived.pixel_accuracy)
            {
                return Err(format!(
                    "scores of target {:?} do not follow from its counts",
                    read.name
                ));
            }
        }
        if !same(self.miou, derived.miou) {
            return Err("the averaged mIoU is not the mean over the targets".to_owned());
        }
        Ok(derived)
    }
}

/// mIoU averaged over targets, each of equal weight, whatever its size.
#[must_use]
pub fn averaged_miou(targets: &[TargetScore]) -> Option<f64> {
    mean_of_present(&targets.iter().map(|target| target.miou).collect::<Vec<_>>())
}

/// Why scores could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoresError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file does not hold scores.
    #[error("{}: {detail}, expected the scores that `eval` writes", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found, with line and column.
        detail: String,
    },
    /// The file is of another version.
    #[error(
        "{}: version {found}, expected {VERSION}; hint: evaluate the run again with this version of `eval`",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file's scores and counts do not agree.
    #[error("{}: {detail}; hint: the file was altered, evaluate the run again", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What does not agree.
        detail: String,
    },
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn same(read: Option<f64>, derived: Option<f64>) -> bool {
    match (read, derived) {
        (Some(read), Some(derived)) => (read - derived).abs() <= PARSING_TOLERANCE,
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> EvalScores {
        let mut first = ConfusionMatrix::new(3);
        first.add(&[0, 0, 0, 1, 1], &[0, 0, 1, 1, 1], 255);
        let mut second = ConfusionMatrix::new(3);
        second.add(&[0, 2], &[1, 2], 255);
        let protocol = Protocol {
            name: "sliding".to_owned(),
            description: "windows".to_owned(),
            parameters: BTreeMap::from([
                ("window".to_owned(), 768.into()),
                ("flip".to_owned(), true.into()),
            ]),
        };
        let classes = ["road", "sidewalk", "building"].map(String::from).to_vec();
        let targets = vec![TargetScore::new("a", 2, first), TargetScore::new("b", 1, second)];
        EvalScores::new("run", protocol, classes, targets)
    }

    fn read_after(change: impl Fn(String) -> String) -> Result<EvalScores, ScoresError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eval.json");
        scores().write(&path).unwrap();
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
        EvalScores::read(&path)
    }

    #[test]
    fn scores_are_read_back_as_written() {
        assert_eq!(read_after(|text| text).unwrap(), scores());
    }

    #[test]
    fn targets_weigh_the_same_in_the_average_whatever_their_size() {
        // a: (2/3 + 2/3) / 2 = 2/3; b: (0 + 0 + 1) / 3.
        assert!((scores().miou.unwrap() - 0.5).abs() < 1e-15); // one rounding per operation
    }

    #[test]
    fn an_absent_class_is_null_in_the_file() {
        let json = serde_json::to_value(scores()).unwrap();
        assert!(json["targets"][0]["iou"][2].is_null());
        assert_eq!(json["targets"][0]["confusion"][0], serde_json::json!([2, 1, 0]));
    }

    #[test]
    fn altered_scores_are_refused() {
        let error = read_after(|text| text.replacen("0.8,", "0.9,", 1)).unwrap_err().to_string();
        assert!(error.contains("scores of target \"a\" do not follow"), "{error}");
    }

    #[test]
    fn another_version_is_named() {
        let error =
            read_after(|text| text.replacen("\"version\": 1", "\"version\": 9", 1)).unwrap_err();
        assert!(error.to_string().contains("version 9, expected 1"), "{error}");
    }

    #[test]
    fn a_cut_file_is_malformed_and_a_missing_one_named() {
        assert!(matches!(
            read_after(|text| text[..99].to_owned()),
            Err(ScoresError::Malformed { .. })
        ));
        let error = EvalScores::read(Path::new("no/such/eval.json")).unwrap_err();
        assert!(error.to_string().starts_with("no/such/eval.json: cannot be read"), "{error}");
    }

    #[test]
    fn classes_must_be_as_many_as_the_counts_have() {
        let error = read_after(|text| text.replacen("\"road\",", "", 1)).unwrap_err().to_string();
        assert!(error.contains("counts of 3 classes, expected 2"), "{error}");
    }
}
