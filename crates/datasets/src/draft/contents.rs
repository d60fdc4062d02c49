//! Looks into the label files of a folder whose manifest is being drafted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};
use serde::Deserialize;

use crate::label_file::stored_values;
use crate::png_file::{self, Samples};
use crate::source_file::{MAX_ANNOTATION_BYTES, MAX_PICTURE_BYTES};
use crate::{Pair, image_file, source_file};

/// Labels that are decoded; of more, as many spread evenly.
const DECODED_LABELS: usize = 200;

/// Different colours beyond which a picture is a photograph.
const MAX_COLOURS: usize = 1024;

/// Bytes in which the header of a PNG and the beginning of a JSON file lie.
const HEADER_BYTES: u64 = 4096;

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileKind {
    /// JPEG.
    Jpeg,
    /// PNG, 8-bit grey.
    Grey,
    /// PNG with a palette.
    Palette,
    /// Of several labels, some grey and some with a palette.
    GreyOrPalette,
    /// PNG, 8-bit RGB.
    Rgb,
    /// PNG, 8-bit RGB with nothing but zeros in green and blue.
    Red,
    /// PNG, 16-bit RGB.
    Sixteen,
    /// Objects with polygons.
    Polygons,
    /// PNG of another kind.
    Other,
}

impl FileKind {
    pub(super) fn may_be_image(self) -> bool {
        matches!(self, Self::Jpeg | Self::Grey | Self::Palette | Self::Rgb)
    }

    pub(super) fn may_be_label(self) -> bool {
        !matches!(self, Self::Jpeg | Self::Other)
    }
}

/// What the labels hold.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) ids: BTreeSet<u16>,
    pub(super) colours: BTreeSet<[u8; 3]>,
    /// Names of polygon objects.
    pub(super) objects: BTreeSet<String>,
    /// The colour that a palette gives to an id, the first found.
    pub(super) shown: BTreeMap<u16, [u8; 3]>,
    pub(super) notes: Vec<String>,
}

#[derive(Deserialize)]
struct Annotation {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    label: String,
}

/// The kind of a file, if it can be read and has one.
pub(super) fn file_kind(path: &Path) -> Option<FileKind> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(HEADER_BYTES).read_to_end(&mut bytes).ok()?;
    if bytes.starts_with(jpeg_image::SIGNATURE) {
        return Some(FileKind::Jpeg);
    }
    if bytes.first() == Some(&b'{') {
        let bytes = source_file::read(path, MAX_ANNOTATION_BYTES).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let is_annotation =
            text.contains("\"imgWidth\"") && serde_json::from_str::<Annotation>(&text).is_ok();
        return is_annotation.then_some(FileKind::Polygons);
    }
    let (color, depth) = png_file::format(path, &bytes).ok()?;
    Some(match (color, depth) {
        (ColorType::Indexed, _) => FileKind::Palette,
        (ColorType::Grayscale, BitDepth::Eight) => FileKind::Grey,
        (ColorType::Rgb | ColorType::Rgba, BitDepth::Eight) => {
            let samples = decoded(path)?;
            let mut pixels = samples.bytes.chunks_exact(samples.color.samples());
            let red = pixels.all(|pixel| pixel[1] == 0 && pixel[2] == 0);
            if red { FileKind::Red } else { FileKind::Rgb }
        }
        (ColorType::Rgb | ColorType::Rgba | ColorType::GrayscaleAlpha, BitDepth::Sixteen) => {
            FileKind::Sixteen
        }
        _ => FileKind::Other,
    })
}

/// How many colours a picture has, as far as that matters.
pub(super) fn colours_in(path: &Path) -> Option<usize> {
    let bytes = source_file::read(path, MAX_PICTURE_BYTES).ok()?;
    if bytes.starts_with(png_file::SIGNATURE) {
        let samples = decoded(path)?;
        if samples.color == ColorType::Indexed {
            return Some(stored_values(&samples).into_iter().collect::<BTreeSet<_>>().len());
        }
        return Some(distinct(&samples.bytes, samples.bytes_per_pixel()));
    }
    Some(distinct(&image_file::decode_image(path, &bytes).ok()?.pixels, 3))
}

fn distinct(bytes: &[u8], per_pixel: usize) -> usize {
    let mut found: BTreeSet<&[u8]> = BTreeSet::new();
    let mut last: &[u8] = &[];
    for pixel in bytes.chunks_exact(per_pixel.max(1)) {
        if pixel != last {
            last = pixel;
            found.insert(pixel);
            if found.len() > MAX_COLOURS {
                break;
            }
        }
    }
    found.len()
}

/// What the labels of the pairs hold, of very many a part; nothing if not one can be decoded.
pub(super) fn collect(pairs: &[Pair], kind: FileKind) -> Option<Contents> {
    let mut contents = Contents::default();
    let step = pairs.len().div_ceil(DECODED_LABELS).max(1);
    let mut decoded = 0;
    for pair in pairs.iter().step_by(step) {
        let read = match kind {
            FileKind::Polygons => contents.add_polygons(&pair.label),
            _ => contents.add_png(&pair.label, kind),
        };
        if read.is_some() {
            decoded += 1;
        } else {
            contents.notes.push(format!("{}: not read as a label", pair.label_relative));
        }
    }
    if decoded == 0 {
        return None;
    }
    if step > 1 {
        contents.notes.push(format!(
            "ids are those of {decoded} of {} labels; others may hold more, and packing tells",
            pairs.len()
        ));
    }
    Some(contents)
}

impl Contents {
    fn add_polygons(&mut self, path: &Path) -> Option<()> {
        let bytes = source_file::read(path, MAX_ANNOTATION_BYTES).ok()?;
        let annotation: Annotation = serde_json::from_slice(&bytes).ok()?;
        self.objects.extend(annotation.objects.into_iter().map(|object| object.label));
        Some(())
    }

    fn add_png(&mut self, path: &Path, kind: FileKind) -> Option<()> {
        let samples = decoded(path)?;
        if kind == FileKind::Rgb {
            let colours = samples.bytes.chunks_exact(samples.color.samples());
            let colours: BTreeSet<[u8; 3]> = colours.map(|c| [c[0], c[1], c[2]]).collect();
            if colours.len() > MAX_COLOURS {
                return None;
            }
            self.colours.extend(colours);
            return Some(());
        }
        let ids: BTreeSet<u16> = stored_values(&samples).into_iter().collect();
        for &id in &ids {
            let palette = samples.palette.as_deref().unwrap_or_default();
            if let Some([r, g, b]) = palette.chunks_exact(3).nth(usize::from(id)) {
                self.shown.entry(id).or_insert([*r, *g, *b]);
            }
        }
        self.ids.extend(ids);
        Some(())
    }
}

fn decoded(path: &Path) -> Option<Samples> {
    let bytes = source_file::read(path, MAX_PICTURE_BYTES).ok()?;
    png_file::decode(path, &bytes, Transformations::IDENTITY, |_, _| Ok(())).ok()
}
