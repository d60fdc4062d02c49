//! From an image and a label map to the bytes of a sample record.

use crate::block::Version;
use crate::fault::Fault;
use crate::grid::Grid;
use crate::head::{MAX_TEXT_BYTES, SampleHead, head_length, size_fault};
use crate::image::{LabelMap, RgbImage, SampleInfo, SampleMeta, Window};
use crate::label_tile::{self, MAX_CLASSES, only_value};
use crate::preset::{Codec, Compressor, Preset};
use crate::rgb_tile;
use crate::tile_reader::decode_jpeg;
use crate::tile_table::{MAX_JPEG_BYTES, Tile};
use crate::write_error::WriteError;

/// A sample as it will stand in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSample {
    pub(crate) info: SampleInfo,
    pub(crate) preset: Preset,
    /// Head and tiles.
    pub(crate) record: Vec<u8>,
    pub(crate) head_length: usize,
    /// Union of the class-presence bitsets.
    pub(crate) presence: u32,
}

impl EncodedSample {
    /// What the shard will say about the sample.
    pub fn info(&self) -> &SampleInfo {
        &self.info
    }

    /// Size of the sample in its shard, in bytes, without the padding behind it.
    pub fn stored_bytes(&self) -> u64 {
        self.info.stored_bytes
    }
}

/// Encodes one sample, without loss; equal arguments give equal bytes.
///
/// Depends on nothing else, so samples can be encoded on many threads. With [`Preset::Jpeg`] the
/// pixels are stored as with [`Preset::Default`]; it is for the images of such a dataset that are
/// no JPEG files.
///
/// # Errors
/// A size outside the format's limits, buffers that do not fit their sizes, an image and label
/// map of different sizes, a label that is neither below 31 nor 255, or a failure of zstd.
pub fn encode_sample(
    meta: &SampleMeta,
    image: &RgbImage,
    labels: &LabelMap,
    preset: Preset,
) -> Result<EncodedSample, WriteError> {
    check(meta, (image.width, image.height), labels)?;
    check_buffer(meta, "image", &image.pixels, labels.train_ids.len() * 3)?;
    let mut tiles = TileWriter::new(meta, labels, preset.codec());
    let rgb = write_rgb(&mut tiles, image, preset).map_err(|reason| zstd_error(meta, reason))?;
    finish(tiles, rgb, meta, labels, preset)
}

/// Makes a sample of [`Preset::Jpeg`] from the bytes of a JPEG file, which are kept as they are.
///
/// The picture is decoded once, to be sure that a reader can.
///
/// # Errors
/// As [`encode_sample`], or the bytes are no JPEG file that can be decoded.
pub fn encode_jpeg_sample(
    meta: &SampleMeta,
    jpeg: &[u8],
    labels: &LabelMap,
) -> Result<EncodedSample, WriteError> {
    if jpeg.len() > MAX_JPEG_BYTES {
        return Err(WriteError::Limit {
            path: meta.source.clone(),
            field: "length of the JPEG file",
            found: jpeg.len() as u64,
            expected: format!("at most {MAX_JPEG_BYTES} bytes"),
        });
    }
    let fault = |fault| WriteError::Jpeg { path: meta.source.clone(), fault };
    let size =
        jpeg_image::size(jpeg).map_err(|error| fault(Fault::Jpeg { reason: error.to_string() }))?;
    check(meta, (size.width, size.height), labels)?;
    decode_jpeg(jpeg, Window::whole(size.width, size.height)).map_err(fault)?;
    let mut tiles = TileWriter::new(meta, labels, Codec::Jpeg);
    let rgb = vec![tiles.push(jpeg)];
    finish(tiles, rgb, meta, labels, Preset::Jpeg)
}

