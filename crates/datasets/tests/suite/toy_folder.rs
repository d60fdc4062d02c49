//! Small dataset folders, written where a test wants them.

use std::path::{Path, PathBuf};

use datasets::{DatasetError, Listing, Manifest, Pair};
use png::{BitDepth, ColorType};
use tempfile::TempDir;

/// A folder that is gone after the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, its folders included.
    pub(crate) fn file(&self, relative: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(relative);
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).expect("folders can be made");
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    /// Writes empty files: enough where nothing is decoded.
    pub(crate) fn files(&self, paths: &[&str]) {
        for path in paths {
            self.file(path, "");
        }
    }

    /// The error's text with the folder's own path shortened to `ROOT`.
    pub(crate) fn error_of(&self, listed: Result<Listing, DatasetError>) -> String {
        let text = listed.expect_err("an error").to_string();
        text.replace(&self.path().display().to_string(), "ROOT")
    }
}

/// A manifest shipped with the project.
pub(crate) fn official(name: &str) -> Manifest {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data-manifests");
    Manifest::load(&folder.join(format!("{name}.toml"))).expect("a shipped manifest is valid")
}

/// A shipped manifest with another reading of its labels.
pub(crate) fn reading(name: &str, reading: &str) -> Manifest {
    official(name).with_reading(reading).expect("the manifest has the reading")
}

/// A manifest made of the given layout, encoding and ids, with the splits `train` and `val`.
pub(crate) fn manifest(layout: &str, labels: &str) -> Manifest {
    let folder = Folder::new();
    let text = format!(
        "name = \"toy\"\nmapping = \"toy/1\"\nlicense = \"none\"\n[layout]\n{layout}\n[labels]\n\
         {labels}\n[splits.train]\n[splits.val]\n"
    );
    Manifest::load(&folder.file("toy.toml", text)).expect("the test's manifest is valid")
}

/// A manifest with so many classes of its own, `c0` and on, and the given labels.
pub(crate) fn manifest_with_classes(classes: u32, labels: &str) -> Manifest {
    let folder = Folder::new();
    let classes: Vec<String> = (0..classes).map(|class| format!("\"c{class}\"")).collect();
    let text = format!(
        "name = \"toy\"\nmapping = \"toy/1\"\nlicense = \"none\"\nclasses = [{}]\n[layout]\n\
         images = [\"{{stem}}.png\"]\nlabels = [\"{{stem}}_l.png\"]\n[labels]\n{labels}\n\
         [splits.all]\n",
        classes.join(", ")
    );
    Manifest::load(&folder.file("toy.toml", text)).expect("the test's manifest is valid")
}

pub(crate) fn ids(listing: &Listing) -> Vec<&str> {
    listing.pairs.iter().map(|pair| pair.id.as_str()).collect()
}

/// A pair of the given files.
pub(crate) fn pair(image: PathBuf, label: PathBuf) -> Pair {
    let [image_relative, label_relative] = ["image".to_owned(), "label".to_owned()];
    Pair { id: "a".into(), image, label, image_relative, label_relative }
}

/// A PNG of the given stored samples.
pub(crate) fn png(width: u32, height: u32, color: ColorType, samples: &[u8]) -> Vec<u8> {
    png_of_depth(width, height, color, BitDepth::Eight, samples)
}

/// An image whose pixels differ, so that it is not taken for a blank one.
pub(crate) fn picture(width: u32, height: u32) -> Vec<u8> {
    let samples: Vec<u8> = (0..width * height * 3).map(|sample| (sample * 7 % 251) as u8).collect();
    png(width, height, ColorType::Rgb, &samples)
}

/// An 8-bit PNG of indices into a palette.
pub(crate) fn palette_png(width: u32, height: u32, palette: &[[u8; 3]], indices: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.concat());
    let mut writer = encoder.write_header().expect("a valid header");
    writer.write_image_data(indices).expect("samples of the header's size");
    writer.finish().expect("a complete file");
    bytes
}

pub(crate) fn png_of_depth(
    width: u32,
    height: u32,
    color: ColorType,
    depth: BitDepth,
    samples: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        // Colours far from the indices, so that reading colours would show.
        encoder.set_palette(vec![250; 3 * 64]);
    }
    let mut writer = encoder.write_header().expect("a valid header");
    writer.write_image_data(samples).expect("samples of the header's size");
    writer.finish().expect("a complete file");
    bytes
}
