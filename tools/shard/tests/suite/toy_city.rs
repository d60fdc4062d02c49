//! A tiny dataset in a temporary folder, and the program run on it.

use std::path::{Path, PathBuf};

use clap::Parser;
use png::{BitDepth, ColorType};
use shard::cli::Cli;
use shard::commands;
use shard::pack::PackOptions;
use shard_format::WriterOptions;
use tempfile::TempDir;
use terminal::Outcome;

const MANIFEST: &str = r#"
name = "toy"
mapping = "toy-3/1"
license = "made for a test"
[layout]
images = ["images/{split}/{town}/{stem}.png"]
labels = ["labels/{split}/{town}/{stem}.png"]
[labels]
encoding = "grey-id"
ids = [
    { id = 1, name = "street", train = "road" },
    { id = 2, name = "sky", train = "sky" },
    { id = 9, name = "void", train = "ignore" },
]
[splits.train]
expected = [7]
[splits.val]
"#;

/// Train id of each stored id 1, 2 and 9.
pub(crate) fn train_id(stored: u8) -> u8 {
    match stored {
        1 => 0,
        2 => 10,
        _ => 255,
    }
}

pub(crate) struct ToyCity(TempDir);

/// What a run of the program gave.
pub(crate) struct Run {
    pub(crate) result: Result<Outcome, String>,
    pub(crate) output: String,
}

impl ToyCity {
    /// `samples` pictures of different and awkward sizes in the split `train`.
    pub(crate) fn new(samples: u32) -> Self {
        let city = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::write(city.path("toy.toml"), MANIFEST).expect("the manifest can be written");
        for index in 0..samples {
            let (width, height) = (1 + 37 * (index % 5), 3 + 61 * (index % 3));
            // Sizes repeat after 15 samples, pictures must not: equal files are left out.
            let mut pixels = image(width, height);
            pixels[0] = pixels[0].wrapping_add((index / 15) as u8);
            city.write_pixels(&format!("t/{index:02}"), width, height, &pixels);
            city.write_label(&format!("t/{index:02}"), width, height, &label(width, height));
        }
        city
    }

    /// `samples` pictures, packed into `packed`.
    pub(crate) fn packed(samples: u32) -> Self {
        let city = Self::new(samples);
        city.pack("packed", &[]).result.expect("a packed dataset");
        city
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    /// An image of the given pixels, `[height, width, 3]`.
    pub(crate) fn write_pixels(&self, id: &str, width: u32, height: u32, pixels: &[u8]) {
        let path = self.path(&format!("data/images/train/{id}.png"));
        write_png(&path, (width, height), ColorType::Rgb, pixels);
    }

    /// A picture that cannot be compressed, with a label.
    pub(crate) fn write_noise(&self, id: &str, width: u32, height: u32, seed: u64) {
        self.write_pixels(id, width, height, &noise(width, height, seed));
        self.write_label(id, width, height, &label(width, height));
    }

    pub(crate) fn write_label(&self, id: &str, width: u32, height: u32, stored: &[u8]) {
        let path = self.path(&format!("data/labels/train/{id}.png"));
        write_png(&path, (width, height), ColorType::Grayscale, stored);
    }

    /// Runs `shard` with these words; those that begin with `@` are paths in the city's folder.
    pub(crate) fn shard(&self, words: &[&str]) -> Run {
        let path = |word: &&str| match word.strip_prefix('@') {
            Some(relative) => self.path(relative).display().to_string(),
            None => (*word).to_owned(),
        };
        let words = std::iter::once("shard".to_owned()).chain(words.iter().map(path));
        let cli = Cli::try_parse_from(words).expect("a valid command line");
        let mut output = Vec::new();
        let result = commands::run(&cli, &mut output);
        Run {
            result: result.map_err(|error| self.relative(&error_shown(&error))),
            output: self.relative(&String::from_utf8_lossy(&output)),
        }
    }

    /// What a person reads who gives a command line that makes no sense.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let words = std::iter::once("shard").chain(words.iter().copied());
        Cli::try_parse_from(words).expect_err("an invalid command line").to_string()
    }

    /// `shard pack` of the split `train` into `out`, with more words.
    pub(crate) fn pack(&self, out: &str, more: &[&str]) -> Run {
        let words = ["pack", "--manifest", "@toy.toml", "--root", "@data", "--split", "train"];
        let out = format!("@{out}");
        self.shard(&[&words[..], &["--out", &out], more].concat())
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    pub(crate) fn exists(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    /// What the library packs: the split `train` into `out`, in small shards.
    pub(crate) fn options(&self, out: &str) -> PackOptions {
        let [manifest, root, out] = ["toy.toml", "data", out].map(|name| self.path(name));
        PackOptions {
            writer: WriterOptions { max_shard_bytes: 20_000, ..WriterOptions::default() },
            max_skipped: 1.0,
            threads: Some(2),
            ..PackOptions::new(manifest, root, "train", out)
        }
    }

    /// An error's text with paths below the city's folder.
    pub(crate) fn text(&self, error: &dyn std::error::Error) -> String {
        self.relative(&error.to_string())
    }

    /// Every file of a packed dataset, by name.
    pub(crate) fn packed_bytes(&self, dir: &str) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.path(dir)).expect("a folder");
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let bytes = std::fs::read(entry.path()).expect("a file");
                (entry.file_name().to_string_lossy().into_owned(), bytes)
            })
            .collect();
        files.sort();
        files
    }
}

/// The error and its causes, without a cause that the text before it names already, as the program
/// shows it.
fn error_shown(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (false, true) => text,
            (false, false) => format!("{text}: {cause}"),
        }
    })
}

/// The pixels of a picture: no two neighbours alike.
pub(crate) fn image(width: u32, height: u32) -> Vec<u8> {
    (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The pixels of a picture that cannot be compressed.
pub(crate) fn noise(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let mixed = |index: u32| {
        let mut z = (seed << 32 | u64::from(index)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 56) as u8
    };
    (0..width * height * 3).map(mixed).collect()
}

/// Stored ids 1, 2 and 9 in turn.
pub(crate) fn label(width: u32, height: u32) -> Vec<u8> {
    (0..width * height).map(|i| [1, 2, 9][(i / 7 % 3) as usize]).collect()
}

pub(crate) fn write_png(path: &Path, size: (u32, u32), color: ColorType, samples: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a valid header");
    writer.write_image_data(samples).expect("samples of the header's size");
    writer.finish().expect("a complete file");
    std::fs::write(path, bytes).expect("a file can be written");
}

/// Colour type, size and samples of a PNG.
pub(crate) fn read_png(path: &Path) -> (ColorType, (u32, u32), Vec<u8>) {
    let file = std::fs::File::open(path).expect("a PNG file");
    let decoder = png::Decoder::new(std::io::BufReader::new(file));
    let mut reader = decoder.read_info().expect("a PNG header");
    let mut samples = vec![0; reader.output_buffer_size().expect("a small picture")];
    let info = reader.next_frame(&mut samples).expect("a whole picture");
    (info.color_type, (info.width, info.height), samples)
}
