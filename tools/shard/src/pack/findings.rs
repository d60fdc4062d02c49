//! What reading pairs gave, summed up: what the journal and the parts keep for the audit.

use std::collections::BTreeMap;

use datasets::{SkipKind, Tally};
use serde::{Deserialize, Serialize};
use shard_format::ShardEntry;

use super::journal::FinishedShard;
use crate::audit::SkippedSample;

/// What reading some of the pairs gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// Samples packed.
    pub(crate) packed: u64,
    /// Samples left out, in the listing's order.
    pub(crate) skipped: Vec<SkippedPair>,
    /// How often each train id occurs.
    pub(crate) classes: Vec<Count>,
    /// Pixels that count for nothing.
    pub(crate) ignored: Count,
    /// Packed samples of which no pixel counts.
    pub(crate) wholly_ignored: u64,
    /// Names of polygon objects that the manifest does not list, by the image's path.
    pub(crate) unknown_objects: BTreeMap<String, Vec<String>>,
}

/// A pair that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkippedPair {
    /// As the audit shows it.
    #[serde(flatten)]
    pub(crate) sample: SkippedSample,
    /// Of a duplicate: the hashes of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duplicate: Option<PairHashes>,
}

/// BLAKE3 hashes of a pair's files, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairHashes {
    pub(crate) image: String,
    pub(crate) label: String,
}

/// A packed image that others may be duplicates of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedImage {
    /// Its path below the dataset's folder.
    pub(crate) source: String,
    /// BLAKE3 of its label file, in hexadecimal.
    pub(crate) label_blake3: String,
}

/// Pixels and images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) pixels: u64,
    pub(crate) images: u64,
}

/// What is counted of a packed sample.
#[derive(Debug, Clone)]
pub(crate) struct PackedPair {
    /// The image's path below the dataset's folder.
    pub(crate) source: String,
    /// The hashes of its files.
    pub(crate) hashes: PairHashes,
    /// Its label's classes.
    pub(crate) tally: Tally,
    /// Names of polygon objects that the manifest does not list.
    pub(crate) unknown_objects: Vec<String>,
}

impl PairHashes {
    pub(crate) fn of(image: &[u8; 32], label: &[u8; 32]) -> Self {
        let [image, label] =
            [image, label].map(|hash| blake3::Hash::from_bytes(*hash).to_hex().to_string());
        Self { image, label }
    }
}

impl SkippedPair {
    /// An image whose file is that of `first`, byte for byte; the labels may differ.
    pub(crate) fn duplicate(source: &str, hashes: PairHashes, first: &PackedImage) -> Self {
        let labels = if hashes.label == first.label_blake3 { "are equal" } else { "differ" };
        let first = &first.source;
        let reason = format!("the same file as {first}, which is packed; their labels {labels}");
        let kind = SkipKind::Duplicate.name().into();
        let sample = SkippedSample { path: source.into(), kind, reason };
        Self { sample, duplicate: Some(hashes) }
    }
}

impl From<SkippedSample> for SkippedPair {
    fn from(sample: SkippedSample) -> Self {
        Self { sample, duplicate: None }
    }
}

impl Findings {
    /// Counts a packed sample.
    pub(crate) fn add(&mut self, pair: PackedPair) {
        self.packed += 1;
        self.wholly_ignored += u64::from(is_wholly_ignored(&pair.tally));
        self.classes.resize(pair.tally.classes.len(), Count::default());
        let counts = self.classes.iter_mut().zip(&pair.tally.classes);
        for (count, of_pair) in counts.chain([(&mut self.ignored, &pair.tally.ignored)]) {
            count.pixels += of_pair.pixels;
            count.images += of_pair.images;
        }
        if !pair.unknown_objects.is_empty() {
            self.unknown_objects.insert(pair.source, pair.unknown_objects);
        }
    }

    /// Takes back what [`add`](Self::add) counted.
    pub(crate) fn remove(&mut self, source: &str, tally: &Tally) {
        // The counts may come from an altered file: they must not fall below zero.
        self.packed = self.packed.saturating_sub(1);
        let wholly_ignored = u64::from(is_wholly_ignored(tally));
        self.wholly_ignored = self.wholly_ignored.saturating_sub(wholly_ignored);
        let counts = self.classes.iter_mut().zip(&tally.classes);
        for (count, of_pair) in counts.chain([(&mut self.ignored, &tally.ignored)]) {
            count.pixels = count.pixels.saturating_sub(of_pair.pixels);
            count.images = count.images.saturating_sub(of_pair.images);
        }
        self.unknown_objects.remove(source);
    }

