//! Writes the samples of a packed dataset back as PNG files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use shard_format::{Dataset, Decoder, ReadError, Window};

use crate::choice::{UnknownSample, places_of};
use crate::png_file;

/// Why samples were not extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The shards cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no such sample.
    #[error(transparent)]
    Unknown(#[from] UnknownSample),
    /// The output folder holds something, or is a file.
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
    #[error(
        "{}: samples {first:?} and {second:?} would both be written to it, expected a file for \
         each; hint: extract them apart, with --id and another --out",
        path.display()
    )]
    SameFile {
        /// One sample's id.
        first: String,
        /// The other's.
        second: String,
        /// The file.
        path: PathBuf,
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

/// What to extract, and how.
#[derive(Debug, Clone, Copy)]
pub struct ExtractOptions<'a> {
    /// Ids of the samples; empty for all.
    pub ids: &'a [String],
    /// Whether a JPEG file that was passed through comes out as `ID.jpg`, byte for byte.
    pub keep_jpeg: bool,
}

/// Writes `ID.png` (RGB) and `ID_label.png` (8-bit grey train ids) of samples into `out`.
/// `location` is where `dataset` lies.
///
/// `/` in an id becomes `__`, and what a file name should not hold becomes `_`. `progress` is told
/// how many samples of how many are done, from any thread. Returns the number of samples.
///
/// # Errors
/// See [`ExtractError`].
pub fn extract(
    dataset: &Dataset,
    location: &Path,
    options: ExtractOptions<'_>,
    out: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<usize, ExtractError> {
    let places = match options.ids {
        [] => (0..dataset.len()).collect(),
        ids => places_of(dataset, location, ids)?,
    };
    let names = file_names(places.iter().map(|&index| dataset.sample(index).id.as_str()), out)?;
    let refuse = |path: &Path, source| ExtractError::Write { path: path.into(), source };
    if out.is_file() {
        return Err(ExtractError::NotEmpty { path: out.into() });
    }
    std::fs::create_dir_all(out).map_err(|error| refuse(out, error))?;
    let mut entries = std::fs::read_dir(out).map_err(|error| refuse(out, error))?;
    if entries.next().is_some() {
        return Err(ExtractError::NotEmpty { path: out.into() });
    }
    let (done, total) = (AtomicU64::new(0), places.len() as u64);
    let write = |decoder: &mut Decoder, (&index, name): (&usize, &String)| {
        let info = dataset.sample(index);
        let window = Window::whole(info.width, info.height);
        let jpeg = match options.keep_jpeg {
            true => dataset.source_jpeg(index, decoder)?,
            false => None,
        };
        let image = match jpeg {
            Some(file) => (out.join(format!("{name}.jpg")), file),
            None => {
                let image = png_file::rgb(&dataset.read_image(index, window, decoder)?);
                (out.join(image_file(name)), image)
            }
        };
        let labels = png_file::grey(&dataset.read_labels(index, window, decoder)?);
        for (path, bytes) in [image, (out.join(label_file(name)), labels)] {
            whole_file::write(&path, &bytes).map_err(|error| refuse(&path, error))?;
        }
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok::<(), ExtractError>(())
    };
    places.par_iter().zip(&names).try_for_each_init(Decoder::new, write)?;
    Ok(places.len())
}

fn image_file(name: &str) -> String {
    format!("{name}.png")
}

fn label_file(name: &str) -> String {
    format!("{name}_label.png")
}

/// One file name per id, all files in `out` distinct.
fn file_names<'a>(
    ids: impl Iterator<Item = &'a str>,
    out: &Path,
) -> Result<Vec<String>, ExtractError> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut names = Vec::new();
    for id in ids {
        let name = safe_name(id);
        for file in [image_file(&name), label_file(&name)] {
            if let Some(first) = owners.insert(file.clone(), id) {
                let (first, second) = (first.into(), id.into());
                return Err(ExtractError::SameFile { first, second, path: out.join(file) });
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
        let names = |ids: [&'static str; 2]| file_names(ids.into_iter(), Path::new("back"));
        assert_eq!(names(["a/b", "c"]).unwrap(), ["a__b", "c"]);
        let error = names(["a/b", "a__b"]).unwrap_err();
        insta::assert_snapshot!(error, @r#"back/a__b.png: samples "a/b" and "a__b" would both be written to it, expected a file for each; hint: extract them apart, with --id and another --out"#);
        let error = names(["x", "x_label"]).unwrap_err().to_string();
        assert!(error.starts_with("back/x_label.png: "), "{error}");
    }
}
