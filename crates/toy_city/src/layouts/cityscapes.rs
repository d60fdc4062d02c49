//! Cityscapes: a folder per city under each split, labels as 8-bit grey label ids.

use std::path::Path;

use super::png_file::{self, Samples};
use super::{CityError, Slot, Split, write_picture};
use crate::city::Frame;

/// Towns that are not in the real dataset, so that nobody takes one for the other.
const TRAIN_TOWNS: [&str; 3] = ["altmuster", "brunnfeld", "carlsau"];
const VAL_TOWNS: [&str; 2] = ["dorfstedt", "eichberg"];

/// The labelled frame of a snippet, as in the real dataset.
const SNIPPET_FRAME: u32 = 19;

pub(super) fn write(root: &Path, slot: Slot, frame: &Frame) -> Result<(), CityError> {
    let towns: &[&str] = match slot.split {
        Split::Train => &TRAIN_TOWNS,
        Split::Val => &VAL_TOWNS,
    };
    let (town, sequence) =
        (slot.in_split as usize % towns.len(), slot.in_split / towns.len() as u32);
    let town = towns[town];
    let stem = format!("{town}_{sequence:06}_{SNIPPET_FRAME:06}");
    let folder = |kind: &str| root.join(kind).join(slot.split.folder()).join(town);
    write_picture(&folder("leftImg8bit").join(format!("{stem}_leftImg8bit.png")), frame)?;
    let labels = folder("gtFine").join(format!("{stem}_gtFine_labelIds.png"));
    png_file::write(&labels, frame, Samples::Gray8(&frame.label_ids))
}
