//! A toy city, packed, and a recipe for it: small enough to train in a second.

use std::path::{Path, PathBuf};

use shard::pack::{PackOptions, pack};
use tempfile::TempDir;
use toy_city::{City, CityOptions, write_city};
use training::loading::LoadingLine;
use training::metrics::MetricsLine;
use training::recipe::Recipe;
use training::run::Observer;

/// Source shards of two cities and target shards of a third.
pub(crate) struct Toy {
    pub(crate) folder: TempDir,
    pub(crate) target: PathBuf,
}

impl Toy {
    /// Frames of 128x64 pixels: one tile.
    pub(crate) fn new() -> Self {
        Self::of_size([128, 64])
    }

    pub(crate) fn of_size(size: [u32; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (city, split) in [(City::Gtav, "all"), (City::Synthia, "all")] {
            pack_city(folder.path(), (city, size), split);
        }
        let target = pack_city(folder.path(), (City::Cityscapes, size), "val");
        Self { folder, target }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A source of a recipe, with further keys, each after a comma.
    pub(crate) fn source(&self, name: &str, keys: &str) -> String {
        let shards = self.path("shards").join(name);
        format!("{{ name = \"{name}\", shards = [\"{}\"]{keys} }}", shards.display())
    }

    /// The demo's recipe on these shards with `overrides`.
    pub(crate) fn recipe(&self, overrides: &[&str]) -> Recipe {
        let text = recipe_text("demo_pin_the_memory.toml");
        let recipes = self.path("recipes");
        let small = [
            "width_divisor=16",
            "crop_height=64",
            "crop_width=64",
            "memory_init_batches=2",
            "log_every_steps=1",
        ]
        .map(|key| match key.split_once('=') {
            Some((name, _)) if name.starts_with("crop") => format!("data.{key}"),
            Some(("log_every_steps", _)) => key.to_owned(),
            _ => format!("model.{key}"),
        });
        let sources = ["gtav", "synthia"].map(|name| self.source(name, "")).join(", ");
        let sources = format!("data.sources=[{sources}]");
        let overrides: Vec<String> = small
            .into_iter()
            .chain([sources])
            .chain(overrides.iter().map(|&key| key.to_owned()))
            .collect();
        Recipe::parse(&text, Path::new("demo.toml"), &recipes, &overrides).unwrap()
    }
}

/// The text of a recipe of the project.
pub(crate) fn recipe_text(name: &str) -> String {
    let path = project().join("recipes").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The project's folder.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Counts what it is told.
#[derive(Default)]
pub(crate) struct Silent {
    pub(crate) steps: u64,
    pub(crate) lines: Vec<MetricsLine>,
    pub(crate) faults: Vec<String>,
}

impl Observer for Silent {
    fn phase(&mut self, _: &str, _: u64, _: u64) {
        self.steps = 0;
    }

    fn advance(&mut self) {
        self.steps += 1;
    }

    fn damaged(&mut self, faults: &[String]) {
        self.faults.extend_from_slice(faults);
    }

    fn logged(&mut self, line: &MetricsLine, _: &LoadingLine) {
        self.lines.push(line.clone());
    }
}

/// Alters a byte out of `step` in the first half of a folder's first shard, where tiles lie.
pub(crate) fn damage_tiles(shards: &Path, step: usize) {
    let shard = std::fs::read_dir(shards)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "shard"))
        .unwrap();
    let mut content = std::fs::read(&shard).unwrap();
    for at in (2_000..content.len() / 2).step_by(step) {
        content[at] ^= 0x5a;
    }
    std::fs::write(&shard, content).unwrap();
}

fn pack_city(root: &Path, (city, [width, height]): (City, [u32; 2]), split: &str) -> PathBuf {
    let data = root.join("data").join(city.name());
    let (train_frames, val_frames) = if split == "val" { (0, 3) } else { (6, 0) };
    let options = CityOptions { seed: 1, train_frames, val_frames, width, height };
    write_city(city, &data, &options, &|| ()).unwrap();
    let manifest = project().join("data-manifests").join(format!("{}.toml", city.name()));
    let out = root.join("shards").join(city.name());
    pack(&PackOptions::new(manifest, data, split, &out), &|_, _| ()).unwrap();
    out
}
