//! The head of a sample: its size, metadata, provenance and tile tables.

use crate::block::{self, BLOCK_LENGTH, Block, FieldFault, Version, put, u16_at, u32_at, u64_at};
use crate::grid::Grid;
use crate::image::SampleInfo;
use crate::preset::Codec;
use crate::tile_table::{self, Tile, table_length};

/// Largest width and height, in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Largest width times height; keeps every offset inside a record below 2^32.
pub const MAX_AREA: u64 = 1 << 28;
/// Longest id, path and domain, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 4096;

const MAGIC: &[u8; 4] = b"SMPL";
/// Offsets in the fixed part.
const HEAD_LENGTH_OFFSET: usize = 4;
pub(crate) const RECORD_LENGTH_OFFSET: usize = 8;
const WIDTH_OFFSET: usize = 16;
const HEIGHT_OFFSET: usize = 20;
/// Id, source path, domain and label source path, in the order in which they are stored.
const TEXT_LENGTH_OFFSETS: [usize; 4] = [24, 26, 28, 32];
const CODEC_OFFSET: usize = 30;
/// The length of the label source path takes bytes that version 1 reserves.
const LABEL_SOURCE_LENGTH: std::ops::Range<usize> = 32..34;
/// The hashes of the image and of the label file.
const PROVENANCE_LENGTH: usize = 64;

/// The head of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SampleHead {
    pub(crate) info: SampleInfo,
    pub(crate) codec: Codec,
    pub(crate) rgb: Vec<Tile>,
    pub(crate) labels: Vec<Tile>,
    /// Class-presence bitset of each label tile.
    pub(crate) presence: Vec<u32>,
}

/// Length in bytes of the head of such a sample.
pub(crate) fn head_length(
    version: Version,
    codec: Codec,
    (width, height): (u32, u32),
    text_bytes: usize,
) -> usize {
    BLOCK_LENGTH
        + table_length(codec.rgb_grid(width, height), Grid::labels(width, height))
        + if version == Version::One { 0 } else { PROVENANCE_LENGTH }
        + text_bytes
}

/// What is wrong with a width and height, if anything.
pub(crate) fn size_fault(width: u32, height: u32) -> Option<(&'static str, u64, String)> {
    let area = u64::from(width) * u64::from(height);
    [("width", width), ("height", height)]
        .into_iter()
        .find(|(_, side)| !(1..=MAX_SIDE).contains(side))
        .map(|(field, side)| (field, u64::from(side), format!("1 to {MAX_SIDE} pixels")))
        .or_else(|| {
            (area > MAX_AREA)
                .then(|| ("width times height", area, format!("at most {MAX_AREA} pixels")))
        })
}

