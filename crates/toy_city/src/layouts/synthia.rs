//! SYNTHIA-RAND-CITYSCAPES: class and thing number in one 16-bit RGB picture.

use std::path::Path;

use super::png_file::{self, Samples};
use super::{CityError, Slot, write_picture};
use crate::city::Frame;

pub(super) fn write(root: &Path, slot: Slot, frame: &Frame) -> Result<(), CityError> {
    let name = format!("{:07}.png", slot.index);
    write_picture(&root.join("RGB").join(&name), frame)?;
    let mut samples = Vec::with_capacity(6 * frame.label_ids.len());
    for (&class, &instance) in frame.label_ids.iter().zip(&frame.instances) {
        samples.extend(u16::from(class).to_be_bytes());
        samples.extend(instance.to_be_bytes());
        samples.extend([0, 0]);
    }
    png_file::write(&root.join("GT").join("LABELS").join(&name), frame, Samples::Rgb16(&samples))
}
