//! The head of a sample: its size, metadata and tile table.

use crate::block::{self, BLOCK_LENGTH, Block, FieldFault, put, u16_at, u32_at, u64_at};
use crate::grid::{Cell, Grid, Plane};
use crate::image::SampleInfo;
use crate::label_tile::only_value;
use crate::preset::Codec;

/// Largest width and height, in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Largest width times height; keeps every offset inside a record below 2^32.
pub const MAX_AREA: u64 = 1 << 28;
/// Longest id, source path and domain, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 4096;

const MAGIC: &[u8; 4] = b"SMPL";
const RGB_ENTRY_LENGTH: usize = 8;
const LABEL_ENTRY_LENGTH: usize = 12;
/// Offsets in the fixed part.
const HEAD_LENGTH_OFFSET: usize = 4;
const RECORD_LENGTH_OFFSET: usize = 8;
const WIDTH_OFFSET: usize = 16;
const HEIGHT_OFFSET: usize = 20;
const TEXT_LENGTH_OFFSETS: [usize; 3] = [24, 26, 28];
const CODEC_OFFSET: usize = 30;
const RESERVED_OFFSET: usize = 31;

/// Where a tile's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Bytes from the start of the record.
    pub(crate) offset: u32,
    /// Bytes stored; 0 for a uniform label tile.
    pub(crate) length: u32,
    /// CRC-32C of the bytes stored.
    pub(crate) checksum: u32,
}

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
pub(crate) fn head_length(width: u32, height: u32, text_bytes: usize) -> usize {
    BLOCK_LENGTH
        + Grid::rgb(width, height).count() * RGB_ENTRY_LENGTH
        + Grid::labels(width, height).count() * LABEL_ENTRY_LENGTH
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
    /// The texts in the order in which they are stored.
    fn texts(info: &SampleInfo) -> [&str; 3] {
        [&info.id, &info.source, &info.domain]
    }

    /// The head's bytes; sizes and texts are within the limits.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        for tile in &self.rgb {
            rest.extend(tile.offset.to_le_bytes());
            rest.extend(tile.checksum.to_le_bytes());
        }
        for (tile, presence) in self.labels.iter().zip(&self.presence) {
            rest.extend(tile.offset.to_le_bytes());
            rest.extend(tile.checksum.to_le_bytes());
            rest.extend(presence.to_le_bytes());
        }
        let mut block: Block = [0; BLOCK_LENGTH];
        for (text, offset) in Self::texts(&self.info).into_iter().zip(TEXT_LENGTH_OFFSETS) {
            rest.extend(text.as_bytes());
            put(&mut block, offset, &(text.len() as u16).to_le_bytes());
        }
        put(&mut block, 0, MAGIC);
        put(&mut block, HEAD_LENGTH_OFFSET, &((BLOCK_LENGTH + rest.len()) as u32).to_le_bytes());
        put(&mut block, RECORD_LENGTH_OFFSET, &self.info.stored_bytes.to_le_bytes());
        put(&mut block, WIDTH_OFFSET, &self.info.width.to_le_bytes());
        put(&mut block, HEIGHT_OFFSET, &self.info.height.to_le_bytes());
        put(&mut block, CODEC_OFFSET, &[self.codec.id()]);
        block::seal(&mut block, &rest);
        [block.as_slice(), &rest].concat()
    }

    /// Parses the head at the start of `bytes` and returns it with its length in bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, usize), FieldFault> {
        let block: &Block = bytes
            .first_chunk()
            .ok_or_else(|| FieldFault::new(0, "sample head", bytes.len(), "64 bytes or more"))?;
        if &block[..4] != MAGIC {
            return Err(FieldFault::new(0, "sample magic", block[..4].escape_ascii(), "SMPL"));
        }
        let length = u32_at(block, HEAD_LENGTH_OFFSET) as usize;
        let rest = bytes.get(BLOCK_LENGTH..length).ok_or_else(|| {
            FieldFault::new(
                HEAD_LENGTH_OFFSET,
                "head length",
                length,
                format!("64 to {}", bytes.len()),
            )
        })?;
        block::check_seal(block, rest, "sample head checksum")?;
        if let Some(at) = (RESERVED_OFFSET..block::CHECKSUM_OFFSET).find(|at| block[*at] != 0) {
            return Err(FieldFault::new(at, "reserved byte", block[at], 0));
        }

        let (width, height) = (u32_at(block, WIDTH_OFFSET), u32_at(block, HEIGHT_OFFSET));
        if let Some((field, found, expected)) = size_fault(width, height) {
            return Err(FieldFault::new(WIDTH_OFFSET, field, found, expected));
        }
        let codec = Codec::from_id(block[CODEC_OFFSET]).ok_or_else(|| {
            FieldFault::new(CODEC_OFFSET, "codec id", block[CODEC_OFFSET], "0 or 1")
        })?;
        let text_lengths = TEXT_LENGTH_OFFSETS.map(|offset| usize::from(u16_at(block, offset)));
        let implied = head_length(width, height, text_lengths.iter().sum());
        if length != implied {
            return Err(FieldFault::new(HEAD_LENGTH_OFFSET, "head length", length, implied));
        }
        let texts = parse_texts(rest, text_lengths, length)?;
        let stored_bytes = u64_at(block, RECORD_LENGTH_OFFSET);
        let [id, source, domain] = texts;
        let info = SampleInfo { id, source, domain, width, height, stored_bytes };
        let mut head = Self { info, codec, rgb: vec![], labels: vec![], presence: vec![] };
        head.parse_tables(rest, length)?;
        Ok((head, length))
    }

    /// Reads both tile tables from the start of `rest`, which is long enough for them.
    fn parse_tables(&mut self, rest: &[u8], head_length: usize) -> Result<(), FieldFault> {
        let (rgb, labels) = self.grids();
        let (rgb_table, rest) = rest.split_at(rgb.count() * RGB_ENTRY_LENGTH);
        let label_table = &rest[..labels.count() * LABEL_ENTRY_LENGTH];
        let word = |entry: &[u8], at: usize| {
            u32::from_le_bytes(std::array::from_fn(|index| entry[at * 4 + index]))
        };
        let (rgb_entries, label_entries) = (
            rgb_table.chunks_exact(RGB_ENTRY_LENGTH),
            label_table.chunks_exact(LABEL_ENTRY_LENGTH),
        );
        self.presence = label_entries.clone().map(|entry| word(entry, 2)).collect();

        let offsets: Vec<u32> =
            rgb_entries.clone().chain(label_entries.clone()).map(|entry| word(entry, 0)).collect();
        let Ok(end) = u32::try_from(self.info.stored_bytes) else {
            return Err(FieldFault::new(
                RECORD_LENGTH_OFFSET,
                "record length",
                self.info.stored_bytes,
                "below 2^32",
            ));
        };
        if offsets[0] as usize != head_length {
            return Err(FieldFault::new(
                BLOCK_LENGTH,
                "offset of the first tile",
                offsets[0],
                head_length,
            ));
        }
        let ends = offsets.iter().skip(1).copied().chain([end]);
        let checksums = rgb_entries.chain(label_entries).map(|entry| word(entry, 1));
        let tiles = offsets.iter().zip(ends).zip(checksums);
        for (cell, ((offset, end), checksum)) in rgb.cells().chain(labels.cells()).zip(tiles) {
            let length = end.checked_sub(*offset).ok_or_else(|| {
                FieldFault::new(BLOCK_LENGTH, "tile offset", end, format!("{offset} or more"))
            })?;
            let tile = Tile { offset: *offset, length, checksum };
            self.check_tile(&cell, tile)?;
            match cell.id.plane {
                Plane::Rgb => self.rgb.push(tile),
                Plane::Label => self.labels.push(tile),
            }
        }
        Ok(())
    }

    /// Checks that the tile's length is one the codec can have.
    fn check_tile(&self, cell: &Cell, tile: Tile) -> Result<(), FieldFault> {
        let raw_length = cell.raw_length();
        if tile.length == 0 && cell.id.plane == Plane::Label {
            let presence = self.presence[cell.index];
            if only_value(presence).is_none() || tile.checksum != 0 {
                return Err(FieldFault::new(
                    BLOCK_LENGTH,
                    "uniform label tile",
                    format!("presence {presence:08x}, checksum {:08x}", tile.checksum),
                    "one presence bit and checksum 0",
                ));
            }
            return Ok(());
        }
        let shortest = if self.codec == Codec::Raw { raw_length } else { 1 };
        if (shortest..=raw_length).contains(&(tile.length as usize)) {
            Ok(())
        } else {
            let expected = format!("{shortest} to {raw_length} bytes");
            Err(FieldFault::new(BLOCK_LENGTH, "tile length", tile.length, expected))
        }
    }

    /// The sample's RGB and label grids.
    pub(crate) fn grids(&self) -> (Grid, Grid) {
        let (width, height) = (self.info.width, self.info.height);
        (Grid::rgb(width, height), Grid::labels(width, height))
    }
}

