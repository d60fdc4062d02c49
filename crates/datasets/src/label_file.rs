//! Decodes a label PNG to train ids, reading ids exactly as they are stored.

use std::path::Path;

use png::{BitDepth, ColorType, Transformations};

use crate::id_table::{ColourTable, IdTable, ValueTable};
use crate::image_file::first_bytes;
use crate::png_file::{self, Samples, format_name};
use crate::{Encoding, SampleError};

/// Columns and rows from the header of a label PNG; `path` only names it in errors.
pub(crate) fn size(path: &Path, bytes: &[u8]) -> Result<(u32, u32), SampleError> {
    if !bytes.starts_with(png_file::SIGNATURE) {
        let (found, expected) = (first_bytes(bytes), "a PNG label");
        return Err(SampleError::Format { path: path.into(), found, expected });
    }
    let (width, height) = png_file::size(path, bytes)?;
    png_file::check_size(path, u64::from(width), u64::from(height))?;
    Ok((width, height))
}

/// Decodes the bytes of a label PNG to train ids, [height, width]; `path` only names it in errors.
pub(crate) fn decode(
    path: &Path,
    bytes: &[u8],
    encoding: Encoding,
    table: &IdTable,
) -> Result<Vec<u8>, SampleError> {
    let accept = |color, depth| match expected_format(encoding, color, depth) {
        None => Ok(()),
        Some(expected) => Err(SampleError::PixelFormat {
            path: path.into(),
            found: format_name(color, depth),
            expected,
        }),
    };
    // Identity: no palette expansion, no cutting of 16 bits, no gamma.
    let samples = png_file::decode(path, bytes, Transformations::IDENTITY, accept)?;
    match table {
        IdTable::Values(table) => map_values(path, table, samples.width, &stored_values(&samples)),
        IdTable::Colours(table) => map_colours(path, table, &samples),
        IdTable::Names(_) => Ok(Vec::new()),
    }
}

/// `None` where colour type and depth suit the encoding, else what would.
fn expected_format(encoding: Encoding, color: ColorType, depth: BitDepth) -> Option<&'static str> {
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let grey8 = color == Grayscale && depth == BitDepth::Eight;
    let (suits, expected) = match encoding {
        Encoding::Index => (grey8 || color == Indexed, "8-bit grey or palette"),
        Encoding::GreyId => (grey8, "8-bit grey"),
        Encoding::PaletteIndex => (color == Indexed, "palette"),
        Encoding::Rgb16Red => (
            depth == BitDepth::Sixteen && matches!(color, Rgb | Rgba | GrayscaleAlpha),
            "16-bit RGB with the id in the first sample",
        ),
        Encoding::GreyOrRed => (
            depth == BitDepth::Eight && matches!(color, Grayscale | Rgb | Rgba),
            "8-bit grey, or 8-bit RGB with the id in the first sample",
        ),
        Encoding::RgbColour => {
            (depth == BitDepth::Eight && matches!(color, Rgb | Rgba), "8-bit RGB")
        }
        Encoding::ShownColour => (
            color == Indexed || (depth == BitDepth::Eight && matches!(color, Rgb | Rgba)),
            "palette or 8-bit RGB",
        ),
        Encoding::Polygons => (false, "polygons in JSON"),
    };
    (!suits).then_some(expected)
}

/// The first sample of every pixel, as stored.
pub(crate) fn stored_values(samples: &Samples) -> Vec<u16> {
    let channels = samples.color.samples();
    let bits = samples.depth as usize;
    let width = samples.width as usize;
    match bits {
        16 => {
            let pixels = samples.bytes.chunks_exact(2 * channels);
            pixels.map(|pixel| u16::from_be_bytes([pixel[0], pixel[1]])).collect()
        }
        8 => samples.bytes.iter().step_by(channels).map(|&value| u16::from(value)).collect(),
        // Palettes of few colours are stored in 1, 2 or 4 bits, the leftmost pixel highest.
        _ => {
            let mask = (1_u16 << bits) - 1;
            let rows = samples.bytes.chunks_exact((width * bits).div_ceil(8));
            rows.flat_map(|row| {
                (0..width).map(move |x| {
                    let shift = 8 - bits - (x * bits) % 8;
                    (u16::from(row[x * bits / 8]) >> shift) & mask
                })
            })
            .collect()
        }
    }
}

fn map_values(
    path: &Path,
    table: &ValueTable,
    width: u32,
    values: &[u16],
) -> Result<Vec<u8>, SampleError> {
    let unknown = |position: usize| {
        let value = values[position].to_string();
        unknown_label(path, value, position, width, table.shown())
    };
    let mapped = values.iter().enumerate();
    mapped.map(|(at, &value)| table.train_id(value).ok_or_else(|| unknown(at))).collect()
}

