//! Prints the time of every stage of one augmented sample, on frames drawn for the purpose.
//!
//! Run: `cargo run --release -p loader --example loader_bench [FOLDER]`, where FOLDER holds shards
//! of real frames; without it, noisy 2048x1024 scenes are packed into a temporary folder. Linux
//! only: the loader's CPU time is read from /proc.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use loader::{
    Augment, DomainSource, Filter, Level, Loader, LoaderOptions, Mode, SampleKey, SampleRenderer,
    Stage,
};
use shard_format::{
    Dataset, DatasetInfo, DatasetWriter, LabelMap, Preset, RgbImage, SampleMeta, WriterOptions,
    encode_sample,
};
use shard_store::StoreOptions;

const CROP: u32 = 768;
const SAMPLES: u64 = 100;
const REPEATS: u32 = 7;
const FRAMES: u32 = 6;

fn main() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| pack(&temporary.path().join("frames")), PathBuf::from);
    let dataset = Dataset::open(&folder).unwrap();
    println!(
        "ms per {CROP}x{CROP} sample, mean of {SAMPLES}, each stage the least of \
         {REPEATS} runs, {} frames",
        dataset.len()
    );
    let mut always = Augment::reference();
    always.jitter.probability = 1.0;
    let bilinear = Augment { image_filter: Filter::Bilinear, ..always };
    let exact = Augment { mode: Mode::Reference, ..always };
    for (name, augment) in [
        ("fast, jitter on every other sample", Augment::reference()),
        ("fast, jitter always", always),
        ("fast, jitter always, bilinear", bilinear),
        ("reference, jitter always", exact),
    ] {
        for level in Level::available() {
            bench_stages(&dataset, augment, level, name);
        }
    }
    bench_loader(&folder, always);
}

/// One renderer in this thread.
fn bench_stages(dataset: &Dataset, augment: Augment, level: Level, name: &str) {
    let pixels = (CROP * CROP) as usize;
    let (mut planes, mut labels) = (vec![0; 3 * pixels], vec![0; pixels]);
    let mut renderer = SampleRenderer::new(CROP, CROP, augment).with_level(level);
    let mut sums = [0.0; Stage::ALL.len()];
    for index in 0..SAMPLES {
        let key = SampleKey::new(1, "bench", 0, index);
        let sample = index as usize % dataset.len();
        // Whatever else the machine does can only make a run slower.
        let mut least = [f64::INFINITY; Stage::ALL.len()];
        for _ in 0..REPEATS {
            let mut secs = [0.0; Stage::ALL.len()];
            let mut last = Instant::now();
            let mut on_stage = |stage: Stage| {
                let now = Instant::now();
                secs[stage as usize] += now.duration_since(last).as_secs_f64();
                last = now;
            };
            renderer
                .render((dataset, sample), key, &mut planes, &mut labels, &mut on_stage)
                .unwrap();
            for (least, secs) in least.iter_mut().zip(secs) {
                *least = least.min(secs);
            }
        }
        for (sum, least) in sums.iter_mut().zip(least) {
            *sum += least;
        }
    }
    let millis = |secs: f64| secs / SAMPLES as f64 * 1e3;
    print!("{name}, {level:?}: ");
    for stage in Stage::ALL {
        print!("{} {:.2}, ", stage.name(), millis(sums[stage as usize]));
    }
    println!("sum {:.2}", millis(sums.iter().sum()));
}

/// The whole loader: CPU time of the process for each sample, copies into batches included.
fn bench_loader(folder: &Path, augment: Augment) {
    for workers in [1, 2] {
        let options = LoaderOptions {
            domains: vec![DomainSource {
                name: "bench".to_owned(),
                shards: vec![folder.to_owned()],
            }],
            store: StoreOptions::default(),
            samples_per_domain: 4,
            crop_width: CROP,
            crop_height: CROP,
            augment,
            seed: 1,
            workers,
            prefetch_batches: 2,
            first_batch: 0,
            end_batch: SAMPLES / 4,
        };
        let before = process_cpu_secs();
        let mut loader = Loader::start(options).unwrap();
        for batch in loader.by_ref() {
            batch.unwrap();
        }
        let (cpu, stats) = (process_cpu_secs() - before, loader.stats());
        println!(
            "loader, {workers} workers: {:.2} CPU ms per sample, {:.0} samples/s",
            cpu / stats.decoded_samples as f64 * 1e3,
            stats.samples_per_sec()
        );
    }
}

/// User and system ticks, fields 14 and 15 of stat, 100 a second; ended threads are included.
fn process_cpu_secs() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn pack(folder: &Path) -> PathBuf {
    let info = DatasetInfo {
        name: "frames".to_owned(),
        split: "train".to_owned(),
        domain: "bench".to_owned(),
        class_names: (0..19).map(|class| format!("class {class}")).collect(),
        ignore_id: 255,
        mapping: "none".to_owned(),
        license: "none".to_owned(),
    };
    let options = WriterOptions { max_shard_bytes: 1 << 28, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(folder, info, options).unwrap();
    let mut bytes = 0;
    for frame in 0..FRAMES {
        let id = format!("frame-{frame}");
        let meta = SampleMeta {
            source: id.clone(),
            id,
            domain: "bench".to_owned(),
            ..SampleMeta::default()
        };
        let (image, labels) = draw_frame(2048, 1024, frame);
        let sample = encode_sample(&meta, &image, &labels, Preset::Default).unwrap();
        bytes += sample.info().stored_bytes;
        writer.push(sample).unwrap();
    }
    writer.finish().unwrap();
    println!("packed {FRAMES} frames, {:.2} MB each", bytes as f64 / f64::from(FRAMES) / 1e6);
    folder.to_owned()
}

/// Smooth areas with 2 bits of noise, which compress about as street photographs do.
fn draw_frame(width: u32, height: u32, frame: u32) -> (RgbImage, LabelMap) {
    let (mut pixels, mut train_ids) = (Vec::new(), Vec::new());
    for y in 0..height {
        for x in 0..width {
            let area = (x / 173 + 3 * (y / 119) + 7 * frame) % 19;
            let shade =
                (x as f32 * 0.013 + area as f32).sin() * 40.0 + (y as f32 * 0.021).cos() * 30.0;
            let key = u64::from(frame) << 40 | u64::from(y) << 20 | u64::from(x);
            let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            for channel in 0..3 {
                let noise = (hash >> (40 + 2 * channel)) & 3;
                pixels.push((60 + area * 5 + noise as u32) as u8 + (shade + 70.0) as u8 / 2);
            }
            train_ids.push(area as u8);
        }
    }
    (RgbImage { width, height, pixels }, LabelMap { width, height, train_ids })
}
