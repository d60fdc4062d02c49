//! Playing for Data: numbered pictures and palette labels in two flat folders.

use std::path::Path;

use super::png_file::{self, Samples};
use super::{CityError, Slot, write_picture};
use crate::city::Frame;
use crate::labels::cityscapes_palette;

pub(super) fn write(root: &Path, slot: Slot, frame: &Frame) -> Result<(), CityError> {
    let name = format!("{:05}.png", slot.index + 1);
    write_picture(&root.join("images").join(&name), frame)?;
    let palette = cityscapes_palette();
    let samples = Samples::Palette8 { indices: &frame.label_ids, palette: &palette };
    png_file::write(&root.join("labels").join(&name), frame, samples)
}
