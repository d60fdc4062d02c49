//! Reads one image and its label.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::id_table::IdTable;
use crate::image_file;
use crate::label_file;
use crate::polygons;
use crate::{Manifest, Pair, SampleError};

/// Bytes that hold the header of nearly every image; where they do not, the whole file is read.
const HEADER_BYTES: u64 = 64 << 10;

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

/// What an image's header tells about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Size of the image file in bytes.
    pub image_bytes: u64,
    /// Whether the image file is a JPEG, by content.
    pub image_is_jpeg: bool,
}

impl Manifest {
    /// The size of a pair from the header of its image; nothing is decoded.
    ///
    /// # Errors
    /// The image cannot be read, is no PNG or JPEG, or is beyond the size limits.
    pub fn measure(&self, pair: &Pair) -> Result<PairSize, SampleError> {
        let path = pair.image.as_path();
        let unreadable = |source| SampleError::Io { path: path.into(), source };
        let open = || -> io::Result<(File, u64)> {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (mut file, image_bytes) = open().map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.by_ref().take(HEADER_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        let mut size = image_file::size(path, &bytes);
        if size.is_err() && image_bytes > HEADER_BYTES {
            // Cameras and editors may put pictures and profiles before a JPEG's frame header.
            file.read_to_end(&mut bytes).map_err(unreadable)?;
            size = image_file::size(path, &bytes);
        }
        let (width, height, image_is_jpeg) = size?;
        Ok(PairSize { width, height, image_bytes, image_is_jpeg })
    }

    /// Decodes a pair and maps its label to train ids.
    ///
    /// # Errors
    /// A file cannot be read or decoded, is not of the manifest's kind, has a label value that the
    /// manifest does not list, image and label differ in size, or the image is blank.
    pub fn read_pair(&self, pair: &Pair) -> Result<Decoded, SampleError> {
        let image_file = read(&pair.image)?;
        let image = image_file::decode_image(&pair.image, &image_file)?;
        let label_file = read(&pair.label)?;
        let (label_size, train_ids, unknown_objects) = match &self.table {
            IdTable::Names(names) => {
                let painted = polygons::paint(&pair.label, &label_file, names)?;
                let canvas = painted.canvas;
                ((canvas.width, canvas.height), canvas.values, painted.unknown_objects)
            }
            table => {
                let labels = label_file::decode(&pair.label, &label_file, self.encoding, table)?;
                ((labels.width, labels.height), labels.train_ids, Vec::new())
            }
        };
        let (width, height) = (image.width, image.height);
        if label_size != (width, height) {
            return Err(SampleError::SizeMismatch {
                image: pair.image.clone(),
                image_size: (width, height),
                label: pair.label.clone(),
                label_size,
            });
        }
        if let Some(colour) = only_colour(&image.pixels) {
            return Err(SampleError::Blank { path: pair.image.clone(), colour });
        }
        let image_is_jpeg = image_file.starts_with(jpeg_image::SIGNATURE);
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
}

/// The colour of all pixels, where they have but one; a single pixel is no sign of a blank image.
fn only_colour(rgb: &[u8]) -> Option<[u8; 3]> {
    let first = [*rgb.first()?, *rgb.get(1)?, *rgb.get(2)?];
    let is_blank = rgb.len() > 3 && rgb.chunks_exact(3).all(|pixel| pixel == first);
    is_blank.then_some(first)
}

fn read(path: &Path) -> Result<Vec<u8>, SampleError> {
    std::fs::read(path).map_err(|source| SampleError::Io { path: path.into(), source })
}
