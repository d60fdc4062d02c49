//! Draws a contact sheet: samples with their labels, for a look by eye.

mod page;
mod sheet;
mod thumbnail;

use std::io;
use std::path::{Path, PathBuf};

use palette::class_colours;
use rayon::prelude::*;
use shard_format::{Dataset, Decoder, IGNORE_BIT, ReadError, RgbImage, Window};

use crate::choice::{UnknownSample, drawn, places_of};
use crate::summary::printable;

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

/// How to draw them.
#[derive(Debug, Clone)]
pub struct PreviewOptions {
    /// Which samples.
    pub chosen: Chosen,
    /// Whether each image stands beside its overlay.
    pub side_by_side: bool,
    /// Share of the label's colour in the overlay, 0 to 1.
    pub opacity: f64,
    /// Width of one picture in pixels.
    pub width: u32,
    /// Samples in a row.
    pub columns: u32,
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

/// Draws samples of `dataset`, which lies at `location`, into the file `out`, and returns how
/// many.
///
/// # Errors
/// See [`PreviewError`].
pub fn preview(
    dataset: &Dataset,
    location: &Path,
    options: &PreviewOptions,
    out: &Path,
) -> Result<usize, PreviewError> {
    let kind = out.extension().and_then(|end| end.to_str()).map(str::to_lowercase);
    let is_page = match kind.as_deref() {
        Some("png") => false,
        Some("html" | "htm") => true,
        _ => return Err(PreviewError::Kind { path: out.into() }),
    };
    let places = match &options.chosen {
        Chosen::Drawn { count, seed } => drawn(dataset.len(), *count, *seed),
        Chosen::First(count) => (0..dataset.len().min(*count)).collect(),
        Chosen::Ids(ids) => places_of(dataset, location, ids)?,
    };
    let legend = legend(dataset, &places);
    // On a page the reader mixes label and image.
    let opacity = if is_page { 1.0 } else { options.opacity };
    let draw = |decoder: &mut Decoder, &index: &usize| {
        picture(dataset, index, (options.width, opacity), decoder)
    };
    let pictures =
        places.par_iter().map_init(Decoder::new, draw).collect::<Result<Vec<_>, ReadError>>()?;
    let contents = Contents { title: title(dataset, places.len()), pictures, legend };
    let bytes = if is_page {
        page::page(&contents, options).into_bytes()
    } else {
        let too_large =
            |(width, height)| PreviewError::TooLarge { path: out.into(), width, height };
        sheet::sheet(&contents, options).map_err(too_large)?.into_png()
    };
    whole_file::write(out, &bytes)
        .map_err(|source| PreviewError::Write { path: out.into(), source })?;
    Ok(places.len())
}

/// What a sheet shows.
struct Contents {
    title: String,
    pictures: Vec<Picture>,
    legend: Legend,
}

/// One sample, drawn.
struct Picture {
    /// As it can be shown.
    id: String,
    /// Columns and rows of the sample itself.
    size: (u32, u32),
    image: RgbImage,
    overlay: RgbImage,
}

/// What the colours mean.
struct Legend {
    classes: Vec<(String, [u8; 3])>,
    /// Whether some pixels count for nothing.
    has_ignored: bool,
}

fn title(dataset: &Dataset, shown: usize) -> String {
    let info = &dataset.index().dataset;
    printable(&format!("{} ({}): {shown} of {} samples", info.name, info.split, dataset.len()))
}

/// The classes that occur in the samples at `places`.
fn legend(dataset: &Dataset, places: &[usize]) -> Legend {
    let tiles = places.iter().flat_map(|&index| dataset.class_presence(index));
    let present = tiles.fold(0, |all, tile| all | tile);
    let names = &dataset.index().dataset.class_names;
    let named = names.iter().map(|name| printable(name)).zip(class_colours(names)).enumerate();
    let classes = named.filter(|(id, _)| present & (1 << id) != 0).map(|(_, class)| class);
    Legend { classes: classes.collect(), has_ignored: present & IGNORE_BIT != 0 }
}

fn picture(
    dataset: &Dataset,
    index: usize,
    (edge, opacity): (u32, f64),
    decoder: &mut Decoder,
) -> Result<Picture, ReadError> {
    let info = dataset.sample(index);
    let window = Window::whole(info.width, info.height);
    let image = dataset.read_image(index, window, decoder)?;
    let labels = dataset.read_labels(index, window, decoder)?;
    let colours = class_colours(&dataset.index().dataset.class_names);
    let overlay = thumbnail::overlay(&image, &labels, &colours, opacity);
    Ok(Picture {
        id: printable(&info.id),
        size: (info.width, info.height),
        image: thumbnail::fitted(&image, edge),
        overlay: thumbnail::fitted(&overlay, edge),
    })
}
