//! Batches without labels: which losses see none, and what a run counts.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use models::labels::LabelBatch;
use shard::pack::{PackOptions, pack};
use shard_store::StoreOptions;
use training::loading::LoadingLine;
use training::method::{CohesionResolution, LossWeights, Method, ReadWeights};
use training::metrics::MetricsLine;
use training::objective::Samples;
use training::run::{self, Machine, Observer};

use crate::episode::Episode;
use crate::golden::values;
use crate::toy::{Silent, Toy, project};

/// The samples with labels on odd rows alone, of which a nearest resize by 16 takes none.
fn without_labels_at_the_features(samples: &Samples) -> Samples {
    let LabelBatch { batch, height, width, .. } = samples.labels;
    let row = |at: usize| at / width % height;
    let train_ids = (0..batch * height * width).map(|at| if row(at) % 2 == 1 { 3 } else { 255 });
    let labels = LabelBatch { batch, height, width, train_ids: train_ids.collect() };
    Samples::new(samples.image.clone(), labels, 19)
}

#[test]
fn labels_that_vanish_at_the_features_are_an_empty_batch_for_the_losses_there_alone() {
    let released = Method { read: ReadWeights::Softmax, ..Method::released() };
    let at_labels = LossWeights { auxiliary: 0.0, ..released.losses };
    let at_features =
        Method { cohesion_resolution: CohesionResolution::Feature, losses: at_labels, ..released };
    for (name, method, empty_losses) in [
        ("auxiliary head", released, &["auxiliary", "total"][..]),
        ("cohesion at the features", at_features, &["cohesion", "total"]),
        ("all losses at the labels", Method { losses: at_labels, ..released }, &[]),
    ] {
        let mut episode = Episode::new(&method, [2, 64, 64]);
        assert_eq!(episode.step(&method).1.empty_batches(), 0, "{name}: with labels");
        for batches in 1..=2 {
            let empty = match batches {
                1 => &mut episode.meta_test,
                _ => &mut episode.meta_train,
            };
            *empty = without_labels_at_the_features(empty);
            let (state, report) = episode.step(&method);
            let expected = if empty_losses.is_empty() { 0 } else { batches };
            assert_eq!(report.empty_batches(), expected, "{name}");
            let outer = report.outer.as_ref().expect("an episode has an outer pass");
            for (loss, value) in &outer.losses {
                let is_nan = values(value)[0].is_nan();
                assert_eq!(is_nan, empty_losses.contains(loss), "{name}: {loss}");
            }
            let inner_nan = report.inner.losses.iter().any(|(_, loss)| values(loss)[0].is_nan());
            assert_eq!(inner_nan, expected == 2, "{name}");
            let parameters = state.parameters.iter().flat_map(values);
            assert!(parameters.into_iter().all(f64::is_finite), "{name}");
        }
    }
}

/// A toy city, most of whose GTAV frames have no label, and the override that names its sources.
fn toy_without_labels() -> (Toy, String) {
    let toy = Toy::new();
    let data = toy.path("data/gtav");
    for frame in 1..=4 {
        let path = data.join(format!("labels/{frame:05}.png"));
        let file = fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, 128, 64);
        // Number 0 of the palette is Cityscapes' "unlabeled".
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(&[0; 3][..]);
        encoder.write_header().unwrap().write_image_data(&[0; 128 * 64]).unwrap();
    }
    let out = toy.path("shards/blank");
    let manifest = project().join("data-manifests/gtav.toml");
    pack(&PackOptions::new(manifest, data, "all", &out), &|_, _| ()).unwrap();
    let sources = [toy.source("blank", ""), toy.source("synthia", "")].join(", ");
    (toy, format!("data.sources=[{sources}]"))
}

/// Copies the run's folder after some step, as it lies on disk after a crash.
struct CopiesAfter {
    step: u64,
    from: PathBuf,
    to: PathBuf,
    seen: Silent,
}

impl Observer for CopiesAfter {
    fn phase(&mut self, name: &str, done: u64, total: u64) {
        self.seen.phase(name, done, total);
    }

    fn advance(&mut self) {
        self.seen.advance();
        if self.seen.steps == self.step {
            fs::create_dir(&self.to).unwrap();
            for entry in fs::read_dir(&self.from).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), self.to.join(entry.file_name())).unwrap();
            }
        }
    }

    fn damaged(&mut self, faults: &[String]) {
        self.seen.damaged(faults);
    }

    fn logged(&mut self, line: &MetricsLine, loading: &LoadingLine) {
        self.seen.logged(line, loading);
    }
}

fn counts(run: &Path) -> Vec<u64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<MetricsLine>(line).unwrap().empty_batches)
        .collect()
}

#[test]
fn a_released_run_counts_empty_batches_between_its_lines_also_when_it_is_resumed_between_them() {
    let (toy, sources) = toy_without_labels();
    let (device, store) = (Device::flex(), StoreOptions::default());
    let machine = Machine { device: &device, device_name: "CPU", store: &store };
    let recipe = |log_every: &str| {
        let keys = ["method.preset=released", "checkpoint_every_steps=3", "steps=8"];
        toy.recipe(&[&keys[..], &[log_every, &sources]].concat())
    };
    let every = toy.path("every");
    run::start(&recipe("log_every_steps=1"), &every, machine, &mut Silent::default()).unwrap();
    let single = counts(&every);

    let [whole, stopped] = ["whole", "stopped"].map(|name| toy.path(name));
    let mut observer =
        CopiesAfter { step: 6, from: whole.clone(), to: stopped.clone(), seen: Silent::default() };
    run::start(&recipe("log_every_steps=4"), &whole, machine, &mut observer).unwrap();
    let expected: Vec<u64> = single.chunks(4).map(|steps| steps.iter().sum()).collect();
    assert_eq!(counts(&whole), expected);
    // Steps 5 and 6 are counted in the copied checkpoint alone, steps 4 and 8 in one line each.
    assert!(single[4] + single[5] > 0 && single[..3].iter().sum::<u64>() > 0, "{single:?}");
    assert!(single.contains(&0), "{single:?}");

    run::resume(&stopped, machine, &mut Silent::default()).unwrap();
    for file in ["checkpoint.safetensors", "metrics.jsonl", "memory.jsonl"] {
        let [whole, stopped] = [&whole, &stopped].map(|run| fs::read(run.join(file)).unwrap());
        assert!(whole == stopped, "{file} differs");
    }
}
