//! The four datasets' layouts on disk.
//!
//! A further layout is one more file here and one line in [`write_city`].

mod cityscapes;
mod gtav;
mod idd;
mod png_file;
mod synthia;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::city::{City, Frame, draw_frame};

/// How much of a city to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CityOptions {
    /// Frames are a function of the seed; one seed gives four unlike cities.
    pub seed: u64,
    /// Frames of the training split; these come first.
    pub train_frames: u32,
    /// Frames of the validation split.
    pub val_frames: u32,
    /// Columns of a frame.
    pub width: u32,
    /// Rows of a frame.
    pub height: u32,
}

/// Why a city could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// The target folder holds something already.
    #[error(
        "{}: found a folder that is not empty, expected an empty or new one; \
         hint: name another folder or empty this one",
        path.display()
    )]
    RootNotEmpty {
        /// The target folder.
        path: PathBuf,
    },
    /// A frame of this size cannot be drawn.
    #[error("frame size {width}x{height}, expected {MIN_SIDE} to {MAX_SIDE} pixels a side")]
    FrameSize {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
    },
    /// A folder or file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A picture could not be encoded or written.
    #[error("{}: {source}", path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: png::EncodingError,
    },
}

/// Least and most rows and columns of a frame.
const MIN_SIDE: u32 = 16;
const MAX_SIDE: u32 = 8192;

/// Which split a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Train,
    Val,
}

impl Split {
    fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// A frame's place in the dataset.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// In the whole city, from 0.
    index: u32,
    split: Split,
    /// In its split, from 0.
    in_split: u32,
}

/// Draws a city and writes it under `root` in the official layout of its dataset.
///
/// Frames are drawn in parallel; `on_frame` is called after each one. `root` is made if it is not
/// there. Layouts:
///
/// - GTAV: `images/00001.png`, `labels/00001.png` (8-bit palette, index = Cityscapes label id),
///   training frames first, then validation frames.
/// - SYNTHIA: `RGB/0000000.png`, `GT/LABELS/0000000.png` (16-bit RGB, class in red, number of the
///   thing in green), in the same order.
/// - IDD: `leftImg8bit/SPLIT/DRIVE/NNNNNN_leftImg8bit.png`,
///   `gtFine/SPLIT/DRIVE/NNNNNN_gtFine_polygons.json`.
/// - Cityscapes: `leftImg8bit/SPLIT/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png`,
///   `gtFine/SPLIT/CITY/CITY_SSSSSS_FFFFFF_gtFine_labelIds.png` (8-bit grey).
///
/// # Errors
/// [`CityError`] names the folder or file: a root that is not empty, a frame size out of bounds, or
/// whatever the file system refuses.
pub fn write_city(
    city: City,
    root: &Path,
    options: &CityOptions,
    on_frame: &(dyn Fn() + Sync),
) -> Result<(), CityError> {
    let CityOptions { width, height, .. } = *options;
    if [width, height].iter().any(|side| !(MIN_SIDE..=MAX_SIDE).contains(side)) {
        return Err(CityError::FrameSize { width, height });
    }
    prepare_root(root)?;
    let write = match city {
        City::Gtav => gtav::write,
        City::Synthia => synthia::write,
        City::Idd => idd::write,
        City::Cityscapes => cityscapes::write,
    };
    slots(options).into_par_iter().try_for_each(|slot| {
        let frame = draw_frame(city, options.seed, slot.index, width, height);
        write(root, slot, &frame)?;
        on_frame();
        Ok(())
    })
}

fn slots(options: &CityOptions) -> Vec<Slot> {
    let train = (0..options.train_frames).map(|place| (Split::Train, place));
    let val = (0..options.val_frames).map(|place| (Split::Val, place));
    train
        .chain(val)
        .zip(0..)
        .map(|((split, in_split), index)| Slot { index, split, in_split })
        .collect()
}

fn prepare_root(root: &Path) -> Result<(), CityError> {
    create_folder(root)?;
    let mut entries =
        fs::read_dir(root).map_err(|source| CityError::Io { path: root.to_path_buf(), source })?;
    if entries.next().is_some() {
        return Err(CityError::RootNotEmpty { path: root.to_path_buf() });
    }
    Ok(())
}

fn create_folder(path: &Path) -> Result<(), CityError> {
    fs::create_dir_all(path).map_err(|source| CityError::Io { path: path.to_path_buf(), source })
}

/// Writes the picture of a frame.
fn write_picture(path: &Path, frame: &Frame) -> Result<(), CityError> {
    png_file::write(path, frame, png_file::Samples::Rgb8(&frame.rgb))
}
