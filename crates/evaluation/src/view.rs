//! What of a target's images is scored.

use loader::{MAPILLARY_CROP_SIDE, read_mapillary_crop};
use shard_format::{Dataset, Decoder, LabelMap, ReadError, RgbImage, Window};

use crate::scores::Protocol;

/// What of each image is scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// All of it, at its own size.
    #[default]
    Whole,
    /// The 1536x1536 pixels on which the released code scores Mapillary Vistas, its misplaced
    /// padding included.
    ReleasedMapillary,
}

impl View {
    /// Adds itself to the protocol that a report states; whole images go without saying.
    #[must_use]
    pub fn noted_in(self, protocol: Protocol) -> Protocol {
        let Self::ReleasedMapillary = self else { return protocol };
        let Protocol { name, description, mut parameters } = protocol;
        parameters.insert("view".to_owned(), "released-mapillary".into());
        let description = format!(
            "{description} Of each image, the {MAPILLARY_CROP_SIDE} x {MAPILLARY_CROP_SIDE} pixels \
             on which the released code scores Mapillary; padding counts as road there."
        );
        Protocol { name, description, parameters }
    }

    /// Image and labels of sample `index`.
    ///
    /// # Errors
    /// If the shard cannot be read.
    pub fn read(
        self,
        dataset: &Dataset,
        index: usize,
        decoder: &mut Decoder,
    ) -> Result<(RgbImage, LabelMap), ReadError> {
        match self {
            Self::Whole => {
                let sample = dataset.sample(index);
                let window = Window { x: 0, y: 0, width: sample.width, height: sample.height };
                let image = dataset.read_image(index, window, decoder)?;
                Ok((image, dataset.read_labels(index, window, decoder)?))
            }
            Self::ReleasedMapillary => {
                read_mapillary_crop(dataset, index, MAPILLARY_CROP_SIDE, decoder)
            }
        }
    }
}
