//! Writes the samples of a packed dataset back as PNG files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use png::{BitDepth, ColorType};
use rayon::prelude::*;
use shard_format::{Dataset, Decoder, ReadError, Window};

/// Why samples were not extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The shards cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output folder holds something.
    #[error(
        "{}: not empty, expected a new or empty folder; hint: name another folder, nothing is \
         ever overwritten",
        path.display()
    )]
    NotEmpty {
        /// The output folder.
        path: PathBuf,
    },
    /// Two samples would be written to one file.
    #[error("samples {first:?} and {second:?} would both be written to {file}")]
    SameFile {
        /// One sample's id.
        first: String,
        /// The other's.
        second: String,
        /// The file.
        file: String,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Writes `ID.png` (RGB) and `ID_label.png` (8-bit grey train ids) of every sample into `out`.
///
/// `/` in an id becomes `__`, and what a file name should not hold becomes `_`. `progress` is told
/// how many samples of how many are done, from any thread. Returns the number of samples.
///
/// # Errors
/// See [`ExtractError`].
pub fn extract(
    dir: &Path,
    out: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<u64, ExtractError> {
    let dataset = Dataset::open(dir)?;
    let names = file_names((0..dataset.len()).map(|index| dataset.sample(index).id.as_str()))?;
    let refuse = |path: &Path, source| ExtractError::Write { path: path.into(), source };
    std::fs::create_dir_all(out).map_err(|error| refuse(out, error))?;
    let mut entries = std::fs::read_dir(out).map_err(|error| refuse(out, error))?;
    if entries.next().is_some() {
        return Err(ExtractError::NotEmpty { path: out.into() });
    }
    let done = AtomicU64::new(0);
    names.par_iter().enumerate().try_for_each_init(Decoder::new, |decoder, (index, name)| {
        let sample = dataset.sample(index);
        let (width, height) = (sample.width, sample.height);
        let window = Window { x: 0, y: 0, width, height };
        let image = dataset.read_image(index, window, decoder)?;
        let labels = dataset.read_labels(index, window, decoder)?;
        for (path, color, samples) in [
            (out.join(image_file(name)), ColorType::Rgb, &image.pixels),
            (out.join(label_file(name)), ColorType::Grayscale, &labels.train_ids),
        ] {
            write_png(&path, (width, height), color, samples)
                .map_err(|error| refuse(&path, error))?;
        }
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, names.len() as u64);
        Ok::<(), ExtractError>(())
    })?;
    Ok(names.len() as u64)
}

fn image_file(name: &str) -> String {
    format!("{name}.png")
}

fn label_file(name: &str) -> String {
    format!("{name}_label.png")
}

/// One file name per id, all files distinct.
fn file_names<'a>(ids: impl Iterator<Item = &'a str>) -> Result<Vec<String>, ExtractError> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut names = Vec::new();
    for id in ids {
        let name = safe_name(id);
        for file in [image_file(&name), label_file(&name)] {
            if let Some(first) = owners.insert(file.clone(), id) {
                let (first, second) = (first.into(), id.into());
                return Err(ExtractError::SameFile { first, second, file });
            }
        }
        names.push(name);
    }
    Ok(names)
}

/// The id as one visible component of a path on any system.
fn safe_name(id: &str) -> String {
    let joined = id.replace('/', "__");
    let unsafe_in_names = |c: char| c.is_control() || r#"\:*?"<>|"#.contains(c);
    let mut name: String =
        joined.chars().map(|c| if unsafe_in_names(c) { '_' } else { c }).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    name
}

/// Writes aside and renames, so that no half-written file has the final name.
fn write_png(path: &Path, size: (u32, u32), color: ColorType, samples: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("png.partial");
    let mut file = BufWriter::new(File::create(&aside)?);
    let mut encoder = png::Encoder::new(&mut file, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()?;
    file.flush()?;
    drop(file);
    std::fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leaves_the_output_folder_or_hides() {
        assert_eq!(safe_name("frankfurt/frankfurt_000000"), "frankfurt__frankfurt_000000");
        assert_eq!(safe_name("../../etc/passwd"), "_.__..__etc__passwd");
        assert_eq!(safe_name("/root\\x\n"), "__root_x_");
        assert_eq!(safe_name("--NSVcUgfVhFd6uzkqHOOg"), "--NSVcUgfVhFd6uzkqHOOg");
    }

    #[test]
    fn ids_that_would_share_a_file_are_refused_before_anything_is_written() {
        assert_eq!(file_names(["a/b", "c"].into_iter()).unwrap(), ["a__b", "c"]);
        let error = file_names(["a/b", "a__b"].into_iter()).unwrap_err().to_string();
        assert_eq!(error, "samples \"a/b\" and \"a__b\" would both be written to a__b.png");
        let error = file_names(["x", "x_label"].into_iter()).unwrap_err().to_string();
        assert!(error.ends_with("x_label.png"), "{error}");
    }
}