/// Appends the label tiles and puts the head in front.
fn finish(
    mut tiles: TileWriter,
    rgb: Vec<Tile>,
    meta: &SampleMeta,
    labels: &LabelMap,
    preset: Preset,
) -> Result<EncodedSample, WriteError> {
    let (label_tiles, presence) = write_labels(&mut tiles, meta, labels, preset)?;
    let head_length = tiles.head_length;
    let head = SampleHead {
        info: SampleInfo {
            id: meta.id.clone(),
            source: meta.source.clone(),
            domain: meta.domain.clone(),
            label_source: meta.label_source.clone(),
            image_blake3: meta.image_blake3,
            label_blake3: meta.label_blake3,
            width: labels.width,
            height: labels.height,
            stored_bytes: (head_length + tiles.bytes.len()) as u64,
        },
        codec: tiles.codec,
        rgb,
        labels: label_tiles,
        presence,
    };
    let mut record = head.encode();
    record.append(&mut tiles.bytes);
    let presence = head.all_presence();
    Ok(EncodedSample { info: head.info, preset, record, head_length, presence })
}

/// Collects the tiles of a record one behind the other.
struct TileWriter {
    codec: Codec,
    head_length: usize,
    bytes: Vec<u8>,
}

impl TileWriter {
    /// For a sample whose sizes were checked.
    fn new(meta: &SampleMeta, labels: &LabelMap, codec: Codec) -> Self {
        let text_bytes = texts(meta).iter().map(|(_, text, _)| text.len()).sum();
        let size = (labels.width, labels.height);
        let head_length = head_length(Version::Two, codec, size, text_bytes);
        Self { codec, head_length, bytes: Vec::new() }
    }

    /// Appends a tile; an empty one stands for a uniform tile and has no checksum.
    fn push(&mut self, stored: &[u8]) -> Tile {
        // The area limit keeps a record, compressed or not, below 2^32 bytes.
        let offset = (self.head_length + self.bytes.len()) as u32;
        self.bytes.extend_from_slice(stored);
        let checksum = if stored.is_empty() { 0 } else { crc32c::crc32c(stored) };
        Tile { offset, length: stored.len() as u32, checksum }
    }

    /// Appends the shorter of the frame and the plain tile; the plain one if they are equal.
    fn push_shorter(&mut self, frame: &[u8], plain: &[u8]) -> Tile {
        self.push(if frame.len() < plain.len() { frame } else { plain })
    }
}

fn write_rgb(
    tiles: &mut TileWriter,
    image: &RgbImage,
    preset: Preset,
) -> Result<Vec<Tile>, &'static str> {
    let mut compressor = Compressor::rgb(preset)?;
    let cells = Grid::rgb(image.width, image.height).cells();
    cells
        .map(|cell| {
            let plain = rgb_tile::cut(image, &cell);
            if preset == Preset::Raw {
                return Ok(tiles.push(&plain));
            }
            let frame = compressor.compress(&rgb_tile::residuals(&plain, &cell))?;
            Ok(tiles.push_shorter(&frame, &plain))
        })
        .collect()
}

fn write_labels(
    tiles: &mut TileWriter,
    meta: &SampleMeta,
    labels: &LabelMap,
    preset: Preset,
) -> Result<(Vec<Tile>, Vec<u32>), WriteError> {
    let mut compressor = Compressor::labels().map_err(|reason| zstd_error(meta, reason))?;
    let (mut written, mut presence) = (Vec::new(), Vec::new());
    for cell in Grid::labels(labels.width, labels.height).cells() {
        let plain = label_tile::cut(labels, &cell);
        let bits =
            label_tile::presence(&plain).map_err(|(index, value)| WriteError::LabelValue {
                path: meta.source.clone(),
                value,
                x: cell.area.x + (index % cell.stored_width) as u32,
                y: cell.area.y + (index / cell.stored_width) as u32,
                classes: MAX_CLASSES,
            })?;
        let tile = if only_value(bits).is_some() {
            tiles.push(&[])
        } else if preset == Preset::Raw {
            tiles.push(&plain)
        } else {
            let frame = compressor.compress(&plain).map_err(|reason| zstd_error(meta, reason))?;
            tiles.push_shorter(&frame, &plain)
        };
        written.push(tile);
        presence.push(bits);
    }
    Ok((written, presence))
}