/// Reads the texts at the end of `rest`, which is long enough for them.
fn parse_texts(
    rest: &[u8],
    lengths: [usize; 3],
    head_length: usize,
) -> Result<[String; 3], FieldFault> {
    let mut texts = [const { String::new() }; 3];
    let mut start = rest.len() - lengths.iter().sum::<usize>();
    for ((text, length), at) in texts.iter_mut().zip(lengths).zip(TEXT_LENGTH_OFFSETS) {
        if length > MAX_TEXT_BYTES {
            return Err(FieldFault::new(at, "text length", length, format!("{MAX_TEXT_BYTES}")));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SampleHead {
        let length = head_length(300, 1, 6) as u32;
        let tile = |offset, length| Tile { offset, length, checksum: 7 };
        SampleHead {
            info: SampleInfo {
                id: "a".into(),
                source: "b.pn".into(),
                domain: "c".into(),
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
        SampleHead::parse(&bytes)
    }

    #[test]
    fn a_head_comes_back_from_its_bytes() {
        let bytes = head().encode();
        let (parsed, length) =
            SampleHead::parse(&[&bytes, b"next head".as_slice()].concat()).unwrap();
        assert_eq!(parsed, head());
        assert_eq!(length, bytes.len());
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = head().encode();
        for length in 0..bytes.len() {
            assert!(SampleHead::parse(&bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn lies_under_a_correct_checksum_are_refused() {
        let lies: [(&str, usize, &[u8]); 9] = [
            ("head length", 4, &u32::MAX.to_le_bytes()),
            ("record length", 8, &u64::MAX.to_le_bytes()),
            ("width", 16, &0u32.to_le_bytes()),
            ("height", 20, &u32::MAX.to_le_bytes()),
            ("id length", 24, &[0, 0, 5, 0]),
            ("codec id", 30, &[2]),
            ("reserved byte", 31, &[1]),
            ("offset of the first tile", 64, &0u32.to_le_bytes()),
            ("tile offset", 72, &u32::MAX.to_le_bytes()),
        ];
        for (field, offset, lie) in lies {
            let fault = altered(|bytes| bytes[offset..offset + lie.len()].copy_from_slice(lie))
                .unwrap_err();
            assert!(fault.field == field || field == "tile offset", "{field}: {fault:?}");
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
