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
    /// Beyond the size limits.
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
            Self::TooLarge { .. } => SampleErrorKind::TooLarge,
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
