//! Counts how often each class occurs, from the label maps themselves.

mod chart;

use std::sync::atomic::{AtomicU64, Ordering};

use datasets::{ClassTally, Tally};
use rayon::prelude::*;
use serde::Serialize;
use shard_format::{Dataset, Decoder, IGNORE_ID, ReadError, Window};

use crate::summary::{printable, table};

pub use chart::chart;

/// How often each class of a dataset occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// The dataset's name.
    pub dataset: String,
    /// Its split.
    pub split: String,
    /// Name and version of the label mapping.
    pub mapping: String,
    /// Samples in the dataset.
    pub samples: u64,
    /// Pixels in all samples, ignored ones included.
    pub pixels: u64,
    /// One entry per train id, in order.
    pub classes: Vec<Frequency>,
    /// Pixels that count for nothing.
    pub ignored: Frequency,
}

/// How often one class occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frequency {
    /// The train id; 255 for pixels that count for nothing.
    pub train_id: u8,
    /// The class's name.
    pub name: String,
    /// Its pixels.
    pub pixels: u64,
    /// Share of all pixels, 0 to 1.
    pub pixel_share: f64,
    /// Images with at least one such pixel.
    pub images: u64,
    /// Share of all images, 0 to 1.
    pub image_share: f64,
}

/// Decodes every label map and counts; `progress` is told how many samples of how many are done,
/// from any thread.
///
/// # Errors
/// A label map cannot be read.
pub fn count(
    dataset: &Dataset,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Statistics, ReadError> {
    let done = AtomicU64::new(0);
    let total = dataset.len() as u64;
    let tally = (0..dataset.len())
        .into_par_iter()
        .map_init(Decoder::new, |decoder, index| {
            let tally = sample_tally(dataset, index, decoder);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            tally
        })
        .try_reduce(
            || blank_tally(dataset),
            |mut left, right| {
                left.merge(&right);
                Ok(left)
            },
        )?;
    Ok(Statistics::new(dataset, &tally))
}

/// The counts of one label map.
pub(crate) fn sample_tally(
    dataset: &Dataset,
    index: usize,
    decoder: &mut Decoder,
) -> Result<Tally, ReadError> {
    let info = dataset.sample(index);
    let labels = dataset.read_labels(index, Window::whole(info.width, info.height), decoder)?;
    let mut tally = blank_tally(dataset);
    tally.add(&labels.train_ids);
    Ok(tally)
}

/// Nothing counted yet, for the classes of `dataset`.
pub(crate) fn blank_tally(dataset: &Dataset) -> Tally {
    Tally::new(dataset.index().dataset.class_names.len())
}

impl Statistics {
    fn new(dataset: &Dataset, tally: &Tally) -> Self {
        let info = &dataset.index().dataset;
        let (samples, pixels) = (dataset.len() as u64, tally.total_pixels());
        let frequency = |train_id: u8, name: &str, class: &ClassTally| Frequency {
            train_id,
            name: name.into(),
            pixels: class.pixels,
            pixel_share: class.pixels as f64 / pixels as f64,
            images: class.images,
            image_share: class.images as f64 / samples as f64,
        };
        let named = (0_u8..).zip(&info.class_names).zip(&tally.classes);
        Self {
            dataset: info.name.clone(),
            split: info.split.clone(),
            mapping: info.mapping.clone(),
            samples,
            pixels,
            classes: named.map(|((id, name), class)| frequency(id, name, class)).collect(),
            ignored: frequency(IGNORE_ID, "ignored", &tally.ignored),
        }
    }
}

/// The counts as a table for a terminal.
pub fn shown(statistics: &Statistics) -> String {
    let percent = |share: f64| format!("{:.3} %", share * 100.0);
    let row = |frequency: &Frequency| {
        [
            frequency.train_id.to_string(),
            frequency.name.clone(),
            frequency.pixels.to_string(),
            percent(frequency.pixel_share),
            frequency.images.to_string(),
            percent(frequency.image_share),
        ]
    };
    let rows = statistics.classes.iter().chain([&statistics.ignored]).map(row).collect();
    let header = ["id", "class", "pixels", "of all pixels", "images", "of all images"];
    let Statistics { dataset, split, samples, pixels, .. } = statistics;
    let table = table(header, rows);
    let (dataset, split) = (printable(dataset), printable(split));
    format!("{table}\n{dataset} ({split}): {samples} samples, {pixels} pixels\n")
}
