//! Loader batches to samples on the device.

use burn::tensor::Device;
use loader::{Batch, StreamBatch};
use models::image;
use models::labels::LabelBatch;

use crate::device_colours::DeviceColours;
use crate::objective::Samples;

/// How batches reach the device.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    /// Number of classes.
    pub classes: usize,
    /// The colours that the loader left to the device, if it did.
    pub colours: Option<DeviceColours>,
    /// The device.
    pub device: &'a Device,
}

impl Upload<'_> {
    /// The chosen streams of a batch as one batch on the device.
    #[must_use]
    pub fn samples(&self, batch: &Batch, streams: &[usize]) -> Samples {
        let parts: Vec<&StreamBatch> =
            streams.iter().map(|&stream| &batch.streams[stream]).collect();
        let (height, width) = (parts[0].height, parts[0].width);
        let levels = concatenated(parts.iter().map(|part| &part.images[..]));
        let labels = LabelBatch {
            batch: parts.iter().map(|part| part.batch).sum(),
            height,
            width,
            train_ids: concatenated(parts.iter().map(|part| &part.labels[..])),
        };
        let shape = [labels.batch, height, width];
        let image = match &self.colours {
            Some(colours) => {
                let draws: Vec<_> = parts.iter().flat_map(|part| colours.of(part)).collect();
                kernels::augment(&levels, shape, &draws, &image::value_tables(), self.device)
            }
            None => image::upload(&levels, shape, self.device),
        };
        Samples::new(image, labels, self.classes)
    }
}

fn concatenated<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    parts.collect::<Vec<_>>().concat()
}
