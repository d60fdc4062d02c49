//! One pair: read, decoded, checked and encoded.

use datasets::{MAX_PIXELS, Pair, SampleError, SkipKind, Tally};
use shard_format::{
    EncodedSample, LabelMap, Preset, RgbImage, SampleMeta, WriteError, encode_jpeg_sample,
    encode_sample,
};

use super::Prepared;
use super::findings::{PackedPair, PairHashes};
use super::fingerprint::PairBytes;
use super::pipeline::Jobs;
use crate::audit::SkippedSample;

/// Bytes of memory for each pixel of a pair under way: 3 for the image, and for a label of 16-bit
/// RGBA that is being decoded 8, 2 for its stored values and 1 for its train ids. Encoding comes
/// later and takes less: image, train ids, and a record of 4 that is there twice while its head is
/// put in front.
const BYTES_PER_PIXEL: u64 = 14;

/// A polygon file takes this many times its size while it is read.
const LABEL_FILE_FACTOR: u64 = 8;

/// Room for the compressors of a thread.
const COMPRESSOR_BYTES: u64 = 2 << 20;

/// A pair ready to be written.
pub(super) struct Encoded {
    pub(super) sample: EncodedSample,
    pub(super) counted: PackedPair,
}

/// Why a pair was not encoded.
pub(super) enum Failure {
    /// The pair is bad: it is left out.
    Skip(SkippedSample),
    /// The run cannot go on.
    Write(WriteError),
}

/// The pairs of a run as jobs; job n is pair n.
pub(super) struct PairJobs<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) pairs: &'a [Pair],
    pub(super) files: &'a [PairBytes],
    /// Told whenever a pair is done.
    pub(super) on_pair: &'a (dyn Fn() + Sync),
}

impl Jobs for PairJobs<'_> {
    type Output = Result<Encoded, Failure>;

    fn cost(&self, job: usize) -> u64 {
        let files = self.files[job];
        // A pair that is not measured counts as the largest: it may be decoded all the same.
        let size = self.prepared.manifest.measure(&self.pairs[job]);
        let pixels = size.map_or(MAX_PIXELS, |size| u64::from(size.width) * u64::from(size.height));
        let label = files.label.saturating_mul(LABEL_FILE_FACTOR);
        (pixels * BYTES_PER_PIXEL + COMPRESSOR_BYTES)
            .saturating_add(files.image)
            .saturating_add(label)
    }

    fn run(&self, job: usize) -> Self::Output {
        let encoded = encode(self.prepared, &self.pairs[job]);
        (self.on_pair)();
        encoded
    }

    fn held(output: &Self::Output) -> u64 {
        match output {
            Ok(encoded) => encoded.sample.stored_bytes(),
            Err(Failure::Skip(skip)) => skip.reason.len() as u64,
            Err(Failure::Write(_)) => 0,
        }
    }
}

fn encode(prepared: &Prepared, pair: &Pair) -> Result<Encoded, Failure> {
    let (manifest, options) = (&prepared.manifest, &prepared.options);
    let decoded =
        manifest.read_pair(pair).map_err(|error| Failure::Skip(skipped(prepared, pair, &error)))?;
    let mut tally = Tally::new(manifest.classes.len());
    tally.add(&decoded.train_ids);
    let meta = SampleMeta {
        id: pair.id.clone(),
        source: pair.image_relative.clone(),
        domain: prepared.domain().into(),
        label_source: pair.label_relative.clone(),
        image_blake3: blake3::hash(&decoded.image_file).into(),
        label_blake3: blake3::hash(&decoded.label_file).into(),
    };
    let (width, height) = (decoded.width, decoded.height);
    let labels = LabelMap { width, height, train_ids: decoded.train_ids };
    let sample = if options.preset == Preset::Jpeg && decoded.image_is_jpeg {
        // It is decoded once more.
        drop(decoded.rgb);
        encode_jpeg_sample(&meta, &decoded.image_file, &labels)
    } else {
        let image = RgbImage { width, height, pixels: decoded.rgb };
        encode_sample(&meta, &image, &labels, options.preset)
    };
    let counted = PackedPair {
        source: meta.source,
        hashes: PairHashes::of(&meta.image_blake3, &meta.label_blake3),
        tally,
        unknown_objects: decoded.unknown_objects,
    };
    Ok(Encoded { sample: sample.map_err(Failure::Write)?, counted })
}

fn skipped(prepared: &Prepared, pair: &Pair, error: &SampleError) -> SkippedSample {
    let reason = error.relative_to(&prepared.options.root);
    let path = pair.image_relative.clone();
    // The path stands before the reason already; that of the label does not.
    let reason = reason.strip_prefix(&format!("{path}: ")).map_or(reason.clone(), String::from);
    SkippedSample { path, kind: SkipKind::BadSample(error.kind()).name().into(), reason }
}

/// Memory for a run that was told nothing: 2 GiB, or a quarter of the machine's where that is less.
pub(super) fn default_memory_bytes() -> u64 {
    const MOST: u64 = 2 << 30;
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    machine_bytes(&text).map_or(MOST, |bytes| MOST.min(bytes / 4))
}

/// The machine's memory as Linux tells it.
fn machine_bytes(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_from_its_own_words() {
        let text = "MemTotal:       24683096 kB\nMemFree:        19 kB\n";
        assert_eq!(machine_bytes(text), Some(24_683_096 * 1024));
        assert_eq!(machine_bytes(""), None);
        assert!((1..=2 << 30).contains(&default_memory_bytes()));
    }
}
