//! Tests over small JPEG files built byte by byte.

use super::*;

const MAX: u64 = 1 << 20;

/// A picture of uniform grey, baseline, its sides whole blocks of 8 pixels: quantizers of one,
/// one Huffman code per table.
fn grey_jpeg(width: u8, height: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 11, 8, 0, height, 0, width, 1, 1, 0x11, 0]);
    for table in [0x00, 0x10] {
        bytes.extend([0xff, 0xc4, 0, 20, table, 1]);
        bytes.extend([0; 15]);
        bytes.push(0);
    }
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    // Two bits a block: "no difference" and "end of block"; the last byte is filled with ones.
    let blocks = usize::from(width / 8) * usize::from(height / 8);
    bytes.extend(vec![0; blocks / 4]);
    bytes.push(0xff >> (blocks % 4 * 2));
    if bytes.ends_with(&[0xff]) {
        bytes.push(0); // A stuffed zero keeps sample data from looking like a marker.
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn grey_becomes_rgb() {
    let decoded = decode_rgb(&grey_jpeg(16, 8), MAX).unwrap();
    assert_eq!((decoded.width, decoded.height), (16, 8));
    assert_eq!(decoded.pixels, [128; 16 * 8 * 3]);
}

#[test]
fn the_size_is_in_the_header_and_needs_no_more_than_that() {
    let bytes = grey_jpeg(24, 16);
    let frame_end = 2 + 69 + 2 + 7;
    assert_eq!(size(&bytes[..frame_end]).unwrap(), JpegSize { width: 24, height: 16 });
    for end in 2..frame_end {
        assert_eq!(size(&bytes[..end]).unwrap_err(), JpegError::CutOff, "cut to {end} bytes");
    }
}

#[test]
fn segments_and_fill_bytes_before_the_frame_header_are_passed_over() {
    let plain = grey_jpeg(8, 8);
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xc0, 0xff, 0xd9, 0xff, 0xff];
    bytes.extend(&plain[3..]);
    assert_eq!(size(&bytes).unwrap(), JpegSize { width: 8, height: 8 });
}

#[test]
fn a_picture_beyond_the_limit_is_refused_by_its_header() {
    let error = decode_rgb(&grey_jpeg(16, 8), 127).unwrap_err();
    assert_eq!(error.to_string(), "size 16x8, expected at most 127 pixels");
    assert!(decode_rgb(&grey_jpeg(16, 8), 128).is_ok());
}

#[test]
fn every_cut_is_an_error() {
    let bytes = grey_jpeg(16, 16);
    // Without the end marker alone the picture is still complete.
    for end in 0..bytes.len() - 3 {
        assert!(decode_rgb(&bytes[..end], MAX).is_err(), "cut to {end} bytes");
    }
}

#[test]
fn no_changed_byte_makes_the_decoder_panic_or_exceed_its_limit() {
    let bytes = grey_jpeg(16, 16);
    for position in 0..bytes.len() {
        for value in 0..=255 {
            let mut changed = bytes.clone();
            changed[position] = value;
            if let Ok(decoded) = decode_rgb(&changed, MAX) {
                let pixels = u64::from(decoded.width) * u64::from(decoded.height);
                assert!(pixels <= MAX && decoded.pixels.len() as u64 == pixels * 3);
            }
        }
    }
}

#[test]
fn other_files_are_told_what_they_are_not() {
    for (bytes, message) in [
        (&b""[..], "it does not begin as a JPEG does"),
        (b"\x89PNG\r\n\x1a\n", "it does not begin as a JPEG does"),
        (b"\xff\xd8", "it ends before its frame header"),
        (b"\xff\xd8garbage", "it has no marker where one belongs"),
        (b"\xff\xd8\xff\xe0\x00\x01", "it has a segment shorter than its own length field"),
        (b"\xff\xd8\xff\xda\x00\x02", "it has no frame header before its samples"),
        (b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x08", "its size is 8x0"),
    ] {
        assert_eq!(size(bytes).unwrap_err().to_string(), message);
    }
}
