//! PNG files in memory.

use png::{BitDepth, ColorType};
use shard_format::{LabelMap, RgbImage};

/// An RGB picture as a PNG file.
pub(crate) fn rgb(image: &RgbImage) -> Vec<u8> {
    encoded((image.width, image.height), ColorType::Rgb, &image.pixels)
}

/// A label map as a PNG file of 8-bit grey.
pub(crate) fn grey(labels: &LabelMap) -> Vec<u8> {
    encoded((labels.width, labels.height), ColorType::Grayscale, &labels.train_ids)
}

fn encoded((width, height): (u32, u32), color: ColorType, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(samples)?;
        writer.finish()
    });
    written.expect("a buffer of the picture's size is written to memory");
    bytes
}
