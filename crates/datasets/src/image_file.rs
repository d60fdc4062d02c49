//! Decodes an image, PNG or JPEG by content, to RGB.

use std::path::Path;

use jpeg_image::{JpegError, JpegRgb};
use png::{BitDepth, ColorType, Transformations};

use crate::png_file::{self, check_size, format_name};
use crate::{MAX_PIXELS, SampleError};

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// [height, width, 3], interleaved.
    pub pixels: Vec<u8>,
}

/// Bytes of a file among which its size is looked for, 8 MiB: before a JPEG's frame header there
/// may be pictures and profiles.
pub(crate) const MAX_HEADER_BYTES: usize = 8 << 20;

/// Columns and rows of an image, and whether it is a JPEG, from its header alone; `bytes` may be
/// the beginning of the file. `path` only names it in errors.
pub(crate) fn size(path: &Path, bytes: &[u8]) -> Result<(u32, u32, bool), SampleError> {
    let (width, height, is_jpeg) = if bytes.starts_with(png_file::SIGNATURE) {
        let (width, height) = png_file::size(path, bytes)?;
        (width, height, false)
    } else if bytes.starts_with(jpeg_image::SIGNATURE) {
        let beginning = bytes.get(..MAX_HEADER_BYTES);
        let size =
            jpeg_image::size(beginning.unwrap_or(bytes)).map_err(|error| match beginning {
                None => undecodable(path, &error),
                Some(_) => SampleError::Undecodable {
                    path: path.into(),
                    reason: format!(
                        "its first {MAX_HEADER_BYTES} bytes do not tell its size: {error}"
                    ),
                },
            })?;
        (size.width, size.height, true)
    } else {
        return Err(no_picture(path, bytes));
    };
    check_size(path, u64::from(width), u64::from(height))?;
    Ok((width, height, is_jpeg))
}

/// Decodes the bytes of an image file, PNG or JPEG; `path` only names it in errors.
///
/// # Errors
/// It is neither, has more than 8 bits per sample, is damaged or too large.
pub fn decode_image(path: &Path, bytes: &[u8]) -> Result<Rgb, SampleError> {
    if bytes.starts_with(png_file::SIGNATURE) {
        decode_png(path, bytes)
    } else if bytes.starts_with(jpeg_image::SIGNATURE) {
        decode_jpeg(path, bytes)
    } else {
        Err(no_picture(path, bytes))
    }
}

fn no_picture(path: &Path, bytes: &[u8]) -> SampleError {
    let expected = "a PNG or JPEG image";
    SampleError::Format { path: path.into(), found: first_bytes(bytes), expected }
}

fn undecodable(path: &Path, error: &JpegError) -> SampleError {
    SampleError::Undecodable { path: path.into(), reason: error.to_string() }
}

/// What a file that is no picture begins with.
pub(crate) fn first_bytes(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".into();
    }
    let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("a file that begins with {}", shown.join(" "))
}

fn decode_png(path: &Path, bytes: &[u8]) -> Result<Rgb, SampleError> {
    let accept = |color, depth| match depth {
        BitDepth::Sixteen => Err(SampleError::PixelFormat {
            path: path.into(),
            found: format_name(color, depth),
            expected: "at most 8 bits per sample",
        }),
        _ => Ok(()),
    };
    // Palettes and small grey depths become 8-bit samples: for images, unlike labels, the shown
    // colour is what counts.
    let samples = png_file::decode(path, bytes, Transformations::EXPAND, accept)?;
    let channels = match samples.color {
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Indexed => {
            let reason = "its palette was not expanded".into();
            return Err(SampleError::Undecodable { path: path.into(), reason });
        }
    };
    let pixels = match channels {
        3 => samples.bytes,
        4 => samples.bytes.chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect(),
        _ => samples.bytes.chunks_exact(channels).flat_map(|grey| [grey[0]; 3]).collect(),
    };
    Ok(Rgb { width: samples.width, height: samples.height, pixels })
}

fn decode_jpeg(path: &Path, bytes: &[u8]) -> Result<Rgb, SampleError> {
    let undecodable = |error: JpegError| undecodable(path, &error);
    let size = jpeg_image::size(bytes).map_err(undecodable)?;
    check_size(path, u64::from(size.width), u64::from(size.height))?;
    let JpegRgb { width, height, pixels } =
        jpeg_image::decode_rgb(bytes, MAX_PIXELS).map_err(undecodable)?;
    Ok(Rgb { width, height, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![9, 8, 7, 30, 20, 10]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn pixels(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let decoded = decode_image(Path::new("a.png"), bytes).map_err(|error| error.to_string())?;
        Ok(decoded.pixels)
    }

    #[test]
    fn alpha_is_dropped_and_grey_and_palette_are_expanded() {
        use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let eight = BitDepth::Eight;
        assert_eq!(pixels(&png(Rgb, eight, &[1, 2, 3, 4, 5, 6])).unwrap(), [1, 2, 3, 4, 5, 6]);
        let rgba = png(Rgba, eight, &[1, 2, 3, 0, 4, 5, 6, 255]);
        assert_eq!(pixels(&rgba).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(pixels(&png(Grayscale, eight, &[7, 9])).unwrap(), [7, 7, 7, 9, 9, 9]);
        let grey_alpha = png(GrayscaleAlpha, eight, &[7, 0, 9, 1]);
        assert_eq!(pixels(&grey_alpha).unwrap(), [7, 7, 7, 9, 9, 9]);
        assert_eq!(pixels(&png(Indexed, eight, &[1, 0])).unwrap(), [30, 20, 10, 9, 8, 7]);
        assert_eq!(
            pixels(&png(Grayscale, BitDepth::One, &[0x40])).unwrap(),
            [0, 0, 0, 255, 255, 255]
        );
    }

    #[test]
    fn sixteen_bits_are_refused_rather_than_cut() {
        let error = pixels(&png(ColorType::Grayscale, BitDepth::Sixteen, &[0, 1, 0, 2]));
        assert_eq!(
            error.unwrap_err(),
            "a.png: found 16-bit grey, expected at most 8 bits per sample"
        );
    }

    #[test]
    fn text_truncation_and_absurd_sizes_are_errors_that_name_the_file() {
        assert_eq!(
            pixels(b"<html>").unwrap_err(),
            "a.png: found a file that begins with 3c 68 74 6d 6c 3e, expected a PNG or JPEG image"
        );
        assert!(pixels(b"").unwrap_err().contains("an empty file"));
        let whole = png(ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 4, 5, 6]);
        for length in 8..whole.len() - 12 {
            assert!(pixels(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        // A header alone that claims 2^31 - 1 pixels a side.
        let mut huge = whole;
        huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let crc = crc32(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(
            pixels(&huge).unwrap_err().contains("size 2147483647x2147483647, expected at most")
        );
    }

    /// The CRC of PNG chunks, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }
}
