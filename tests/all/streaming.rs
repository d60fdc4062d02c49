//! What a recipe says of streams, sampling, damage and colours is what a run does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use burn::tensor::{Device, Tensor};
use kernels::device::software_vulkan;
use loader::{Augment, Loader, LoaderOptions, Mode, StreamSource, StrongStream};
use shard_store::StoreOptions;
use training::batches::Upload;
use training::device_colours::DeviceColours;
use training::loading::LoadingLine;
use training::recipe::Recipe;
use training::run::{self, Machine, SeenSample};

use crate::toy::{Silent, Toy, damage_tiles};
use crate::web;

static STORE: LazyLock<StoreOptions> = LazyLock::new(StoreOptions::default);

/// Overrides for drawn batches.
const AGGREGATED: [&str; 1] = ["method.preset=aggregated"];

fn seen(recipe: &Recipe, step: u64) -> Vec<SeenSample> {
    run::seen(recipe, step, &STORE).unwrap().samples
}

fn train(recipe: &Recipe, out: &Path, device: &Device) -> Silent {
    let mut observer = Silent::default();
    let machine = Machine { device, device_name: "test", store: &STORE };
    run::start(recipe, out, machine, &mut observer).unwrap_or_else(|error| panic!("{error}"));
    observer
}

fn loading(run: &Path) -> Vec<LoadingLine> {
    let text = fs::read_to_string(run.join("loading.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn single_source(toy: &Toy, overrides: &[&str]) -> Recipe {
    let source = format!("data.sources=[{}]", toy.source("gtav", ""));
    let overrides: Vec<&str> = [source.as_str(), "data.streams_per_domain=2"]
        .into_iter()
        .chain(overrides.iter().copied())
        .collect();
    toy.recipe(&overrides)
}

#[test]
fn a_single_source_trains_as_two_streams_and_its_meta_test_is_strongly_augmented() {
    let toy = Toy::new();
    let recipe = single_source(&toy, &["steps=2"]);
    let mut strong_streams = BTreeSet::new();
    for step in 0..8 {
        let samples = seen(&recipe, step);
        let streams: BTreeSet<&str> = samples.iter().map(|sample| &*sample.stream).collect();
        assert_eq!(Vec::from_iter(streams), ["gtav/0", "gtav/1"]);
        for sample in &samples {
            assert_eq!(sample.strong, sample.role == Some("meta-test"), "step {step}");
            strong_streams.extend(sample.strong.then(|| sample.stream.clone()));
        }
        let distinct: BTreeSet<&[u8]> = samples.iter().map(|sample| &*sample.rgb).collect();
        assert_eq!(distinct.len(), samples.len(), "step {step}");
    }
    assert_eq!(strong_streams.len(), 2, "the roles never changed: {strong_streams:?}");

    for line in train(&recipe, &toy.path("run"), &Device::flex()).lines {
        let mut both = [line.meta_train, line.meta_test].concat();
        both.sort();
        assert_eq!(both, ["gtav/0", "gtav/1"]);
    }
}

#[test]
fn the_released_code_augments_its_first_stream_strongly_and_several_sources_need_none() {
    let toy = Toy::new();
    for step in 0..4 {
        let released = single_source(&toy, &["method.preset=released"]);
        for sample in seen(&released, step) {
            assert_eq!(sample.strong, sample.stream == "gtav/0", "step {step}");
        }
        let released = toy.recipe(&["method.preset=released"]);
        for sample in seen(&released, step) {
            assert_eq!(sample.strong, sample.stream == "gtav", "step {step}");
        }
        assert!(seen(&toy.recipe(&[]), step).iter().all(|sample| !sample.strong));
    }
}

#[test]
fn quotas_weights_and_uniform_draws_fill_batches_as_the_recipe_says() {
    let toy = Toy::new();
    let [gtav, synthia] = [toy.source("gtav", ", samples = 3"), toy.source("synthia", "")];
    let quotas = toy.recipe(&[&format!("data.sources=[{gtav}, {synthia}]")]);
    let count = |samples: &[SeenSample], name: &str| {
        samples.iter().filter(|sample| sample.stream == name).count()
    };
    let samples = seen(&quotas, 5);
    assert_eq!(
        [count(&samples, "gtav"), count(&samples, "synthia")],
        [3, quotas.data.samples_per_domain]
    );

    let [gtav, synthia] = [toy.source("gtav", ", weight = 0.0"), toy.source("synthia", "")];
    let sources = format!("data.sources=[{gtav}, {synthia}]");
    for (sampling, expects_gtav) in
        [("weighted", false), ("image-uniform", true), ("domain-uniform", true)]
    {
        let sampling = format!("data.sampling={sampling}");
        let recipe = toy.recipe(&[&AGGREGATED[..], &[&sources, &sampling]].concat());
        let samples: Vec<SeenSample> = (0..8).flat_map(|step| seen(&recipe, step)).collect();
        assert_eq!(samples.len(), 8 * recipe.data.batch());
        assert_eq!(count(&samples, "gtav") > 0, expects_gtav, "{sampling}");
        assert!(count(&samples, "synthia") > 0, "{sampling}");
    }
}

#[test]
fn class_uniform_sampling_is_counted_in_the_loading_log() {
    let toy = Toy::new();
    for (share, range) in [("0.0", 0.0..=0.0), ("0.5", 0.2..=0.8), ("1.0", 1.0..=1.0)] {
        let share = format!("data.class_uniform={share}");
        let recipe = toy.recipe(&["steps=4", "log_every_steps=4", "model.memory=false", &share]);
        let out = toy.path(&share);
        train(&recipe, &out, &Device::flex());
        let [line] = &loading(&out)[..] else { panic!("one line") };
        assert!(range.contains(&line.class_uniform_share), "{share}: {line:?}");
    }
}

#[test]
fn damage_is_dealt_with_and_logged_with_file_and_sample() {
    // Tiles are 128x128; some of them are hit, and crops of 192 show several.
    let toy = Toy::of_size([512, 256]);
    damage_tiles(&toy.path("shards").join("gtav"), 70_000);
    for policy in ["substitute", "mask-tile"] {
        let out = toy.path(policy);
        let policy = format!("data.on_damage={policy}");
        // Faults between a line and the next checkpoint would be lost if they waited for a line.
        let recipe = toy.recipe(&[
            "steps=6",
            "log_every_steps=4",
            "checkpoint_every_steps=2",
            "data.crop_height=192",
            "data.crop_width=192",
            &policy,
        ]);
        let observer = train(&recipe, &out, &Device::flex());
        assert_eq!(observer.steps, 6);
        let lines = loading(&out);
        let faults: Vec<&String> = lines.iter().flat_map(|line| &line.faults).collect();
        assert!(!faults.is_empty(), "{policy}");
        assert!(
            faults.iter().copied().eq(&observer.faults),
            "{policy}: shown is not what is logged"
        );
        for fault in faults {
            assert!(fault.contains(".shard") && fault.contains("sample"), "{policy}: {fault}");
        }
        // The memory is initialised on such samples too.
        assert!(lines[0].step == 0 && !lines[0].faults.is_empty(), "{policy}");
        let counted = |count: fn(&LoadingLine) -> u64| lines.iter().map(count).sum::<u64>() > 0;
        let masks = policy.ends_with("mask-tile");
        assert_eq!(counted(|line| line.masked_tiles), masks, "{policy}");
        // A crop of which nothing is left is substituted in either case.
        assert!(masks || counted(|line| line.substituted_samples), "{policy}");
    }
}

#[test]
fn a_run_on_shards_behind_a_url_is_that_on_local_ones_and_logs_what_the_cache_did() {
    let toy = Toy::new();
    let local = toy.path("local");
    train(&toy.recipe(&["steps=2"]), &local, &Device::flex());

    let address = web::serve(toy.path("shards"));
    let sources = ["gtav", "synthia"]
        .map(|name| format!("{{ name = \"{name}\", shards = [\"http://{address}/{name}\"] }}"));
    let recipe = toy.recipe(&["steps=2", &format!("data.sources=[{}]", sources.join(", "))]);
    let store = StoreOptions { cache_dir: Some(toy.path("cache")), ..StoreOptions::default() };
    let device = Device::flex();
    let machine = Machine { device: &device, device_name: "test", store: &store };
    let counted = ["cold", "warm"].map(|name| {
        let out = toy.path(name);
        run::start(&recipe, &out, machine, &mut Silent::default()).unwrap();
        let [local, remote] = [&local, &out].map(|run| run.join("checkpoint.safetensors"));
        assert!(fs::read(local).unwrap() == fs::read(remote).unwrap(), "{name}");
        let lines = loading(&out);
        let sum = |count: fn(&LoadingLine) -> u64| lines.iter().map(count).sum::<u64>();
        (sum(|line| line.cache_hits), sum(|line| line.cache_misses))
    });
    // Training opens its shards after the memory has read some of them.
    assert!(counted[1].0 > 0, "{counted:?}");
    assert_eq!(counted[1].1, 0, "fetched again: {counted:?}");
}

#[test]
fn a_resumed_run_goes_on_with_its_loading_log() {
    let toy = Toy::new();
    let out = toy.path("run");
    train(&toy.recipe(&["steps=2"]), &out, &Device::flex());
    let longer = toy.recipe(&["steps=4"]).to_toml().unwrap();
    fs::write(out.join("recipe.toml"), longer).unwrap();
    // A line after the checkpoint, as a crash leaves it.
    let log = fs::read_to_string(out.join("loading.jsonl")).unwrap();
    let ahead = log.lines().last().unwrap().replace("\"step\":2", "\"step\":3");
    fs::write(out.join("loading.jsonl"), format!("{log}{ahead}\n")).unwrap();

    let device = Device::flex();
    let machine = Machine { device: &device, device_name: "test", store: &STORE };
    run::resume(&out, machine, &mut Silent::default()).unwrap();
    let steps: Vec<u64> = loading(&out).iter().map(|line| line.step).collect();
    assert_eq!(steps, [1, 2, 3, 4]);
}

#[test]
fn colours_on_the_device_are_those_of_the_loader() {
    let toy = Toy::new();
    let wgpu = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    let source =
        |name: &str, samples| StreamSource::new(name, vec![toy.path("shards").join(name)], samples);
    let options = LoaderOptions {
        streams: vec![source("gtav", 3), source("synthia", 2)],
        crop_width: 60,
        crop_height: 52,
        augment: Augment { mode: Mode::Reference, ..Augment::reference() },
        strong: StrongStream::FirstStream,
        strong_augment: Augment { mode: Mode::Reference, ..Augment::strong() },
        seed: 3,
        end_batch: 4,
        ..LoaderOptions::default()
    };
    let images = |options: LoaderOptions, colours: Option<DeviceColours>| -> Vec<f32> {
        let upload = Upload { classes: 19, colours, device: &wgpu };
        let batches = Loader::start(options).unwrap().map(|batch| batch.unwrap());
        let images = batches.map(|batch| upload.samples(&batch, &[0, 1]).image);
        Tensor::cat(images.collect(), 0).try_into_vec_as().unwrap()
    };
    let expected = images(options.clone(), None);
    let (left, colours) = DeviceColours::take_from(options, &wgpu);
    let plain = images(left.clone(), None);
    let found = images(left, Some(colours.unwrap()));

    // One level, where a blurred sum is next to a limit, in units of the smallest deviation.
    let level = 1.001 / 255.0 / 0.224;
    let differ =
        |other: &[f32]| expected.iter().zip(other).filter(|(a, b)| (*a - *b).abs() > level).count();
    assert_eq!(differ(&found), 0);
    assert!(differ(&plain) > expected.len() / 4, "the colours were not augmented at all");
}

#[test]
fn a_run_leaves_its_colours_to_the_gpu_and_to_the_loader_where_there_is_none() {
    let toy = Toy::new();
    let wgpu = software_vulkan().unwrap_or_else(|error| panic!("{error}")).device;
    let base = [&AGGREGATED[..], &["steps=1", "model.memory=false", "data.crop_width=32"]].concat();
    let base = [&base[..], &["augmentation.mode=reference", "data.crop_height=32"]].concat();
    let recipe = |key: &str| {
        toy.recipe(&[&base[..], &["augmentation.jitter_probability=1.0", key]].concat())
    };

    // The same bits where the device is a CPU.
    let checkpoints = ["gpu", "loader"].map(|place| {
        let out = toy.path(&format!("cpu_{place}"));
        train(&recipe(&format!("augmentation.colours_on={place}")), &out, &Device::flex());
        fs::read(out.join("checkpoint.safetensors")).unwrap()
    });
    assert!(checkpoints[0] == checkpoints[1]);

    let loss = |name: &str, recipe: &Recipe| {
        let observer = train(recipe, &toy.path(name), &wgpu);
        let stages = loading(&toy.path(name)).remove(0).stage_ms;
        (observer.lines[0].inner["segmentation"], stages["blur"])
    };
    let (expected, loader_blur_ms) = loss("loader", &recipe("augmentation.colours_on=loader"));
    let (found, gpu_blur_ms) = loss("gpu", &recipe("augmentation.colours_on=gpu"));
    let (plain, _) = loss("plain", &recipe("augmentation.jitter_probability=0.0"));
    assert!(gpu_blur_ms < loader_blur_ms / 10.0, "{gpu_blur_ms} of {loader_blur_ms} ms");
    let (off, without) = ((found - expected).abs(), (plain - expected).abs());
    assert!(off < without / 10.0, "{off} from the loader's loss, without jitter {without}");
}
