//! Measures decoding, random crops and encoding on this machine.

mod material;
mod stopwatch;

use std::io;
use std::path::PathBuf;

use datasets::{DatasetError, Listing, Manifest, Pair, SampleError};
use serde::Serialize;
use shard_format::{Dataset, Decoder, Preset, ReadError, Window, WriteError};

use crate::choice::{drawn, hash};
use crate::summary::{bytes_shown, table};

use material::{Material, TemporaryFolder};
use stopwatch::Crew;

pub use stopwatch::Cost;

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// Samples to measure with.
    pub count: usize,
    /// Another number takes other samples and crops.
    pub seed: u64,
    /// Edge of the random crops in pixels.
    pub crop: u32,
    /// Threads of the parallel measurements; `None` takes one per core.
    pub threads: Option<usize>,
    /// Least time of each measurement in seconds.
    pub seconds: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The shards cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The manifest or the dataset's folder cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A source file cannot be used.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A sample cannot be encoded or written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The split is empty.
    #[error("{}: no sample that can be packed, expected at least one to measure with", root.display())]
    NoSamples {
        /// The dataset's folder.
        root: PathBuf,
    },
    /// There is no room for temporary files.
    #[error(
        "{}: cannot be made: {source}; hint: TMPDIR names the folder for temporary files",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
}

/// All measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The dataset's name.
    pub dataset: String,
    /// Its split.
    pub split: String,
    /// Samples measured with.
    pub samples: usize,
    /// Mean bytes of a sample's pixels and labels, not compressed.
    pub plain_bytes: u64,
    /// Edge of the random crops in pixels; smaller images are taken whole.
    pub crop: u32,
    /// How large each preset makes the samples.
    pub sizes: Vec<Size>,
    /// What each kind of work costs.
    pub costs: Vec<Measured>,
}

/// How large a preset makes the samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Size {
    /// The preset.
    pub preset: Preset,
    /// Mean bytes of a sample in its shard.
    pub bytes: u64,
    /// Bytes of pixels and labels over bytes in the shard.
    pub ratio: f64,
}

/// What one kind of work costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// What was worked on: `as packed`, `source files`, or a preset.
    pub what: String,
    /// What was done.
    pub work: &'static str,
    /// What it costs.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Measures with samples of a packed dataset: as packed, and with every preset.
///
/// # Errors
/// See [`BenchError`].
pub fn bench_dataset(dataset: &Dataset, options: &BenchOptions) -> Result<Report, BenchError> {
    let places = drawn(dataset.len(), options.count, options.seed);
    let material = Material::of_dataset(dataset, &places)?;
    let mut bench = Bench::new(material, options)?;
    let preset = dataset.index().preset;
    bench.read(&format!("as packed ({preset})"), dataset, &places)?;
    bench.presets()?;
    Ok(bench.report)
}

/// Measures with files of a dataset's folder: reading them, and every preset.
///
/// # Errors
/// See [`BenchError`].
pub fn bench_files(
    manifest: &Manifest,
    listing: &Listing,
    (root, split): (&std::path::Path, &str),
    options: &BenchOptions,
) -> Result<Report, BenchError> {
    let places = drawn(listing.pairs.len(), options.count, options.seed);
    let pairs: Vec<Pair> = places.iter().map(|&place| listing.pairs[place].clone()).collect();
    let (material, pairs) = Material::of_files(manifest, split, &pairs);
    if pairs.is_empty() {
        return Err(BenchError::NoSamples { root: root.into() });
    }
    let mut bench = Bench::new(material, options)?;
    bench.measure("source files", "decode image and labels", &|item, _| {
        let decoded = manifest.read_pair(&pairs[item % pairs.len()])?;
        Ok((decoded.rgb.len() + decoded.train_ids.len()) as u64)
    })?;
    bench.presets()?;
    Ok(bench.report)
}

/// Measurements under way.
struct Bench {
    material: Material,
    options: BenchOptions,
    /// One thread, and all of them if that is another number.
    crews: Vec<Crew>,
    report: Report,
}