impl SampleHead {
    /// The head's bytes in the version that is written; sizes and texts are within the limits.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let info = &self.info;
        let mut rest = tile_table::encode(&self.rgb, &self.labels, &self.presence);
        rest.extend(info.image_blake3);
        rest.extend(info.label_blake3);
        let mut block: Block = [0; BLOCK_LENGTH];
        let texts = [&info.id, &info.source, &info.domain, &info.label_source];
        for (text, offset) in texts.into_iter().zip(TEXT_LENGTH_OFFSETS) {
            rest.extend(text.as_bytes());
            put(&mut block, offset, &(text.len() as u16).to_le_bytes());
        }
        put(&mut block, 0, MAGIC);
        put(&mut block, HEAD_LENGTH_OFFSET, &((BLOCK_LENGTH + rest.len()) as u32).to_le_bytes());
        put(&mut block, RECORD_LENGTH_OFFSET, &info.stored_bytes.to_le_bytes());
        put(&mut block, WIDTH_OFFSET, &info.width.to_le_bytes());
        put(&mut block, HEIGHT_OFFSET, &info.height.to_le_bytes());
        put(&mut block, CODEC_OFFSET, &[self.codec.id()]);
        block::seal(&mut block, &rest);
        [block.as_slice(), &rest].concat()
    }

    /// Parses the head at the start of `bytes` and returns it with its length in bytes.
    pub(crate) fn parse(bytes: &[u8], version: Version) -> Result<(Self, usize), FieldFault> {
        let block: &Block = bytes
            .first_chunk()
            .ok_or_else(|| FieldFault::new(0, "sample head", bytes.len(), "64 bytes or more"))?;
        if &block[..4] != MAGIC {
            return Err(FieldFault::new(0, "sample magic", block[..4].escape_ascii(), "SMPL"));
        }
        let length = u32_at(block, HEAD_LENGTH_OFFSET) as usize;
        let rest = bytes.get(BLOCK_LENGTH..length).ok_or_else(|| {
            let expected = format!("64 to {}", bytes.len());
            FieldFault::new(HEAD_LENGTH_OFFSET, "head length", length, expected)
        })?;
        block::check_seal(block, rest, "sample head checksum")?;
        check_reserved(block, version)?;

        let (width, height) = (u32_at(block, WIDTH_OFFSET), u32_at(block, HEIGHT_OFFSET));
        if let Some((field, found, expected)) = size_fault(width, height) {
            let at = if field == "height" { HEIGHT_OFFSET } else { WIDTH_OFFSET };
            return Err(FieldFault::new(at, field, found, expected));
        }
        let codec = Codec::from_id(block[CODEC_OFFSET], version).ok_or_else(|| {
            let expected = if version == Version::One { "0 or 1" } else { "0, 1 or 2" };
            FieldFault::new(CODEC_OFFSET, "codec id", block[CODEC_OFFSET], expected)
        })?;
        // In version 1 the length of the fourth text is a reserved field, thus zero.
        let text_lengths = TEXT_LENGTH_OFFSETS.map(|offset| usize::from(u16_at(block, offset)));
        let text_bytes = text_lengths.iter().sum();
        let implied = head_length(version, codec, (width, height), text_bytes);
        if length != implied {
            return Err(FieldFault::new(HEAD_LENGTH_OFFSET, "head length", length, implied));
        }
        let [id, source, domain, label_source] = parse_texts(rest, text_lengths, length)?;
        let [image_blake3, label_blake3] = parse_hashes(rest, text_bytes, version);
        let stored_bytes = u64_at(block, RECORD_LENGTH_OFFSET);
        let info = SampleInfo {
            id,
            source,
            domain,
            label_source,
            image_blake3,
            label_blake3,
            width,
            height,
            stored_bytes,
        };
        let mut head = Self { info, codec, rgb: vec![], labels: vec![], presence: vec![] };
        tile_table::parse(&mut head, rest, length)?;
        Ok((head, length))
    }

    /// The sample's RGB and label grids.
    pub(crate) fn grids(&self) -> (Grid, Grid) {
        let (width, height) = (self.info.width, self.info.height);
        (self.codec.rgb_grid(width, height), Grid::labels(width, height))
    }

    /// Length of the head in bytes.
    pub(crate) fn length(&self) -> usize {
        // The first tile follows the head.
        self.rgb[0].offset as usize
    }

    /// Whether `bytes` start with this head.
    pub(crate) fn starts(&self, bytes: &[u8], version: Version) -> bool {
        // Every byte of a head is read or has only one value that is let through.
        Self::parse(bytes, version).is_ok_and(|(head, _)| head == *self)
    }

    /// Union of the class-presence bitsets.
    pub(crate) fn all_presence(&self) -> u32 {
        self.presence.iter().fold(0, |union, bits| union | bits)
    }
}

fn check_reserved(block: &Block, version: Version) -> Result<(), FieldFault> {
    let is_used = |at: &usize| version != Version::One && LABEL_SOURCE_LENGTH.contains(at);
    let mut reserved = (CODEC_OFFSET + 1..block::CHECKSUM_OFFSET).filter(|at| !is_used(at));
    match reserved.find(|at| block[*at] != 0) {
        Some(at) => Err(FieldFault::new(at, "reserved byte", block[at], 0)),
        None => Ok(()),
    }
}

/// Reads the texts at the end of `rest`, which is long enough for them.
fn parse_texts(
    rest: &[u8],
    lengths: [usize; 4],
    head_length: usize,
) -> Result<[String; 4], FieldFault> {
    let mut texts = [const { String::new() }; 4];
    let mut start = rest.len() - lengths.iter().sum::<usize>();
    for ((text, length), at) in texts.iter_mut().zip(lengths).zip(TEXT_LENGTH_OFFSETS) {
        if length > MAX_TEXT_BYTES {
            let expected = format!("at most {MAX_TEXT_BYTES}");
            return Err(FieldFault::new(at, "text length", length, expected));
        }
        let bytes = &rest[start..start + length];
        *text = str::from_utf8(bytes)
            .map_err(|error| {
                let offset = head_length - rest.len() + start;
                FieldFault::new(offset, "text", error, "UTF-8")
            })?
            .to_owned();
        start += length;
    }
    if texts[0].is_empty() {
        return Err(FieldFault::new(TEXT_LENGTH_OFFSETS[0], "id length", 0, "1 or more"));
    }
    Ok(texts)
}

