//! Loader batches to samples on the device.

use burn::tensor::Device;
use loader::{Batch, DomainBatch};
use models::image;
use models::labels::LabelBatch;

use crate::objective::Samples;

/// The chosen domains of a batch as one batch on the device.
#[must_use]
pub fn samples(batch: &Batch, domains: &[usize], classes: usize, device: &Device) -> Samples {
    let parts: Vec<&DomainBatch> = domains.iter().map(|&domain| &batch.domains[domain]).collect();
    let (height, width) = (parts[0].height, parts[0].width);
    let images: Vec<u8> = parts.iter().flat_map(|part| part.images.iter().copied()).collect();
    let labels = LabelBatch {
        batch: parts.iter().map(|part| part.batch).sum(),
        height,
        width,
        train_ids: parts.iter().flat_map(|part| part.labels.iter().copied()).collect(),
    };
    let image = image::upload(&images, [labels.batch, height, width], device);
    Samples::new(image, labels, classes)
}
