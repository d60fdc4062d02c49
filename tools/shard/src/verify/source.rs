//! Compares samples with the files they were packed from.

use std::path::{Component, Path, PathBuf};

use datasets::{DatasetError, Manifest, Pair, Rgb, SampleError, built_in_names, decode_image};
use shard_format::{Dataset, Decoder, ReadError, SampleInfo, Window};

use super::{Finding, SourceFault};

/// The first format version that keeps the hashes of the source files.
const FIRST_WITH_HASHES: u32 = 2;

/// Where the source files are, and how their labels are read.
#[derive(Debug)]
pub struct Source {
    root: PathBuf,
    /// Without one, label files are hashed but not decoded.
    manifest: Option<Manifest>,
}

/// What the source files of a sample hold.
struct Files {
    image: Rgb,
    /// Without a manifest it is unknown what label values mean.
    train_ids: Option<Vec<u8>>,
}

/// Why a dataset cannot be compared with its sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] DatasetError),
    /// There is no such folder.
    #[error("{}: no such folder, expected the folder that was given to `shard pack --root`", root.display())]
    NoFolder {
        /// The folder.
        root: PathBuf,
    },
    /// The dataset was packed before hashes were kept.
    #[error(
        "{}: format version {version}, expected {FIRST_WITH_HASHES} or later, which keep the \
         hashes of the source files; hint: pack the dataset again",
        location.display()
    )]
    NoHashes {
        /// Folder or URL of the dataset.
        location: PathBuf,
        /// Its format version.
        version: u32,
    },
    /// The manifest maps labels in another way than the one the dataset was packed with.
    #[error(
        "{}: maps labels by {found}, expected {expected}, which the dataset was packed with; \
         hint: another --manifest or --reading",
        manifest.display()
    )]
    Mapping {
        /// The manifest.
        manifest: PathBuf,
        /// Its mapping.
        found: String,
        /// The dataset's mapping.
        expected: String,
    },
}

impl Source {
    /// The files in `root`. `manifest`, a file or a built-in name with or without a reading, tells
    /// how labels are decoded; without it, that is the built-in manifest of the dataset's name and
    /// mapping, if there is one.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn new(
        dataset: &Dataset,
        location: &Path,
        root: &Path,
        manifest: Option<(&Path, Option<&str>)>,
    ) -> Result<Self, SourceError> {
        let version = dataset.index().format_version;
        if version < FIRST_WITH_HASHES {
            return Err(SourceError::NoHashes { location: location.into(), version });
        }
        if !root.is_dir() {
            return Err(SourceError::NoFolder { root: root.into() });
        }
        let info = &dataset.index().dataset;
        let manifest = match manifest {
            Some((path, reading)) => Some(chosen(path, reading, &info.mapping)?),
            None => built_in(&info.name, &info.mapping)?,
        };
        Ok(Self { root: root.into(), manifest })
    }

    /// Whether label files are decoded and compared, too, and not hashed alone.
    pub fn compares_labels(&self) -> bool {
        self.manifest.is_some()
    }

    /// All differences between sample `index`, whose stored bytes are whole, and its files.
    pub(super) fn compare(
        &self,
        dataset: &Dataset,
        index: usize,
        decoder: &mut Decoder,
    ) -> Result<Vec<Finding>, ReadError> {
        let info = dataset.sample(index);
        let (image, label) = (self.root.join(&info.source), self.root.join(&info.label_source));
        let mut findings = Vec::new();
        let mut report = |path: &Path, fault: Option<SourceFault>| {
            let finding =
                |fault| Finding::Source { path: path.into(), sample: info.id.clone(), fault };
            findings.extend(fault.map(finding));
        };
        let faults = [
            hash_fault(&info.source, &image, &info.image_blake3),
            hash_fault(&info.label_source, &label, &info.label_blake3),
        ];
        let unreadable =
            faults.iter().flatten().any(|fault| !matches!(fault, SourceFault::Hash { .. }));
        let [image_fault, label_fault] = faults;
        report(&image, image_fault);
        report(&label, label_fault);
        if unreadable {
            return Ok(findings);
        }
        let decoded = match self.decode(info, &image, &label) {
            Ok(decoded) => decoded,
            Err(error) => {
                findings.push(Finding::Undecodable { sample: info.id.clone(), error });
                return Ok(findings);
            }
        };
        let (width, height) = (info.width, info.height);
        let found = (decoded.image.width, decoded.image.height);
        if found != (width, height) {
            report(&image, Some(SourceFault::Size { found, expected: (width, height) }));
            return Ok(findings);
        }
        let window = Window::whole(width, height);
        let stored = dataset.read_image(index, window, decoder)?;
        report(&image, difference(&decoded.image.pixels, &stored.pixels, 3, info));
        if let Some(train_ids) = decoded.train_ids {
            let stored = dataset.read_labels(index, window, decoder)?;
            report(&label, difference(&train_ids, &stored.train_ids, 1, info));
        }
        Ok(findings)
    }

    fn decode(&self, info: &SampleInfo, image: &Path, label: &Path) -> Result<Files, SampleError> {
        let Some(manifest) = &self.manifest else {
            let read = std::fs::read(image);
            let bytes =
                read.map_err(|source| SampleError::Io { path: image.to_owned(), source })?;
            return Ok(Files { image: decode_image(image, &bytes)?, train_ids: None });
        };
        let decoded = manifest.read_pair(&Pair {
            id: info.id.clone(),
            image: image.to_owned(),
            label: label.to_owned(),
            image_relative: info.source.clone(),
            label_relative: info.label_source.clone(),
        })?;
        let (width, height, pixels) = (decoded.width, decoded.height, decoded.rgb);
        let image = Rgb { width, height, pixels };
        Ok(Files { image, train_ids: Some(decoded.train_ids) })
    }
}

