//! A run: recipe to trained network, in a folder of its own.
//!
//! The folder holds `recipe.toml` (resolved), `run.json` (classes, data, device),
//! `metrics.jsonl`, `loading.jsonl`, with a memory `memory.jsonl`, and `checkpoint.safetensors`.

mod covariance_statistics;
mod damage;
mod facts;
mod first_memory;
mod first_state;
mod folder;
mod loader_options;
mod log;
mod memory;
mod saved_state;
mod seen;
mod training_loop;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use evaluation::predictor::{Predictor, ReadSettings};
use loader::{Loader, LoaderError};
use models::network::Network;
use models::normalization::sensitivity::SensitivityError;
use models::weights::WeightsError;
use shard_store::{StoreError, StoreOptions};

use crate::checkpoint::{CHECKPOINT_FILE, CheckpointError};
use crate::loading::{LOADING_FILE, LoadingLine};
use crate::memory_history::MEMORY_FILE;
use crate::method::ReadWeights;
use crate::metrics::{METRICS_FILE, MetricsLine};
use crate::recipe::{Recipe, RecipeError};

pub use facts::{RunFacts, SourceFacts};
use loader_options::loader_options;
pub use memory::memory_report;
pub use seen::{SeenBatch, SeenSample, seen};
use training_loop::train;

/// Name of the resolved recipe in a run folder.
pub const RECIPE_FILE: &str = "recipe.toml";
/// Name of the facts in a run folder.
pub const FACTS_FILE: &str = "run.json";

/// Every file of a run folder but its lock.
pub const FILES: [&str; 6] =
    [RECIPE_FILE, FACTS_FILE, CHECKPOINT_FILE, METRICS_FILE, LOADING_FILE, MEMORY_FILE];