/// Reads the hashes in front of the texts at the end of `rest`; version 1 has none.
fn parse_hashes(rest: &[u8], text_bytes: usize, version: Version) -> [[u8; 32]; 2] {
    if version == Version::One {
        return [[0; 32]; 2];
    }
    let start = rest.len() - text_bytes - PROVENANCE_LENGTH;
    [start, start + 32].map(|start| std::array::from_fn(|index| rest[start + index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SampleHead {
        let length = head_length(Version::Two, Codec::GradientZstd, (300, 1), 9) as u32;
        let tile = |offset, length| Tile { offset, length, checksum: 7 };
        SampleHead {
            info: SampleInfo {
                id: "a".into(),
                source: "b.pn".into(),
                domain: "c".into(),
                label_source: "d.g".into(),
                image_blake3: [1; 32],
                label_blake3: [2; 32],
                width: 300,
                height: 1,
                stored_bytes: u64::from(length) + 60,
            },
            codec: Codec::GradientZstd,
            rgb: vec![tile(length, 10), tile(length + 10, 20), tile(length + 30, 5)],
            labels: vec![
                tile(length + 35, 25),
                Tile { offset: length + 60, length: 0, checksum: 0 },
            ],
            presence: vec![3, 1 << 31],
        }
    }

    /// `head` with its bytes altered and the checksum made right again.
    fn altered(change: impl FnOnce(&mut [u8])) -> Result<(SampleHead, usize), FieldFault> {
        let mut bytes = head().encode();
        change(&mut bytes);
        let mut block: Block = *bytes.first_chunk().unwrap();
        block::seal(&mut block, &bytes[BLOCK_LENGTH..]);
        bytes[..BLOCK_LENGTH].copy_from_slice(&block);
        SampleHead::parse(&bytes, Version::Two)
    }

    #[test]
    fn a_head_comes_back_from_its_bytes() {
        let bytes = head().encode();
        let followed = [&bytes, b"next head".as_slice()].concat();
        let (parsed, length) = SampleHead::parse(&followed, Version::Two).unwrap();
        assert_eq!(parsed, head());
        assert_eq!(length, bytes.len());
    }

    #[test]
    fn a_head_of_this_version_is_no_head_of_version_1() {
        let fault = SampleHead::parse(&head().encode(), Version::One).unwrap_err();
        assert_eq!((fault.field, fault.offset), ("reserved byte", 32));
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = head().encode();
        for length in 0..bytes.len() {
            assert!(SampleHead::parse(&bytes[..length], Version::Two).is_err(), "length {length}");
        }
    }

    #[test]
    fn lies_under_a_correct_checksum_are_refused() {
        let lies: [(&str, usize, &[u8]); 12] = [
            ("head length", 4, &u32::MAX.to_le_bytes()),
            ("record length", 8, &u64::MAX.to_le_bytes()),
            ("width", 16, &0u32.to_le_bytes()),
            ("height", 20, &u32::MAX.to_le_bytes()),
            ("id length", 24, &[0, 0, 5, 0]),
            ("head length", 32, &u16::MAX.to_le_bytes()),
            ("codec id", 30, &[3]),
            ("reserved byte", 31, &[1]),
            ("reserved byte", 34, &[1]),
            ("offset of the first tile", 64, &0u32.to_le_bytes()),
            ("tile length", 72, &u32::MAX.to_le_bytes()),
            ("tile offset", 72, &0u32.to_le_bytes()),
        ];
        for (field, offset, lie) in lies {
            let fault = altered(|bytes| bytes[offset..offset + lie.len()].copy_from_slice(lie))
                .unwrap_err();
            assert_eq!(fault.field, field, "{fault:?}");
        }
    }

    #[test]
    fn a_uniform_tile_needs_exactly_one_presence_bit() {
        let presence = 64 + 3 * 8 + 12 + 8;
        assert_eq!(altered(|bytes| bytes[presence] = 1).unwrap_err().field, "uniform label tile");
        assert_eq!(
            altered(|bytes| bytes[presence + 3] = 0).unwrap_err().field,
            "uniform label tile"
        );
    }

    #[test]
    fn an_image_beyond_the_area_limit_is_refused() {
        assert!(size_fault(32_768, 8192).is_none());
        assert_eq!(size_fault(32_768, 8193).unwrap().0, "width times height");
        assert_eq!(size_fault(32_769, 1).unwrap().0, "width");
    }
}
