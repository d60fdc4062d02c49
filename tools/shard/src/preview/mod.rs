//! Draws contact sheets: pictures with their labels, for a look by eye.

mod contact_sheet;
mod page;
mod sheet;
mod thumbnail;

use std::path::Path;

use palette::class_colours;
use rayon::prelude::*;
use shard_format::{Dataset, Decoder, IGNORE_BIT, ReadError, Window};

use crate::choice::{drawn, places_of};
use crate::summary::printable;

pub use contact_sheet::{ContactSheet, Legend, Look, Picture, PreviewError};

/// Which samples to draw.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// So many, spread by chance.
    Drawn {
        /// How many.
        count: usize,
        /// Another number draws others.
        seed: u64,
    },
    /// The first so many.
    First(usize),
    /// These.
    Ids(Vec<String>),
}

/// Draws samples of `dataset`, which lies at `location`, into the file `out`, and returns how
/// many.
///
/// # Errors
/// See [`PreviewError`].
pub fn preview(
    dataset: &Dataset,
    location: &Path,
    (chosen, look): (&Chosen, &Look),
    out: &Path,
) -> Result<usize, PreviewError> {
    let look = look.for_file(out)?;
    let places = match chosen {
        Chosen::Drawn { count, seed } => drawn(dataset.len(), *count, *seed),
        Chosen::First(count) => (0..dataset.len().min(*count)).collect(),
        Chosen::Ids(ids) => places_of(dataset, location, ids)?,
    };
    let colours = class_colours(&dataset.index().dataset.class_names);
    let draw = |decoder: &mut Decoder, &index: &usize| {
        let info = dataset.sample(index);
        let window = Window::whole(info.width, info.height);
        let image = dataset.read_image(index, window, decoder)?;
        let labels = dataset.read_labels(index, window, decoder)?;
        Ok(Picture::new(&info.id, (&image, &labels), &colours, &look))
    };
    let pictures =
        places.par_iter().map_init(Decoder::new, draw).collect::<Result<Vec<_>, ReadError>>()?;
    let sheet = ContactSheet {
        title: title(dataset, places.len()),
        groups: vec![pictures],
        legend: legend(dataset, &places),
    };
    sheet.write(&look, out)?;
    Ok(places.len())
}

fn title(dataset: &Dataset, shown: usize) -> String {
    let info = &dataset.index().dataset;
    printable(&format!("{} ({}): {shown} of {} samples", info.name, info.split, dataset.len()))
}

/// The classes that occur in the samples at `places`.
fn legend(dataset: &Dataset, places: &[usize]) -> Legend {
    let tiles = places.iter().flat_map(|&index| dataset.class_presence(index));
    let present = tiles.fold(0, |all, tile| all | tile);
    let is_present = |train_id: usize| present & (1_u32 << train_id) != 0;
    Legend::new(&dataset.index().dataset.class_names, is_present, present & IGNORE_BIT != 0)
}