    /// Adds what further pairs gave.
    pub(crate) fn merge(&mut self, later: Self) {
        self.packed += later.packed;
        self.wholly_ignored += later.wholly_ignored;
        self.skipped.extend(later.skipped);
        let classes = self.classes.len().max(later.classes.len());
        self.classes.resize(classes, Count::default());
        let counts = self.classes.iter_mut().zip(later.classes);
        for (count, of_later) in counts.chain([(&mut self.ignored, later.ignored)]) {
            count.pixels = count.pixels.saturating_add(of_later.pixels);
            count.images = count.images.saturating_add(of_later.images);
        }
        self.unknown_objects.extend(later.unknown_objects);
    }
}

fn is_wholly_ignored(tally: &Tally) -> bool {
    tally.classes.iter().all(|class| class.pixels == 0)
}

/// Keeps account of a run: what was found in all, and what since the last finished shard.
#[derive(Debug)]
pub(crate) struct Ledger {
    finished: Findings,
    since: Findings,
    /// Each packed image, by its hash.
    packed: BTreeMap<String, PackedImage>,
    /// Those since the last finished shard.
    packed_since: BTreeMap<String, PackedImage>,
}

impl Ledger {
    /// Goes on after these shards.
    pub(crate) fn after(shards: Vec<FinishedShard>) -> Self {
        let mut finished = Findings::default();
        let mut packed = BTreeMap::new();
        for shard in shards {
            finished.merge(shard.findings);
            packed.extend(shard.images);
        }
        Self { finished, since: Findings::default(), packed, packed_since: BTreeMap::new() }
    }

    /// The packed image with this hash.
    pub(crate) fn packed_image(&self, blake3: &str) -> Option<&PackedImage> {
        self.packed.get(blake3)
    }

    pub(crate) fn skip(&mut self, skipped: SkippedPair) {
        self.since.skipped.push(skipped);
    }

    pub(crate) fn pack(&mut self, pair: PackedPair) {
        let PairHashes { image, label } = pair.hashes.clone();
        let packed = PackedImage { source: pair.source.clone(), label_blake3: label };
        self.packed.insert(image.clone(), packed.clone());
        self.packed_since.insert(image, packed);
        self.since.add(pair);
    }

    /// Samples left out so far.
    pub(crate) fn skips(&self) -> u64 {
        (self.finished.skipped.len() + self.since.skipped.len()) as u64
    }

    /// What the journal keeps of a shard that is finished after so many pairs.
    pub(crate) fn finish_shard(&mut self, shard: ShardEntry, pairs: u64) -> FinishedShard {
        let findings = std::mem::take(&mut self.since);
        self.finished.merge(findings.clone());
        let images = std::mem::take(&mut self.packed_since);
        FinishedShard { shard, pairs, images, findings }
    }

    /// What all pairs gave.
    pub(crate) fn total(mut self) -> Findings {
        self.finished.merge(self.since);
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, train_ids: &[u8], unknown: &[&str]) -> PackedPair {
        let mut tally = Tally::new(2);
        tally.add(train_ids);
        let unknown_objects = unknown.iter().map(|&name| name.into()).collect();
        PackedPair { source: source.into(), hashes: hashes(source), tally, unknown_objects }
    }

    fn hashes(image: &str) -> PairHashes {
        PairHashes { image: image.into(), label: "l".into() }
    }

    #[test]
    fn taking_a_sample_back_leaves_what_the_others_gave() {
        let (first, second) = (pair("a", &[0, 1, 1], &["x"]), pair("b", &[255, 255], &["x", "y"]));
        let mut one = Findings::default();
        one.add(first.clone());
        let mut both = one.clone();
        both.add(second.clone());
        assert_eq!((both.packed, both.wholly_ignored), (2, 1));
        assert_eq!(both.ignored, Count { pixels: 2, images: 1 });
        both.remove("b", &second.tally);
        assert_eq!(both, one);
    }

    #[test]
    fn a_ledger_that_goes_on_from_its_shards_gives_the_same_total() {
        let shard = ShardEntry { file: "s".into(), bytes: 1, blake3: "b".into(), samples: 1 };
        let mut ledger = Ledger::after(Vec::new());
        ledger.pack(pair("a", &[0], &["x"]));
        let first = PackedImage { source: "a".into(), label_blake3: "l".into() };
        ledger.skip(SkippedPair::duplicate("b", hashes("a"), &first));
        let finished = ledger.finish_shard(shard, 2);
        ledger.pack(pair("c", &[1, 255], &[]));
        let mut resumed = Ledger::after(vec![finished]);
        assert_eq!(resumed.packed_image("a"), Some(&first));
        assert_eq!((resumed.packed_image("c"), resumed.skips()), (None, 1));
        resumed.pack(pair("c", &[1, 255], &[]));
        assert_eq!(resumed.total(), ledger.total());
    }
}
