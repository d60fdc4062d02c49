//! PNG files of the kinds that the datasets use.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::{CityError, create_folder};
use crate::city::Frame;

/// The samples of a file, row-major, and how it stores them.
pub(super) enum Samples<'a> {
    Rgb8(&'a [u8]),
    Gray8(&'a [u8]),
    Palette8 {
        indices: &'a [u8],
        palette: &'a [u8],
    },
    /// Two bytes a sample, the high byte first.
    Rgb16(&'a [u8]),
}

/// Writes a file of the frame's size, and the folders it needs.
pub(super) fn write(path: &Path, frame: &Frame, samples: Samples<'_>) -> Result<(), CityError> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let file =
        File::create(path).map_err(|source| CityError::Io { path: path.to_path_buf(), source })?;
    encode(file, frame, samples)
        .map_err(|source| CityError::Png { path: path.to_path_buf(), source })
}

fn encode(file: File, frame: &Frame, samples: Samples<'_>) -> Result<(), png::EncodingError> {
    use png::{BitDepth, ColorType};
    let mut encoder = png::Encoder::new(BufWriter::new(file), frame.width, frame.height);
    let (colour, depth, data) = match samples {
        Samples::Rgb8(data) => (ColorType::Rgb, BitDepth::Eight, data),
        Samples::Gray8(data) => (ColorType::Grayscale, BitDepth::Eight, data),
        Samples::Rgb16(data) => (ColorType::Rgb, BitDepth::Sixteen, data),
        Samples::Palette8 { indices, palette } => {
            encoder.set_palette(palette.to_vec());
            (ColorType::Indexed, BitDepth::Eight, indices)
        }
    };
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()
}