fn map_colours(
    path: &Path,
    table: &ColourTable,
    samples: &Samples,
) -> Result<Vec<u8>, SampleError> {
    let unknown = |at: usize, value: String| {
        let expected = format!("the manifest's {} colours", table.len());
        unknown_label(path, value, at, samples.width, expected)
    };
    let shown = |[r, g, b]: [u8; 3]| format!("colour ({r}, {g}, {b})");
    if samples.color == ColorType::Indexed {
        let palette = samples.palette.as_deref().unwrap_or_default();
        let colours: Vec<[u8; 3]> =
            palette.chunks_exact(3).map(|colour| [colour[0], colour[1], colour[2]]).collect();
        // Each entry of the palette is looked up once, and only entries in use have to be known.
        let train_ids: Vec<Option<u8>> =
            colours.iter().map(|&colour| table.train_id(colour)).collect();
        let values = stored_values(samples).into_iter().enumerate();
        let mapped = values.map(|(at, value)| match train_ids.get(usize::from(value)) {
            Some(Some(train_id)) => Ok(*train_id),
            Some(None) => Err(unknown(at, shown(colours[usize::from(value)]))),
            None => Err(unknown(at, format!("{value} beyond its palette of {}", colours.len()))),
        });
        return mapped.collect();
    }
    let pixels = samples.bytes.chunks_exact(samples.color.samples());
    let mapped = pixels.enumerate().map(|(at, pixel)| {
        let colour = [pixel[0], pixel[1], pixel[2]];
        table.train_id(colour).ok_or_else(|| unknown(at, shown(colour)))
    });
    mapped.collect()
}

fn unknown_label(
    path: &Path,
    value: String,
    position: usize,
    width: u32,
    expected: String,
) -> SampleError {
    // Sides are at most 2^15, so both coordinates fit.
    let (x, y) = (position % width as usize, position / width as usize);
    SampleError::UnknownLabel { path: path.into(), value, x: x as u32, y: y as u32, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdEntry;
    use crate::id_table::{by_colour, by_value};

    fn png(width: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let rows = 2;
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, rows);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            // Colours far from the indices, so that an expansion would show.
            encoder.set_palette(vec![200; 12]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn values_table() -> IdTable {
        let entry = |id, train: &str| IdEntry {
            id: Some(id),
            colour: None,
            name: format!("n{id}"),
            train: train.into(),
        };
        let entries = [entry(0, "ignore"), entry(1, "a"), entry(2, "b"), entry(3, "c")];
        by_value(&entries, None, u16::MAX, &["a", "b", "c"].map(String::from)).unwrap()
    }

    fn ids(encoding: Encoding, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let labels = decode(Path::new("label.png"), bytes, encoding, &values_table());
        labels.map_err(|error| error.to_string())
    }

    #[test]
    fn palette_indices_are_kept_at_every_bit_depth() {
        let color = ColorType::Indexed;
        let expected = vec![0, 1, 2, 2, 1, 0]; // train ids of the indices 1 2 3, 3 2 1
        let eight = png(3, color, BitDepth::Eight, &[1, 2, 3, 3, 2, 1]);
        let four = png(3, color, BitDepth::Four, &[0x12, 0x30, 0x32, 0x10]);
        let two = png(3, color, BitDepth::Two, &[0b0110_1100, 0b1110_0100]);
        for bytes in [eight, four, two] {
            assert_eq!(ids(Encoding::PaletteIndex, &bytes).unwrap(), expected);
            assert_eq!(ids(Encoding::Index, &bytes).unwrap(), expected);
        }
    }

    #[test]
    fn sixteen_bit_ids_come_from_the_low_byte_of_the_first_sample() {
        let pixel = |id: u8| [0, id, 7, 7, 9, 9];
        let data: Vec<u8> = [1, 2, 3, 0].into_iter().flat_map(pixel).collect();
        let bytes = png(2, ColorType::Rgb, BitDepth::Sixteen, &data);
        assert_eq!(ids(Encoding::Rgb16Red, &bytes).unwrap(), [0, 1, 2, 255]);
    }

    #[test]
    fn an_unknown_id_is_reported_with_file_value_and_pixel() {
        let bytes = png(3, ColorType::Grayscale, BitDepth::Eight, &[1, 2, 3, 3, 77, 1]);
        assert_eq!(
            ids(Encoding::GreyId, &bytes).unwrap_err(),
            "label.png: unknown label 77 at pixel x=1, y=1, expected one of 0..3; hint: add it to \
             `labels.ids` of the manifest, or check that this is the right kind of label file"
        );
    }

    #[test]
    fn a_label_of_another_kind_is_refused_by_colour_type_and_depth() {
        let rgb = png(1, ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 1, 2, 3]);
        let palette = png(1, ColorType::Indexed, BitDepth::Eight, &[1, 2]);
        let grey = png(1, ColorType::Grayscale, BitDepth::Eight, &[1, 2]);
        for (encoding, bytes, message) in [
            (Encoding::Index, &rgb, "label.png: found 8-bit RGB, expected 8-bit grey or palette"),
            (Encoding::GreyId, &palette, "label.png: found 8-bit palette, expected 8-bit grey"),
            (Encoding::PaletteIndex, &grey, "label.png: found 8-bit grey, expected palette"),
            (
                Encoding::Rgb16Red,
                &rgb,
                "label.png: found 8-bit RGB, expected 16-bit RGB with the id in the first sample",
            ),
        ] {
            assert_eq!(ids(encoding, bytes).unwrap_err(), message);
        }
    }

    #[test]
    fn colours_are_matched_exactly() {
        let entry = IdEntry {
            id: None,
            colour: Some([128, 64, 128]),
            name: "road".into(),
            train: "a".into(),
        };
        let table = by_colour(&[entry], false, &["a".into()]).unwrap();
        let colours = |data: &[u8]| {
            let bytes = png(1, ColorType::Rgb, BitDepth::Eight, data);
            decode(Path::new("c.png"), &bytes, Encoding::RgbColour, &table)
        };
        assert_eq!(colours(&[128, 64, 128, 128, 64, 128]).unwrap(), [0, 0]);
        let error = colours(&[128, 64, 128, 128, 64, 129]).err().unwrap().to_string();
        assert!(error.starts_with("c.png: unknown label colour (128, 64, 129) at pixel x=0, y=1"));
    }
}
