//! Decodes JPEG pictures to RGB, sizes checked before anything of that size is allocated.
//!
//! ```
//! let not_a_jpeg = b"\x89PNG\r\n\x1a\n";
//! assert!(jpeg_image::size(not_a_jpeg).is_err());
//! assert!(jpeg_image::decode_rgb(not_a_jpeg, 1 << 27).is_err());
//! ```
#![forbid(unsafe_code)]

mod header;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

pub use header::size;

/// The three bytes that every JPEG file begins with.
pub const SIGNATURE: &[u8] = b"\xff\xd8\xff";

/// Columns and rows of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl JpegSize {
    /// The number of pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JpegRgb {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// [height, width, 3], interleaved.
    pub pixels: Vec<u8>,
}

/// Why a JPEG file cannot be decoded; the file's name is the caller's to add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// The bytes are no JPEG, or damaged.
    #[error("{0}")]
    Damaged(String),
    /// The bytes end before the frame header; a longer prefix of the file may hold it.
    #[error("it ends before its frame header")]
    CutOff,
    /// The picture has more pixels than the caller allows.
    #[error("size {}x{}, expected at most {max_pixels} pixels", size.width, size.height)]
    TooLarge {
        /// The size in its header.
        size: JpegSize,
        /// The caller's limit.
        max_pixels: u64,
    },
}

/// Decodes a JPEG file to RGB; grey becomes three equal samples.
///
/// A cut-off file is an error and not a picture with a grey lower half.
///
/// # Errors
/// The bytes are no JPEG, are damaged, or the picture has more than `max_pixels` pixels.
pub fn decode_rgb(bytes: &[u8], max_pixels: u64) -> Result<JpegRgb, JpegError> {
    let size = size(bytes)?;
    if size.pixels() > max_pixels {
        return Err(JpegError::TooLarge { size, max_pixels });
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(size.width as usize)
        .set_max_height(size.height as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or_else(|| damaged("it has no frame header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    if (width, height) != (size.width, size.height) {
        return Err(damaged("it has two frame headers of different size"));
    }
    let pixels = decoder.decode().map_err(damaged)?;
    if pixels.len() as u64 != size.pixels() * 3 {
        let found = pixels.len();
        return Err(damaged(format!("{found} samples for {width}x{height} RGB pixels")));
    }
    Ok(JpegRgb { width, height, pixels })
}

fn damaged(reason: impl ToString) -> JpegError {
    JpegError::Damaged(reason.to_string())
}

#[cfg(test)]
mod tests;
