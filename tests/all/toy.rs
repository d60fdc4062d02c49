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
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (city, split) in [(City::Gtav, "all"), (City::Synthia, "all")] {
            pack_city(folder.path(), city, split);
        }
        let target = pack_city(folder.path(), City::Cityscapes, "val");
        Self { folder, target }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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
        let shards = |name: &str| self.path("shards").join(name).display().to_string();
        let sources = format!(
            "data.sources=[{{ name = \"gtav\", shards = [\"{}\"] }}, \
             {{ name = \"synthia\", shards = [\"{}\"] }}]",
            shards("gtav"),
            shards("synthia")
        );
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
}

impl Observer for Silent {
    fn phase(&mut self, _: &str, _: u64, _: u64) {
        self.steps = 0;
    }

    fn advance(&mut self) {
        self.steps += 1;
    }

    fn logged(&mut self, line: &MetricsLine, _: &LoadingLine) {
        self.lines.push(line.clone());
    }
}

fn pack_city(root: &Path, city: City, split: &str) -> PathBuf {
    let data = root.join("data").join(city.name());
    let (train_frames, val_frames) = if split == "val" { (0, 3) } else { (6, 0) };
    let options = CityOptions { seed: 1, train_frames, val_frames, width: 128, height: 64 };
    write_city(city, &data, &options, &|| ()).unwrap();
    let manifest = project().join("data-manifests").join(format!("{}.toml", city.name()));
    let out = root.join("shards").join(city.name());
    pack(&PackOptions::new(manifest, data, split, &out), &|_, _| ()).unwrap();
    out
}
