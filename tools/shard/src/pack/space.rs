//! Whether the disk has room for the shards, told before the first one is written.

use std::io;
use std::path::{Path, PathBuf};

use datasets::{Manifest, Pair};
use rayon::prelude::*;
use shard_format::Preset;

use crate::summary::bytes_shown;

/// Pairs that are measured.
const PAIRS_MEASURED: usize = 64;

// Sizes measured on street frames of 2048x1024 pixels: how many times smaller than plain pixels
// each way of storing them is, and the bytes of a label pixel.
const PNG_RATIO: f64 = 2.82;
const DEFAULT_RATIO: f64 = 3.20;
const FAST_RATIO: f64 = 2.97;
const LABEL_BYTES_PER_PIXEL: f64 = 11_600.0 / (2048.0 * 1024.0);

/// Datasets differ from the frames measured; this much more is asked for.
const MARGIN: f64 = 1.1;

/// Head, footer and padding of a sample, roughly.
const HEAD_BYTES: f64 = 2048.0;

/// How much room there is for the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// What the file system has free.
    FileSystem,
    /// So many bytes, where a quota says so.
    Quota(u64),
    /// Enough; nothing is measured.
    Unchecked,
}

/// The disk is too small.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// There is less room than the shards are likely to need.
    #[error(
        "{}: {} free, expected about {} for {samples} samples; hint: free some space, choose \
         another --out, or try all the same with --skip-space-check",
        dir.display(), bytes_shown(*free), bytes_shown(*needed)
    )]
    TooSmall {
        /// Folder for the shards.
        dir: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
        /// Samples still to be written.
        samples: u64,
    },
    /// The file system does not tell.
    #[error(
        "{}: cannot look at the free space: {source}; hint: --skip-space-check does not",
        dir.display()
    )]
    Io {
        /// Folder for the shards.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Space {
    /// Checks that there is room for `samples` samples that need so many bytes in all.
    pub(crate) fn check(
        self,
        dir: &Path,
        samples: usize,
        needed: impl FnOnce() -> u64,
    ) -> Result<(), SpaceError> {
        let free = match self {
            Self::FileSystem => {
                free_bytes(dir).map_err(|source| SpaceError::Io { dir: dir.into(), source })?
            }
            Self::Quota(bytes) => bytes,
            Self::Unchecked => return Ok(()),
        };
        let needed = needed();
        if needed <= free {
            return Ok(());
        }
        Err(SpaceError::TooSmall { dir: dir.into(), free, needed, samples: samples as u64 })
    }
}

/// Bytes that the shards of these pairs are likely to take, judged by some of them.
pub(crate) fn estimate(manifest: &Manifest, pairs: &[Pair], preset: Preset) -> u64 {
    let measured = pairs.len().min(PAIRS_MEASURED);
    let sizes: Vec<f64> = (0..measured)
        .into_par_iter()
        .filter_map(|index| {
            // Spread over all pairs: neighbours are alike.
            let size = manifest.measure(&pairs[index * pairs.len() / measured]).ok()?;
            let pixels = f64::from(size.width) * f64::from(size.height);
            let file = size.image_bytes as f64;
            Some(stored_bytes(pixels, (file, size.image_is_jpeg), preset))
        })
        .collect();
    // Pairs that cannot be measured are bad, and need no room.
    let mean = sizes.iter().sum::<f64>() / measured.max(1) as f64;
    (mean * pairs.len() as f64 * MARGIN) as u64
}

/// Bytes of one sample. A PNG shows how well its picture can be compressed; a JPEG does not.
fn stored_bytes(pixels: f64, (file, is_jpeg): (f64, bool), preset: Preset) -> f64 {
    let plain = pixels * 3.0;
    let packed = |ratio: f64| {
        let packed = if is_jpeg { plain / ratio } else { file * PNG_RATIO / ratio };
        packed.min(plain)
    };
    let image = match preset {
        Preset::Raw => plain,
        Preset::Jpeg if is_jpeg => file,
        Preset::Default | Preset::Jpeg => packed(DEFAULT_RATIO),
        Preset::Fast => packed(FAST_RATIO),
    };
    let label_pixel = if preset == Preset::Raw { 1.0 } else { LABEL_BYTES_PER_PIXEL };
    image + pixels * label_pixel + HEAD_BYTES
}

/// Bytes that this user may still write below `dir`, which need not exist yet.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let there = std::path::absolute(dir)?;
    let there = there.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let file_system = rustix::fs::statvfs(there)?;
    Ok(file_system.f_bavail.saturating_mul(file_system.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: f64 = 2048.0 * 1024.0;

    #[test]
    fn frames_like_those_measured_take_the_sizes_measured() {
        let png = (FRAME * 3.0 / PNG_RATIO, false);
        let megabytes = |preset| (stored_bytes(FRAME, png, preset) / 1e4).round() / 100.0;
        // loader measurements: 1.97 MB by default, 2.12 MB fast, 8.39 MB raw with its label.
        assert_eq!(megabytes(Preset::Default), 1.98);
        assert_eq!(megabytes(Preset::Fast), 2.13);
        assert_eq!(megabytes(Preset::Raw), 8.39);
        let jpeg = (450e3, true);
        assert_eq!((stored_bytes(FRAME, jpeg, Preset::Jpeg) / 1e3).round(), 464.0);
        assert!(stored_bytes(FRAME, jpeg, Preset::Default) > 1.9e6);
    }

    #[test]
    fn noise_is_not_expected_to_grow() {
        assert!(stored_bytes(100.0, (400.0, false), Preset::Fast) < 100.0 * 3.1 + HEAD_BYTES);
    }

    #[test]
    fn the_room_of_a_folder_that_does_not_exist_yet_is_that_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("not/yet")).unwrap() > 0);
    }

    #[test]
    fn too_little_room_is_told_with_what_is_needed() {
        let dir = Path::new("OUT");
        assert!(Space::Quota(5000).check(dir, 3, || 5000).is_ok());
        assert!(Space::Unchecked.check(dir, 3, || u64::MAX).is_ok());
        assert!(Space::FileSystem.check(dir, 3, || 1).is_ok());
        let error = Space::Quota(5000).check(dir, 3, || 50_000_000).unwrap_err();
        insta::assert_snapshot!(error, @"OUT: 4.9 KiB free, expected about 47.7 MiB for 3 samples; hint: free some space, choose another --out, or try all the same with --skip-space-check");
        assert!(Space::FileSystem.check(dir, 3, || u64::MAX).is_err());
    }
}
