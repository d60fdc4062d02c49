//! A contact sheet: pictures with their labels laid over them, and what the colours mean.

use std::io;
use std::path::{Path, PathBuf};

use palette::class_colours;
use shard_format::{LabelMap, ReadError, RgbImage};

use super::{page, sheet, thumbnail};
use crate::choice::UnknownSample;
use crate::summary::printable;

/// What a sheet shows.
#[derive(Debug, Clone)]
pub struct ContactSheet {
    /// What stands above the pictures.
    pub title: String,
    /// The pictures, row by row; each group begins a row.
    pub groups: Vec<Vec<Picture>>,
    /// What the colours mean.
    pub legend: Legend,
}

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Whether each image stands beside its overlay.
    pub side_by_side: bool,
    /// Share of the label's colour in the overlay, 0 to 1.
    pub opacity: f64,
    /// Width of one picture in pixels.
    pub width: u32,
    /// Pictures in a row.
    pub columns: u32,
    /// On a page the reader mixes label and image.
    is_page: bool,
}

/// One picture with its labels.
#[derive(Debug, Clone)]
pub struct Picture {
    /// As it can be shown.
    pub(super) caption: String,
    /// Columns and rows of the image itself.
    pub(super) size: (u32, u32),
    pub(super) image: RgbImage,
    pub(super) overlay: RgbImage,
}

/// What the colours mean.
#[derive(Debug, Clone)]
pub struct Legend {
    pub(super) classes: Vec<(String, [u8; 3])>,
    /// Whether some pixels count for nothing.
    pub(super) has_ignored: bool,
}

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The shards cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no such sample.
    #[error(transparent)]
    Unknown(#[from] UnknownSample),
    /// The file's name tells neither PNG nor HTML.
    #[error("{}: a file of unknown kind, expected a name that ends in .png or .html", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// The sheet would be too large for a picture.
    #[error(
        "{}: a sheet of {width}x{height} pixels, expected at most {} in all; \
         hint: fewer samples, a smaller --width, or a name that ends in .html",
        path.display(), sheet::MAX_PIXELS
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Look {
    /// Pictures of this width and so many in a row, labels half through, no plain image.
    #[must_use]
    pub fn new(width: u32, columns: u32) -> Self {
        Self { side_by_side: false, opacity: 0.5, width, columns, is_page: false }
    }

    /// The look for a file, by its ending.
    ///
    /// # Errors
    /// [`PreviewError::Kind`] if the name ends neither in `.png` nor in `.html`.
    pub fn for_file(&self, out: &Path) -> Result<Self, PreviewError> {
        let kind = out.extension().and_then(|end| end.to_str()).map(str::to_lowercase);
        let is_page = match kind.as_deref() {
            Some("png") => false,
            Some("html" | "htm") => true,
            _ => return Err(PreviewError::Kind { path: out.into() }),
        };
        Ok(Self { is_page, ..*self })
    }
}

impl Picture {
    /// An image and its labels, of one size; `colours` by train id.
    #[must_use]
    pub fn new(
        caption: &str,
        (image, labels): (&RgbImage, &LabelMap),
        colours: &[[u8; 3]],
        look: &Look,
    ) -> Self {
        let opacity = if look.is_page { 1.0 } else { look.opacity };
        let overlay = thumbnail::overlay(image, labels, colours, opacity);
        Self {
            caption: printable(caption),
            size: (image.width, image.height),
            image: thumbnail::fitted(image, look.width),
            overlay: thumbnail::fitted(&overlay, look.width),
        }
    }
}

impl Legend {
    /// The classes of the train ids that are present.
    #[must_use]
    pub fn new(names: &[String], is_present: impl Fn(usize) -> bool, has_ignored: bool) -> Self {
        let named = names.iter().map(|name| printable(name)).zip(class_colours(names)).enumerate();
        let classes = named.filter(|(id, _)| is_present(*id)).map(|(_, class)| class).collect();
        Self { classes, has_ignored }
    }
}

impl ContactSheet {
    /// Writes the sheet as a PNG, or as a page if `look` is that of an HTML file.
    ///
    /// # Errors
    /// It is too large for a picture, or the file cannot be written.
    pub fn write(&self, look: &Look, out: &Path) -> Result<(), PreviewError> {
        let bytes = if look.is_page {
            page::page(self, look).into_bytes()
        } else {
            let too_large =
                |(width, height)| PreviewError::TooLarge { path: out.into(), width, height };
            sheet::sheet(self, look).map_err(too_large)?.into_png()
        };
        whole_file::write(out, &bytes)
            .map_err(|source| PreviewError::Write { path: out.into(), source })
    }
}
