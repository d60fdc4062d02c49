//! Parts of a split that are packed on their own, and the file that tells `shard merge` of them.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Serialize};

use super::findings::Findings;
use super::fingerprint::Fingerprint;
use crate::audit::Audit;
use crate::json_file::{self, FileError};

/// Name of the file in the folder of a part that `shard merge` reads.
pub const PART_FILE: &str = "part.json";

/// One of several equal parts of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which one, from 1.
    pub number: u32,
    /// How many there are.
    pub count: u32,
}

impl Part {
    /// The pairs of this part, of so many pairs in all: contiguous, and none, one or more.
    pub(crate) fn range(self, pairs: usize) -> Range<usize> {
        // In 128 bits no product overflows, and a share of `pairs` fits its type.
        let end_of = |number: u32| {
            (pairs as u128 * u128::from(number) / u128::from(self.count.max(1))) as usize
        };
        end_of(self.number.saturating_sub(1))..end_of(self.number)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').map(|(number, count)| (number.parse(), count.parse()));
        match numbers {
            Some((Ok(number), Ok(count))) if (1..=count).contains(&number) => {
                Ok(Self { number, count })
            }
            _ => Err("expected I/N with I from 1 to N, such as 2/4".into()),
        }
    }
}

/// The content of `part.json`: what `shard merge` must know and the shards do not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartFacts {
    /// Which part.
    pub(crate) part: Part,
    /// What was packed and how; equal in all parts but for the part.
    pub(crate) fingerprint: Fingerprint,
    /// Share of samples that may be left out.
    pub(crate) max_skipped: f64,
    /// The audit of the whole split before any pair was read.
    pub(crate) listed: Audit,
    /// What reading this part's pairs gave.
    pub(crate) findings: Findings,
}

impl PartFacts {
    pub(crate) fn write(&self, dir: &Path) -> Result<(), FileError> {
        json_file::write_json(&dir.join(PART_FILE), self)
    }

    pub(crate) fn load(dir: &Path) -> Result<Self, FileError> {
        let path = dir.join(PART_FILE);
        let facts: Self = json_file::read_json(&path)?;
        let Part { number, count } = facts.part;
        if !(1..=count).contains(&number) {
            let source = serde_json::Error::custom(format!("part {}", facts.part));
            return Err(FileError::Syntax { path, source });
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_pair_once_and_in_order() {
        for pairs in [0, 1, 6, 7, 8, 1000] {
            for count in [1, 2, 3, 7, 1001, u32::MAX / 2] {
                let mut end = 0;
                for number in (1..=count).take(2000) {
                    let range = Part { number, count }.range(pairs);
                    assert_eq!(range.start, end);
                    end = range.end;
                }
                assert_eq!(Part { number: count, count }.range(pairs).end, pairs);
            }
        }
    }

    #[test]
    fn parts_count_from_one() {
        assert_eq!("2/4".parse(), Ok(Part { number: 2, count: 4 }));
        for text in ["0/4", "5/4", "1", "1/", "-1/2", "1/2/3"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}
