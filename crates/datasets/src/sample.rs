//! Reads one image and its label.

use std::io::Read;

use crate::id_table::IdTable;
use crate::image_file::{self, MAX_HEADER_BYTES};
use crate::label_file;
use crate::polygons::Annotation;
use crate::source_file::{self, MAX_ANNOTATION_BYTES, MAX_PICTURE_BYTES, unreadable};
use crate::{Manifest, Pair, SampleError};

/// Bytes that hold the header of nearly every image; where they do not, more are read.
const HEADER_BYTES: usize = 64 << 10;

/// A pair, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// [height, width, 3], interleaved.
    pub rgb: Vec<u8>,
    /// [height, width]
    pub train_ids: Vec<u8>,
    /// Names of polygon objects that the manifest does not list and that were left out.
    pub unknown_objects: Vec<String>,
    /// The image file's bytes, as read.
    pub image_file: Vec<u8>,
    /// The label file's bytes, as read.
    pub label_file: Vec<u8>,
    /// Whether the image file is a JPEG, by content.
    pub image_is_jpeg: bool,
}

/// What an image's header and the sizes of the files tell about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Size of the image file in bytes.
    pub image_bytes: u64,
    /// Size of the label file in bytes.
    pub label_bytes: u64,
    /// Whether the image file is a JPEG, by content.
    pub image_is_jpeg: bool,
}

impl Manifest {
    /// The size of a pair from the header of its image; nothing is decoded.
    ///
    /// # Errors
    /// A file cannot be read or is too large, the image is no PNG or JPEG or does not tell its
    /// size among its first bytes, or it is beyond the size limits.
    pub fn measure(&self, pair: &Pair) -> Result<PairSize, SampleError> {
        let path = pair.image.as_path();
        let (mut file, image_bytes) = source_file::open(path, MAX_PICTURE_BYTES)?;
        let mut bytes = Vec::new();
        let mut read_up_to = |length: usize, bytes: &mut Vec<u8>| {
            let more = (length - bytes.len()) as u64;
            let read = file.by_ref().take(more).read_to_end(bytes);
            read.map_err(|source| unreadable(path, source))
        };
        read_up_to(HEADER_BYTES, &mut bytes)?;
        let mut size = image_file::size(path, &bytes);
        if matches!(size, Err(SampleError::Undecodable { .. })) && bytes.len() == HEADER_BYTES {
            read_up_to(MAX_HEADER_BYTES, &mut bytes)?;
            size = image_file::size(path, &bytes);
        }
        let (width, height, image_is_jpeg) = size?;
        let label_bytes = source_file::size(&pair.label, self.max_label_bytes())?;
        Ok(PairSize { width, height, image_bytes, label_bytes, image_is_jpeg })
    }

    /// Decodes a pair and maps its label to train ids.
    ///
    /// Nothing is decoded before both headers have told the same size.
    ///
    /// # Errors
    /// A file cannot be read or decoded, is too large, is not of the manifest's kind, has a label
    /// value that the manifest does not list, image and label differ in size, or the image is
    /// blank.
    pub fn read_pair(&self, pair: &Pair) -> Result<Decoded, SampleError> {
        let image_file = source_file::read(&pair.image, MAX_PICTURE_BYTES)?;
        let (width, height, image_is_jpeg) = image_file::size(&pair.image, &image_file)?;
        let label_file = source_file::read(&pair.label, self.max_label_bytes())?;
        let annotation = match &self.table {
            IdTable::Names(names) => Some((Annotation::parse(&pair.label, &label_file)?, names)),
            _ => None,
        };
        let label_size = match &annotation {
            Some((annotation, _)) => annotation.size(),
            None => label_file::size(&pair.label, &label_file)?,
        };
        if label_size != (width, height) {
            return Err(SampleError::SizeMismatch {
                image: pair.image.clone(),
                image_size: (width, height),
                label: pair.label.clone(),
                label_size,
            });
        }
        let image = image_file::decode_image(&pair.image, &image_file)?;
        let (train_ids, unknown_objects) = match annotation {
            Some((annotation, names)) => {
                let painted = annotation.paint(names);
                (painted.canvas.values, painted.unknown_objects)
            }
            None => {
                let (encoding, table) = (self.encoding, &self.table);
                (label_file::decode(&pair.label, &label_file, encoding, table)?, Vec::new())
            }
        };
        if let Some(colour) = only_colour(&image.pixels) {
            return Err(SampleError::Blank { path: pair.image.clone(), colour });
        }
        Ok(Decoded {
            width,
            height,
            rgb: image.pixels,
            train_ids,
            unknown_objects,
            image_file,
            label_file,
            image_is_jpeg,
        })
    }

    fn max_label_bytes(&self) -> u64 {
        match self.table {
            IdTable::Names(_) => MAX_ANNOTATION_BYTES,
            IdTable::Values(_) | IdTable::Colours(_) => MAX_PICTURE_BYTES,
        }
    }
}

/// The colour of all pixels, where they have but one; a single pixel is no sign of a blank image.
fn only_colour(rgb: &[u8]) -> Option<[u8; 3]> {
    let first = [*rgb.first()?, *rgb.get(1)?, *rgb.get(2)?];
    let is_blank = rgb.len() > 3 && rgb.chunks_exact(3).all(|pixel| pixel == first);
    is_blank.then_some(first)
}
