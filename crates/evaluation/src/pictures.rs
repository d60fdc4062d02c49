//! Pictures inside a page: PNG files as data URIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Encodes an image as a PNG file.
///
/// Shapes: `rgb` `[H*W*3]` interleaved.
///
/// # Errors
/// If `width` or `height` is 0 or does not fit `rgb`.
pub fn image_png(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    finish(encoder, rgb)?;
    Ok(file)
}

/// Encodes a label map as a PNG file whose samples are the train ids and whose palette paints them.
///
/// Shapes: `train_ids` `[H*W]`.
///
/// # Errors
/// If `width` or `height` is 0 or does not fit `train_ids`.
pub fn label_png(width: u32, height: u32, train_ids: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette::colourise(&(0..=u8::MAX).collect::<Vec<_>>()));
    finish(encoder, train_ids)?;
    Ok(file)
}

/// The address of a PNG file that is its own content.
#[must_use]
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// The smallest whole factor by which a picture must shrink to be at most `limit` pixels wide.
///
/// # Panics
/// If `limit` is 0.
#[must_use]
pub fn shrink_factor(width: u32, limit: u32) -> u32 {
    width.div_ceil(limit).max(1)
}

/// Shrinks an image by a whole factor; each pixel is the mean of a block.
///
/// Rows and columns beyond the last whole block are cut off, as in [`shrink_labels`].
/// Shapes: `rgb` `[H*W*3]`, result `[(H/factor)*(W/factor)*3]`.
#[must_use]
pub fn shrink_image(width: u32, height: u32, rgb: &[u8], factor: u32) -> Vec<u8> {
    let (width, height, factor) = (width as usize, height as usize, factor as usize);
    let block_pixels = factor * factor;
    let mut shrunk = Vec::with_capacity(rgb.len() / block_pixels);
    for row in 0..height / factor {
        for column in 0..width / factor {
            for channel in 0..3 {
                let in_block = (0..block_pixels).map(|offset| {
                    let (y, x) =
                        (row * factor + offset / factor, column * factor + offset % factor);
                    usize::from(rgb[(y * width + x) * 3 + channel])
                });
                shrunk.push(((in_block.sum::<usize>() + block_pixels / 2) / block_pixels) as u8);
            }
        }
    }
    shrunk
}

/// Shrinks a label map by a whole factor; each label is the one in the middle of a block.
///
/// Shapes: `train_ids` `[H*W]`, result `[(H/factor)*(W/factor)]`.
#[must_use]
pub fn shrink_labels(width: u32, height: u32, train_ids: &[u8], factor: u32) -> Vec<u8> {
    let (width, height, factor) = (width as usize, height as usize, factor as usize);
    let rows = (0..height / factor).map(|row| row * factor + factor / 2);
    rows.flat_map(|y| {
        (0..width / factor).map(move |column| train_ids[y * width + column * factor + factor / 2])
    })
    .collect()
}

fn finish(
    mut encoder: png::Encoder<'_, &mut Vec<u8>>,
    samples: &[u8],
) -> Result<(), png::EncodingError> {
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str, expand: bool) -> (u32, u32, Vec<u8>) {
        let file = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        if expand {
            decoder.set_transformations(png::Transformations::EXPAND);
        }
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        pixels.truncate(info.buffer_size());
        (info.width, info.height, pixels)
    }

    #[test]
    fn an_image_decodes_to_the_same_pixels() {
        let rgb: Vec<u8> = (0..5 * 3 * 3).map(|value| value * 5).collect();
        let uri = data_uri(&image_png(5, 3, &rgb).unwrap());
        assert_eq!(decoded(&uri, false), (5, 3, rgb));
    }

    #[test]
    fn a_label_map_decodes_to_its_train_ids_and_to_their_colours() {
        let train_ids = [0, 1, 18, 255, 19, 13];
        let uri = data_uri(&label_png(3, 2, &train_ids).unwrap());
        assert_eq!(decoded(&uri, false), (3, 2, train_ids.to_vec()));
        assert_eq!(decoded(&uri, true), (3, 2, palette::colourise(&train_ids)));
    }

    #[test]
    fn pixels_that_do_not_fit_the_size_are_an_error() {
        assert!(image_png(2, 2, &[0; 9]).is_err());
        assert!(label_png(0, 0, &[]).is_err());
    }

    #[test]
    fn shrinking_averages_colours_but_never_labels() {
        assert_eq!(shrink_factor(2048, 640), 4);
        assert_eq!(shrink_factor(100, 640), 1);
        let rgb = [[0; 3], [10; 3], [9; 3], [20; 3], [30; 3], [9; 3]].concat(); // 3 wide, 2 high
        assert_eq!(shrink_image(3, 2, &rgb, 2), [15; 3]);
        assert_eq!(shrink_labels(3, 2, &[1, 2, 9, 3, 4, 9], 2), [4]);
        assert_eq!(shrink_image(3, 2, &rgb, 1), rgb);
    }
}