impl Bench {
    fn new(material: Material, options: &BenchOptions) -> Result<Self, BenchError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let all = options.threads.unwrap_or_else(cores);
        let mut crews = vec![Crew::new(1, options.seconds)?];
        if all > 1 {
            crews.push(Crew::new(all, options.seconds)?);
        }
        let report = Report {
            dataset: material.info.name.clone(),
            split: material.info.split.clone(),
            samples: material.samples.len(),
            plain_bytes: material.plain_bytes() / material.samples.len() as u64,
            crop: options.crop,
            sizes: Vec::new(),
            costs: Vec::new(),
        };
        Ok(Self { material, options: *options, crews, report })
    }

    /// Encodes with every preset, and decodes what came out.
    fn presets(&mut self) -> Result<(), BenchError> {
        for preset in self.material.presets() {
            let samples = &self.material.samples;
            let costs = measure_all(&self.crews, samples.len(), &|item, _| {
                let sample = &samples[item % samples.len()];
                std::hint::black_box(sample.encode(preset)?);
                Ok(sample.plain_bytes())
            })?;
            self.record(&preset.to_string(), "encode", costs);
            let folder = TemporaryFolder::new()?;
            self.material.write(preset, folder.path())?;
            let dataset = Dataset::open(folder.path())?;
            let places: Vec<usize> = (0..dataset.len()).collect();
            self.record_size(preset, &dataset);
            self.read(&preset.to_string(), &dataset, &places)?;
        }
        Ok(())
    }

    fn record_size(&mut self, preset: Preset, dataset: &Dataset) {
        let stored = (0..dataset.len()).map(|index| dataset.sample(index).stored_bytes);
        let stored: u64 = stored.sum();
        let ratio = self.material.plain_bytes() as f64 / stored as f64;
        let bytes = stored / dataset.len() as u64;
        self.report.sizes.push(Size { preset, bytes, ratio });
    }

    /// Decodes whole samples and random crops.
    fn read(&mut self, what: &str, dataset: &Dataset, places: &[usize]) -> Result<(), BenchError> {
        self.measure_on(what, "decode image", places.len(), &|item, decoder| {
            let index = places[item % places.len()];
            let info = dataset.sample(index);
            let window = Window::whole(info.width, info.height);
            let image = dataset.read_image(index, window, decoder)?;
            Ok(image.pixels.len() as u64)
        })?;
        let (crop, seed) = (self.options.crop, self.options.seed);
        self.measure_on(what, "decode random crop", places.len(), &|item, decoder| {
            let index = places[item % places.len()];
            let info = dataset.sample(index);
            let window = random_window((info.width, info.height), crop, seed, item as u64);
            let image = dataset.read_image(index, window, decoder)?;
            let labels = dataset.read_labels(index, window, decoder)?;
            Ok((image.pixels.len() + labels.train_ids.len()) as u64)
        })
    }

    fn measure(
        &mut self,
        what: &str,
        work: &'static str,
        item: &Work<'_>,
    ) -> Result<(), BenchError> {
        self.measure_on(what, work, self.material.samples.len(), item)
    }

    fn measure_on(
        &mut self,
        what: &str,
        work: &'static str,
        samples: usize,
        item: &Work<'_>,
    ) -> Result<(), BenchError> {
        let costs = measure_all(&self.crews, samples, item)?;
        self.record(what, work, costs);
        Ok(())
    }

    fn record(&mut self, what: &str, work: &'static str, costs: Vec<Cost>) {
        let measured = costs.into_iter().map(|cost| Measured { what: what.into(), work, cost });
        self.report.costs.extend(measured);
    }
}

/// Does one item and returns its bytes of pixels and labels.
type Work<'a> = dyn Fn(usize, &mut Decoder) -> Result<u64, BenchError> + Sync + 'a;

fn measure_all(crews: &[Crew], samples: usize, work: &Work<'_>) -> Result<Vec<Cost>, BenchError> {
    crews.iter().map(|crew| crew.measure(samples, work)).collect()
}

/// A square window of edge `crop` at a random place; a smaller image gives what it has.
fn random_window((width, height): (u32, u32), crop: u32, seed: u64, item: u64) -> Window {
    let (columns, rows) = (crop.min(width), crop.min(height));
    let place = |draw: u64, room: u32| (hash(seed, draw) % (u64::from(room) + 1)) as u32;
    Window {
        x: place(item * 2, width - columns),
        y: place(item * 2 + 1, height - rows),
        width: columns,
        height: rows,
    }
}

/// The measurements as tables for a terminal.
pub fn shown(report: &Report) -> String {
    let sizes = report.sizes.iter().map(|size| {
        [size.preset.to_string(), bytes_shown(size.bytes), format!("{:.2}", size.ratio)]
    });
    let sizes = table(["preset", "bytes per sample", "ratio"], sizes.collect());
    let costs = report.costs.iter().map(|Measured { what, work, cost }| {
        [
            what.clone(),
            (*work).into(),
            cost.threads.to_string(),
            format!("{:.1}", cost.per_second),
            format!("{:.0}", cost.megabytes_per_second),
            format!("{:.2}", cost.wall_ms),
            cost.processor_ms.map_or_else(|| "-".into(), |ms| format!("{ms:.2}")),
        ]
    });
    let header = ["what", "work", "threads", "per second", "MB/s", "wall ms", "CPU ms"];
    let costs = table(header, costs.collect());
    let Report { dataset, split, samples, plain_bytes, crop, .. } = report;
    let plain = bytes_shown(*plain_bytes);
    format!(
        "{dataset} ({split}): {samples} samples of {plain} pixels and labels each; crops of \
         {crop}x{crop}\n\n{sizes}\n{costs}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_windows_lie_inside_and_reach_both_ends() {
        let windows: Vec<Window> =
            (0..200).map(|item| random_window((10, 3), 4, 7, item)).collect();
        for window in &windows {
            assert!(window.lies_inside(10, 3), "{window:?}");
            assert_eq!((window.width, window.height, window.y), (4, 3, 0));
        }
        for x in [0, 6] {
            assert!(windows.iter().any(|window| window.x == x), "{x}");
        }
    }
}