/// The texts of a sample, what they are called, and the fewest bytes they can have.
fn texts(meta: &SampleMeta) -> [(&'static str, &str, usize); 4] {
    [
        ("length of the sample id", &meta.id, 1),
        ("length of the source path", &meta.source, 0),
        ("length of the domain", &meta.domain, 0),
        ("length of the label source path", &meta.label_source, 0),
    ]
}

/// Checks everything but the image's pixels.
fn check(meta: &SampleMeta, image: (u32, u32), labels: &LabelMap) -> Result<(), WriteError> {
    let path = || meta.source.clone();
    let limit = |field, found, expected| WriteError::Limit { path: path(), field, found, expected };
    if let Some((field, found, expected)) = size_fault(image.0, image.1) {
        return Err(limit(field, found, expected));
    }
    for (field, text, shortest) in texts(meta) {
        if !(shortest..=MAX_TEXT_BYTES).contains(&text.len()) {
            let expected = format!("{shortest} to {MAX_TEXT_BYTES} bytes");
            return Err(limit(field, text.len() as u64, expected));
        }
    }
    let size = (labels.width, labels.height);
    if image != size {
        return Err(WriteError::SizeMismatch { path: path(), image, labels: size });
    }
    let area = Window::whole(size.0, size.1).area();
    check_buffer(meta, "label map", &labels.train_ids, area)
}

fn check_buffer(
    meta: &SampleMeta,
    plane: &'static str,
    buffer: &[u8],
    expected: usize,
) -> Result<(), WriteError> {
    let (path, found) = (&meta.source, buffer.len());
    if found == expected {
        return Ok(());
    }
    Err(WriteError::BufferLength { path: path.clone(), plane, found, expected })
}

fn zstd_error(meta: &SampleMeta, reason: &'static str) -> WriteError {
    WriteError::Zstd { path: meta.source.clone(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(width: u32, labels: LabelMap) -> Result<EncodedSample, WriteError> {
        let meta =
            SampleMeta { id: "a".into(), source: "images/a.png".into(), ..SampleMeta::default() };
        let image = RgbImage { width, height: 2, pixels: vec![9; width as usize * 6] };
        encode_sample(&meta, &image, &labels, Preset::Default)
    }

    #[test]
    fn a_label_that_is_no_train_id_is_refused_with_its_place() {
        let mut train_ids = vec![0; 600];
        train_ids[300 + 257] = 31;
        let error = encode(300, LabelMap { width: 300, height: 2, train_ids }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "images/a.png: label 31 at column 257, row 1, expected a train id below 31 or 255; \
             hint: the label mapping must turn every other id into 255"
        );
    }

    #[test]
    fn image_and_label_of_different_size_are_refused() {
        let error = encode(4, LabelMap { width: 2, height: 4, train_ids: vec![0; 8] }).unwrap_err();
        assert!(matches!(error, WriteError::SizeMismatch { image: (4, 2), labels: (2, 4), .. }));
    }

    #[test]
    fn buffers_of_the_wrong_length_are_refused() {
        let error = encode(4, LabelMap { width: 4, height: 2, train_ids: vec![0; 7] }).unwrap_err();
        assert!(matches!(error, WriteError::BufferLength { found: 7, expected: 8, .. }));
    }

    #[test]
    fn an_empty_image_is_refused() {
        let error = encode(0, LabelMap { width: 0, height: 2, train_ids: vec![] }).unwrap_err();
        assert!(matches!(error, WriteError::Limit { field: "width", found: 0, .. }));
    }

    #[test]
    fn uniform_labels_take_no_bytes() {
        let sample =
            encode(300, LabelMap { width: 300, height: 2, train_ids: vec![255; 600] }).unwrap();
        let (head, _) = SampleHead::parse(&sample.record, Version::Two).unwrap();
        assert!(head.labels.iter().all(|tile| tile.length == 0));
        assert_eq!(head.presence, [1 << 31, 1 << 31]);
    }
}