/// What can go wrong in a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run folder holds something.
    #[error("{}: already exists and is not empty; hint: choose another --out, or continue it with \
             `train resume`", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The run folder is something else.
    #[error("{}: found a file, expected a folder that is new or empty; hint: choose another --out",
            path.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to load yet.
    #[error("{}: the run was stopped before its first checkpoint; hint: continue it with `train \
             resume`", path.display())]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// The run's network has no memory.
    #[error("{}: model.memory is false, expected a run with a memory; hint: `train run --set \
             model.memory=true` trains one", path.display())]
    NoMemory {
        /// The resolved recipe.
        path: PathBuf,
    },
    /// The folder is not a run.
    #[error("{}: not a run folder: {file} is missing; hint: expected a folder that `train run` \
             wrote", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// There is nothing where a run is to be.
    #[error("{}: not a run folder: nothing of that name is there; hint: expected a folder that \
             `train run` wrote", path.display())]
    NoSuchRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works on the run.
    #[error("{}: another process is training this run; hint: wait for it, or end it first",
            path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A source is not the one the run began with.
    #[error("{}: the sources are {found}, expected {expected}; hint: put the shards back that the \
             run began with, or start a new run", path.display())]
    SourcesChanged {
        /// The folder.
        path: PathBuf,
        /// What the recipe's shards are now.
        found: String,
        /// What they were.
        expected: String,
    },
    /// The file of weights is not the one that the run began with.
    #[error("{}: found a file with BLAKE3 {found}, expected {expected}, with which the run in {} \
             began; hint: put that file back, or start a new run", path.display(), run.display())]
    WeightsChanged {
        /// The file.
        path: PathBuf,
        /// The run.
        run: PathBuf,
        /// What it is now.
        found: String,
        /// What it was.
        expected: String,
    },
    /// The checkpoint is of a step that the recipe does not come to.
    #[error("{}: found a checkpoint of step {found}, expected at most the recipe's steps, which are \
             {steps}; hint: put `steps` of the run's recipe.toml back, or the run's own checkpoint",
            path.display())]
    StepBeyond {
        /// The checkpoint.
        path: PathBuf,
        /// Its step.
        found: u64,
        /// Steps of the recipe.
        steps: u64,
    },
    /// The recipe is not the one that the checkpoint was trained with.
    #[error("{}: changed since the checkpoint was saved: found keys with BLAKE3 {found}, expected \
             {expected}; hint: put it back, or start a new run; only {free} may change in a run",
            path.display())]
    RecipeChanged {
        /// The resolved recipe.
        path: PathBuf,
        /// Digest of its keys that decide the training.
        found: String,
        /// What it was.
        expected: String,
        /// The keys that may change.
        free: &'static str,
    },
    /// A file of the run cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the run has a wrong content.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A source dataset.
    #[error(transparent)]
    Dataset(#[from] StoreError),
    /// The loader.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The weights to start from.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The statistics of ISW.
    #[error(transparent)]
    Sensitivity(#[from] SensitivityError),
    /// A loss or a gradient is not a number.
    #[error(
        "step {step}: {what} is {value}, expected a finite number; hint: lower \
             schedule.learning_rate, raise schedule.inner_warmup_steps or set \
             optimizer.clip_gradient_norm"
    )]
    NotFinite {
        /// The step.
        step: u64,
        /// Which quantity.
        what: String,
        /// Its value.
        value: f64,
    },
}

/// Told what a run does; for progress bars.
pub trait Observer {
    /// A phase of `total` units begins, `done` of which are done already.
    fn phase(&mut self, name: &str, done: u64, total: u64);
    /// One more unit of the phase is done.
    fn advance(&mut self);
    /// Damage was met; in words, with file, sample and what was done.
    fn damaged(&mut self, faults: &[String]);
    /// Of the step, and of the loading since the call before.
    fn logged(&mut self, line: &MetricsLine, loading: &LoadingLine);
}

/// What a run works on; results do not depend on the way shards are read.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The device.
    pub device: &'a Device,
    /// The device, in words.
    pub device_name: &'a str,
    /// How shards are read.
    pub store: &'a StoreOptions,
}

/// Trains `recipe` from the start into the new folder `out`.
///
/// # Errors
/// See [`RunError`]. What was checkpointed before an error stays and can be resumed.
pub fn start(
    recipe: &Recipe,
    out: &Path,
    machine: Machine<'_>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let mut facts = facts::gather(recipe, machine.device_name, machine.store)?;
    let network = Network::new(recipe.network(facts.classes.len()));
    facts.weights = first_state::weights(recipe, &network)?.map(|weights| weights.facts);
    // Everything that a user can get wrong is found before the folder is made.
    drop(Loader::start(loader_options(recipe, [0, 1], machine.store))?);
    let _lock = folder::create(out)?;
    let text =
        recipe.to_toml().map_err(|error| content(&out.join(RECIPE_FILE), error.to_string()))?;
    write(&out.join(RECIPE_FILE), text.as_bytes())?;
    let json = serde_json::to_vec_pretty(&facts)
        .map_err(|error| content(&out.join(FACTS_FILE), error.to_string()))?;
    write(&out.join(FACTS_FILE), &json)?;
    train(recipe, &facts, out, machine, observer)
}

/// Continues the run in `out` from its checkpoint; a finished run is left as it is.
///
/// A run that was stopped before its first checkpoint begins anew. The device's name stays the one
/// that the run began with.
///
/// # Errors
/// See [`RunError`]; sources and keys of the recipe that are not the ones the run began with are
/// refused.
pub fn resume(
    out: &Path,
    machine: Machine<'_>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let (recipe, facts) = read_folder(out)?;
    let _lock = folder::lock(out)?;
    if !out.join(CHECKPOINT_FILE).exists() {
        tracing::warn!(
            "{}: found no {CHECKPOINT_FILE}: the run was stopped before its first one, and begins \
             anew at step 0",
            out.display()
        );
    }
    let found = facts::gather(&recipe, &facts.device, machine.store)?;
    facts::require_equal(out, &found, &facts)?;
    train(&recipe, &facts, out, machine, observer)
}

/// A trained run, ready to evaluate.
#[derive(Debug)]
pub struct TrainedRun {
    /// Its resolved recipe.
    pub recipe: Recipe,
    /// What it was made of.
    pub facts: RunFacts,
    /// Steps taken.
    pub step: u64,
    /// The network.
    pub predictor: Predictor,
}

impl TrainedRun {
    /// What to say of a run that has steps left, if it has.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        let (step, steps) = (self.step, self.recipe.steps);
        (step < steps).then(|| {
            format!("the run is not finished: its checkpoint is of step {step} of {steps}")
        })
    }
}

/// Loads the run in `dir` for evaluation.
///
/// # Errors
/// See [`RunError`].
pub fn load(dir: &Path, device: &Device) -> Result<TrainedRun, RunError> {
    let (recipe, facts) = read_folder(dir)?;
    if !dir.join(CHECKPOINT_FILE).is_file() {
        return Err(RunError::NoCheckpoint { path: dir.to_owned() });
    }
    let network = Network::new(recipe.network(facts.classes.len()));
    let state = saved_state::to_evaluate(dir, &recipe, &network, device)?;
    let gumbel = recipe.method.read == ReadWeights::Gumbel;
    let predictor = Predictor {
        network,
        parameters: state.parameters,
        statistics: state.statistics,
        memory: state.memory,
        read: ReadSettings {
            temperature: recipe.method.read_temperature,
            gumbel_seed: gumbel.then_some(recipe.seed),
        },
        device: device.clone(),
    };
    Ok(TrainedRun { recipe, facts, step: state.step, predictor })
}

fn read_folder(dir: &Path) -> Result<(Recipe, RunFacts), RunError> {
    if !dir.exists() {
        return Err(RunError::NoSuchRun { path: dir.to_owned() });
    }
    for file in [RECIPE_FILE, FACTS_FILE] {
        if !dir.join(file).is_file() {
            return Err(RunError::NotARun { path: dir.to_owned(), file });
        }
    }
    let recipe = Recipe::load(&dir.join(RECIPE_FILE), &[])?;
    let path = dir.join(FACTS_FILE);
    let text = fs::read(&path).map_err(|source| RunError::File { path: path.clone(), source })?;
    Ok((recipe, facts::parse(&text, &path)?))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    whole_file::write(path, bytes)
        .map_err(|source| RunError::File { path: path.to_owned(), source })
}

fn content(path: &Path, reason: String) -> RunError {
    RunError::Content { path: path.to_owned(), reason }
}
