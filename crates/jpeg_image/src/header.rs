//! Reads the size out of a JPEG's frame header.

use crate::{JpegError, JpegSize, damaged};

/// Markers of frame headers are C0 to CF, but for these three: tables and a reserved code.
const NOT_FRAMES: [u8; 3] = [0xc4, 0xc8, 0xcc];

/// The size that a JPEG file's frame header gives; nothing is decoded.
///
/// The bytes may be the beginning of a file.
///
/// # Errors
/// The bytes are no JPEG, have an empty size, or end before the frame header.
pub fn size(bytes: &[u8]) -> Result<JpegSize, JpegError> {
    let Some(mut rest) = bytes.strip_prefix(b"\xff\xd8") else {
        return Err(damaged("it does not begin as a JPEG does"));
    };
    loop {
        let [0xff, marker, after @ ..] = rest else {
            return Err(if rest.len() < 2 {
                JpegError::CutOff
            } else {
                damaged("it has no marker where one belongs")
            });
        };
        match marker {
            // Any number of fill bytes may stand before a marker.
            0xff => rest = &rest[1..],
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => rest = after,
            0xd8..=0xda => return Err(damaged("it has no frame header before its samples")),
            0xc0..=0xcf if !NOT_FRAMES.contains(marker) => return frame_size(after),
            _ => {
                let [high, low, ..] = after else { return Err(JpegError::CutOff) };
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length < 2 {
                    return Err(damaged("it has a segment shorter than its own length field"));
                }
                rest = after.get(length..).ok_or(JpegError::CutOff)?;
            }
        }
    }
}

/// The size in a frame header: length (2 bytes), precision (1), rows (2), columns (2).
fn frame_size(segment: &[u8]) -> Result<JpegSize, JpegError> {
    let &[_, _, _, row_high, row_low, column_high, column_low, ..] = segment else {
        return Err(JpegError::CutOff);
    };
    let height = u32::from(u16::from_be_bytes([row_high, row_low]));
    let width = u32::from(u16::from_be_bytes([column_high, column_low]));
    if width == 0 || height == 0 {
        return Err(damaged(format!("its size is {width}x{height}")));
    }
    Ok(JpegSize { width, height })
}