/// The manifest that the user named, in the reading that the user named or that has the mapping.
fn chosen(path: &Path, reading: Option<&str>, mapping: &str) -> Result<Manifest, SourceError> {
    let manifest = Manifest::resolve(path)?;
    let manifest = match reading {
        Some(reading) => manifest.with_reading(reading)?,
        None => with_mapping(&manifest, mapping)?.unwrap_or(manifest),
    };
    let found = manifest.mapping_name();
    if found != mapping {
        let (found, expected) = (found.into(), mapping.into());
        return Err(SourceError::Mapping { manifest: path.into(), found, expected });
    }
    Ok(manifest)
}

/// The built-in manifest of this name and mapping.
fn built_in(name: &str, mapping: &str) -> Result<Option<Manifest>, DatasetError> {
    for built_in in built_in_names() {
        let manifest = Manifest::built_in(built_in)?;
        if manifest.name == name
            && let Some(manifest) = with_mapping(&manifest, mapping)?
        {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}

/// The manifest in the reading that has this mapping.
fn with_mapping(manifest: &Manifest, mapping: &str) -> Result<Option<Manifest>, DatasetError> {
    if manifest.mapping_name() == mapping {
        return Ok(Some(manifest.clone()));
    }
    for reading in manifest.readings() {
        let manifest = manifest.with_reading(reading)?;
        if manifest.mapping_name() == mapping {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}

/// Hashes a file, whose path is `relative` in the shard, and compares with what was packed.
fn hash_fault(relative: &str, path: &Path, expected: &[u8; 32]) -> Option<SourceFault> {
    let mut components = Path::new(relative).components();
    if relative.is_empty() || !components.all(|part| matches!(part, Component::Normal(_))) {
        return Some(SourceFault::Outside);
    }
    let found = match std::fs::read(path) {
        Ok(bytes) => blake3::hash(&bytes),
        Err(error) => return Some(SourceFault::Unreadable(error)),
    };
    (found.as_bytes() != expected).then(|| SourceFault::Hash {
        found: found.to_hex().to_string(),
        expected: blake3::Hash::from_bytes(*expected).to_hex().to_string(),
    })
}

/// The first difference between two pictures of one size, with `channels` bytes per pixel.
fn difference(
    found: &[u8],
    expected: &[u8],
    channels: usize,
    info: &SampleInfo,
) -> Option<SourceFault> {
    if found == expected {
        return None;
    }
    let pairs = found.chunks_exact(channels).zip(expected.chunks_exact(channels));
    let mut differing = pairs.enumerate().filter(|(_, (found, expected))| found != expected);
    let (place, (found, expected)) = differing.next()?;
    let (place, width) = (place as u64, u64::from(info.width));
    Some(SourceFault::Pixels {
        differing: 1 + differing.count() as u64,
        pixels: width * u64::from(info.height),
        x: (place % width) as u32,
        y: (place / width) as u32,
        found: found.to_vec(),
        expected: expected.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_shard_that_leaves_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("data");
        std::fs::create_dir(&inside).unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "x").unwrap();
        let absolute = secret.to_str().unwrap();
        for relative in ["../secret", absolute, "a/../../secret", ""] {
            let fault = hash_fault(relative, &inside.join(relative), &[0; 32]);
            assert!(matches!(fault, Some(SourceFault::Outside)), "{relative}: {fault:?}");
        }
    }
}
