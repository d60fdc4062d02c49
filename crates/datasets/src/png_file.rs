//! Opens a PNG and hands out its samples, size checked before anything of that size is allocated.

use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};

use crate::{MAX_PIXELS, MAX_SIDE, SampleError};

/// The eight bytes that every PNG begins with.
pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Samples of a PNG: rows packed to whole bytes, 16-bit samples big-endian.
pub(crate) struct Samples {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) color: ColorType,
    pub(crate) depth: BitDepth,
    pub(crate) bytes: Vec<u8>,
    /// Colours of a palette, three samples each.
    pub(crate) palette: Option<Vec<u8>>,
}

impl Samples {
    /// Bytes of one pixel, where a pixel fills whole bytes.
    pub(crate) fn bytes_per_pixel(&self) -> usize {
        self.color.samples() * (self.depth as usize).div_ceil(8)
    }
}

/// Columns and rows from the header of a PNG; `path` only names the file in errors.
pub(crate) fn size(path: &Path, bytes: &[u8]) -> Result<(u32, u32), SampleError> {
    let header = header(path, bytes)?;
    Ok((header.width, header.height))
}

/// Colour type and bit depth from the header of a PNG; `path` only names the file in errors.
pub(crate) fn format(path: &Path, bytes: &[u8]) -> Result<(ColorType, BitDepth), SampleError> {
    let header = header(path, bytes)?;
    Ok((header.color_type, header.bit_depth))
}

fn header(path: &Path, bytes: &[u8]) -> Result<png::Info<'static>, SampleError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    let header = decoder.read_header_info().map_err(|error| SampleError::Undecodable {
        path: path.into(),
        reason: error.to_string(),
    })?;
    Ok(header.clone())
}

/// Decodes a PNG after `accept` has agreed to the stored colour type and bit depth.
///
/// `path` only names the file in errors.
pub(crate) fn decode(
    path: &Path,
    bytes: &[u8],
    transformations: Transformations,
    accept: impl FnOnce(ColorType, BitDepth) -> Result<(), SampleError>,
) -> Result<Samples, SampleError> {
    let undecodable = |error: png::DecodingError| SampleError::Undecodable {
        path: path.into(),
        reason: error.to_string(),
    };
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(transformations);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(undecodable)?;
    let (width, height) = (header.width, header.height);
    check_size(path, u64::from(width), u64::from(height))?;
    accept(header.color_type, header.bit_depth)?;
    let mut reader = decoder.read_info().map_err(undecodable)?;
    let size = reader.output_buffer_size().ok_or_else(|| SampleError::Undecodable {
        path: path.into(),
        reason: "its samples do not fit into memory".into(),
    })?;
    let palette = reader.info().palette.as_ref().map(|palette| palette.to_vec());
    let mut samples = vec![0; size];
    let info = reader.next_frame(&mut samples).map_err(undecodable)?;
    Ok(Samples {
        width,
        height,
        color: info.color_type,
        depth: info.bit_depth,
        bytes: samples,
        palette,
    })
}

/// Refuses empty pictures and pictures beyond the limits.
pub(crate) fn check_size(path: &Path, width: u64, height: u64) -> Result<(), SampleError> {
    let side = u64::from(MAX_SIDE);
    if width == 0 || height == 0 {
        let reason = format!("its size is {width}x{height}");
        return Err(SampleError::Undecodable { path: path.into(), reason });
    }
    if width > side || height > side || width * height > MAX_PIXELS {
        return Err(SampleError::TooLarge { path: path.into(), width, height });
    }
    Ok(())
}

/// Bit depth and colour type in words.
pub(crate) fn format_name(color: ColorType, depth: BitDepth) -> String {
    let color = match color {
        ColorType::Grayscale => "grey",
        ColorType::Rgb => "RGB",
        ColorType::Indexed => "palette",
        ColorType::GrayscaleAlpha => "grey with alpha",
        ColorType::Rgba => "RGBA",
    };
    format!("{}-bit {color}", depth as u8)
}
