//! From a decoded image and label map to the bytes of a sample record.

use crate::error::WriteError;
use crate::grid::Grid;
use crate::head::{MAX_TEXT_BYTES, SampleHead, Tile, head_length, size_fault};
use crate::image::{LabelMap, RgbImage, SampleInfo, SampleMeta};
use crate::label_tile::{self, MAX_CLASSES, only_value};
use crate::preset::{Compressor, Preset};
use crate::rgb_tile;

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
}

/// Encodes one sample, without loss; equal arguments give equal bytes.
///
/// Depends on nothing else, so samples can be encoded on many threads.
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
    check(meta, image, labels)?;
    let text_bytes = meta.id.len() + meta.source.len() + meta.domain.len();
    let head_length = head_length(image.width, image.height, text_bytes);
    let mut tiles = TileWriter { head_length, bytes: Vec::new() };
    let rgb = write_rgb(&mut tiles, image, preset).map_err(|reason| zstd_error(meta, reason))?;
    let (label_tiles, presence) = write_labels(&mut tiles, meta, labels, preset)?;
    let head = SampleHead {
        info: SampleInfo {
            id: meta.id.clone(),
            source: meta.source.clone(),
            domain: meta.domain.clone(),
            width: image.width,
            height: image.height,
            stored_bytes: (head_length + tiles.bytes.len()) as u64,
        },
        codec: preset.codec(),
        rgb,
        labels: label_tiles,
        presence,
    };
    let mut record = head.encode();
    record.append(&mut tiles.bytes);
    let presence = head.presence.iter().fold(0, |union, bits| union | bits);
    Ok(EncodedSample { info: head.info, preset, record, head_length, presence })
}

/// Collects the tiles of a record one behind the other.
struct TileWriter {
    head_length: usize,
    bytes: Vec<u8>,
}

impl TileWriter {
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

fn check(meta: &SampleMeta, image: &RgbImage, labels: &LabelMap) -> Result<(), WriteError> {
    let path = || meta.source.clone();
    let limit = |field, found, expected| WriteError::Limit { path: path(), field, found, expected };
    if let Some((field, found, expected)) = size_fault(image.width, image.height) {
        return Err(limit(field, found, expected));
    }
    let texts = [
        ("length of the sample id", &meta.id, 1),
        ("length of the source path", &meta.source, 0),
        ("length of the domain", &meta.domain, 0),
    ];
    for (field, text, shortest) in texts {
        if !(shortest..=MAX_TEXT_BYTES).contains(&text.len()) {
            let expected = format!("{shortest} to {MAX_TEXT_BYTES} bytes");
            return Err(limit(field, text.len() as u64, expected));
        }
    }
    let sizes = [(image.width, image.height), (labels.width, labels.height)];
    if sizes[0] != sizes[1] {
        return Err(WriteError::SizeMismatch { path: path(), image: sizes[0], labels: sizes[1] });
    }
    let area = image.width as usize * image.height as usize;
    let buffers = [("image", &image.pixels, area * 3), ("label map", &labels.train_ids, area)];
    for (plane, buffer, expected) in buffers {
        if buffer.len() != expected {
            let found = buffer.len();
            return Err(WriteError::BufferLength { path: path(), plane, found, expected });
        }
    }
    Ok(())
}

fn zstd_error(meta: &SampleMeta, reason: &'static str) -> WriteError {
    WriteError::Zstd { path: meta.source.clone(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(width: u32, labels: LabelMap) -> Result<EncodedSample, WriteError> {
        let meta =
            SampleMeta { id: "a".into(), source: "images/a.png".into(), domain: String::new() };
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
        let (head, _) = SampleHead::parse(&sample.record).unwrap();
        assert!(head.labels.iter().all(|tile| tile.length == 0));
        assert_eq!(head.presence, [1 << 31, 1 << 31]);
    }
}
