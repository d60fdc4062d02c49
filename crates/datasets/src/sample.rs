//! Reads one image and its label.

use std::path::{Path, PathBuf};

use crate::id_table::IdTable;
use crate::image_file;
use crate::label_file;
use crate::polygons;
use crate::{Manifest, Pair, SampleError};

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
}

impl Manifest {
    /// Decodes a pair and maps its label to train ids.
    ///
    /// # Errors
    /// A file cannot be read or decoded, is not of the manifest's kind, has a label value that the
    /// manifest does not list, or image and label differ in size.
    pub fn read_pair(&self, pair: &Pair) -> Result<Decoded, SampleError> {
        let image = image_file::decode(&pair.image, &read(&pair.image)?)?;
        let bytes = read(&pair.label)?;
        let (label_size, train_ids, unknown_objects) = match &self.table {
            IdTable::Names(names) => {
                let painted = polygons::paint(&pair.label, &bytes, names)?;
                let canvas = painted.canvas;
                ((canvas.width, canvas.height), canvas.values, painted.unknown_objects)
            }
            table => {
                let labels = label_file::decode(&pair.label, &bytes, self.encoding, table)?;
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
        Ok(Decoded { width, height, rgb: image.pixels, train_ids, unknown_objects })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SampleError> {
    std::fs::read(path).map_err(|source| SampleError::Io { path: PathBuf::from(path), source })
}
