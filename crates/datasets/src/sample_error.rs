//! What can go wrong with a single sample.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};

use crate::{MAX_PIXELS, MAX_SIDE};

/// One sample that cannot be used, with the file to blame.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The file could not be read.
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is neither PNG nor JPEG, or a label is not PNG.
    Format {
        /// The file.
        path: PathBuf,
        /// What its first bytes say.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The file is damaged.
    Undecodable {
        /// The file.
        path: PathBuf,
        /// The decoder's words.
        reason: String,
    },
    /// The picture is larger than any street scene.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// The file is larger than any picture or annotation of a street scene.
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// The most that is read, in bytes.
        most: u64,
    },
    /// The PNG's colour type or bit depth is not the one that the manifest's encoding has.
    PixelFormat {
        /// The file.
        path: PathBuf,
        /// Bit depth and colour type found.
        found: String,
        /// Those expected.
        expected: &'static str,
    },
    /// Image and label differ in size.
    SizeMismatch {
        /// The image.
        image: PathBuf,
        /// Its width and height.
        image_size: (u32, u32),
        /// The label.
        label: PathBuf,
        /// Its width and height.
        label_size: (u32, u32),
    },
    /// A label value that the manifest does not list.
    UnknownLabel {
        /// The label file.
        path: PathBuf,
        /// The id, or the colour as `(r, g, b)`.
        value: String,
        /// Column of the first such pixel.
        x: u32,
        /// Its row.
        y: u32,
        /// The ids that the manifest lists.
        expected: String,
    },
    /// Every pixel of the image is the same.
    Blank {
        /// The image.
        path: PathBuf,
        /// The colour of all its pixels.
        colour: [u8; 3],
    },
}

/// The kinds of [`SampleError`], for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SampleErrorKind {
    /// Cannot be read, not a picture, or damaged.
    Undecodable,
    /// Beyond the limits of sides, pixels or bytes.
    TooLarge,
    /// Wrong colour type or bit depth.
    PixelFormat,
    /// Image and label differ in size.
    SizeMismatch,
    /// A label value that the manifest does not list.
    UnknownLabel,
    /// Every pixel of the image is the same.
    Blank,
}

impl Display for SampleError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Shown { error: self, root: None }.fmt(f)
    }
}

impl SampleError {
    /// The message with every path under `root` shown relative to it; other paths stay as they are.
    pub fn relative_to(&self, root: &Path) -> String {
        Shown { error: self, root: Some(root) }.to_string()
    }

    /// The kind of this error.
    pub fn kind(&self) -> SampleErrorKind {
        match self {
            Self::Io { .. } | Self::Format { .. } | Self::Undecodable { .. } => {
                SampleErrorKind::Undecodable
            }
            Self::TooLarge { .. } | Self::FileTooLarge { .. } => SampleErrorKind::TooLarge,
            Self::PixelFormat { .. } => SampleErrorKind::PixelFormat,
            Self::SizeMismatch { .. } => SampleErrorKind::SizeMismatch,
            Self::UnknownLabel { .. } => SampleErrorKind::UnknownLabel,
            Self::Blank { .. } => SampleErrorKind::Blank,
        }
    }
}

/// An error whose paths are shown relative to `root`, where they lie under it.
struct Shown<'a> {
    error: &'a SampleError,
    root: Option<&'a Path>,
}

impl Shown<'_> {
    /// Components are compared, never text: a root `s` leaves `/data/s_1.png` alone.
    fn path<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        let below = self.root.and_then(|root| path.strip_prefix(root).ok());
        below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path).display()
    }
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.error {
            SampleError::Io { path, source } => {
                write!(f, "{}: cannot be read: {source}", self.path(path))
            }
            SampleError::Format { path, found, expected } => {
                write!(f, "{}: found {found}, expected {expected}", self.path(path))
            }
            SampleError::PixelFormat { path, found, expected } => {
                write!(f, "{}: found {found}, expected {expected}", self.path(path))
            }
            SampleError::Undecodable { path, reason } => {
                write!(f, "{}: cannot be decoded: {reason}", self.path(path))
            }
            SampleError::TooLarge { path, width, height } => write!(
                f,
                "{}: size {width}x{height}, expected at most {MAX_SIDE} a side and {MAX_PIXELS} \
                 pixels",
                self.path(path)
            ),
            SampleError::FileTooLarge { path, bytes, most } => write!(
                f,
                "{}: found {bytes} bytes, expected a file of at most {most}",
                self.path(path)
            ),
            SampleError::SizeMismatch { image, image_size, label, label_size } => write!(
                f,
                "{}: image is {}x{}, but its label {} is {}x{}, expected equal sizes",
                self.path(image),
                image_size.0,
                image_size.1,
                self.path(label),
                label_size.0,
                label_size.1
            ),
            SampleError::UnknownLabel { path, value, x, y, expected } => write!(
                f,
                "{}: unknown label {value} at pixel x={x}, y={y}, expected one of {expected}; \
                 hint: add it to `labels.ids` of the manifest, or check that this is the right \
                 kind of label file",
                self.path(path)
            ),
            SampleError::Blank { path, colour: [red, green, blue] } => write!(
                f,
                "{}: every pixel is ({red}, {green}, {blue}), expected a picture",
                self.path(path)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(folder: &str) -> SampleError {
        let folder = Path::new(folder);
        SampleError::SizeMismatch {
            image: folder.join("images/s/sets/1 train.png"),
            image_size: (2, 1),
            label: folder.join("train/1.png"),
            label_size: (1, 2),
        }
    }

    #[test]
    fn paths_are_shown_below_the_root_and_no_other_text_is_touched() {
        let below = "images/s/sets/1 train.png: image is 2x1, but its label train/1.png is 1x2, \
                     expected equal sizes";
        for root in ["s", "train", "a folder/with spaces", "/", "/data/images", "s/../s", "./s"] {
            assert_eq!(mismatch(root).relative_to(Path::new(root)), below, "{root}");
            let with_slash = format!("{root}/");
            assert_eq!(mismatch(root).relative_to(Path::new(&with_slash)), below, "{root}/");
        }
    }

    #[test]
    fn a_path_beside_the_root_stays_as_it_is() {
        let error = SampleError::Blank { path: "sets/s/a.png".into(), colour: [1, 2, 3] };
        for root in ["s", "set", "sets/s/a.png", "/sets"] {
            assert_eq!(error.relative_to(Path::new(root)), error.to_string(), "{root}");
        }
    }

    #[test]
    fn a_decoders_words_are_kept_even_where_they_name_the_root() {
        let reason = "s/chunks are missing";
        let error = SampleError::Undecodable { path: "s/a.png".into(), reason: reason.into() };
        let expected = "a.png: cannot be decoded: s/chunks are missing";
        assert_eq!(error.relative_to(Path::new("s")), expected);
    }
}
