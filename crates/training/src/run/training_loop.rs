//! Step after step, with logs and checkpoints.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use evaluation::memory::MemoryLine;
use loader::{Batch, Loader, MetaRole};
use models::network::Network;

use super::damage::Damage;
use super::first_state::first_state;
use super::loader_options::{device_colours, loader_options};
use super::log::Log;
use super::{
    Machine, Observer, RunError, RunFacts, covariance_statistics, first_memory, saved_state,
};
use crate::batches::Upload;
use crate::checkpoint::{self, CHECKPOINT_FILE, CheckpointError};
use crate::loading::{LOADING_FILE, LoadingLine};
use crate::memory_history::{MEMORY_FILE, MemoryHistory};
use crate::method::{Algorithm, EmptyBatch};
use crate::metrics::{METRICS_FILE, MetricsLine};
use crate::optimizer::global_norm;
use crate::recipe::{IswRecipe, Recipe};
use crate::state::State;
use crate::step::{StepReport, StepSettings, aggregated_step, episodic_step};

/// Trains the run in `out` from its checkpoint, or from the start if it has none.
pub(super) fn train(
    recipe: &Recipe,
    facts: &RunFacts,
    out: &Path,
    machine: Machine<'_>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let device = machine.device;
    let network = Network::new(recipe.network(facts.classes.len()));
    let checkpoint_path = out.join(CHECKPOINT_FILE);
    let is_new = !checkpoint_path.exists();
    let (mut state, needs_memory) = if is_new {
        first_state(recipe, &network, (facts, out), device)?
    } else {
        let state = saved_state::to_resume(out, recipe, &network, device)?;
        let (out, steps) = (out.display(), recipe.steps);
        match state.step {
            step if step < steps => tracing::info!("{out}: goes on after step {step} of {steps}"),
            _ => tracing::info!("{out}: all {steps} steps are done, nothing is left to train"),
        }
        (state, false)
    };
    let log = Log::<MetricsLine>::open(out.join(METRICS_FILE), (!is_new).then_some(state.step))?;
    let mut loading =
        Log::<LoadingLine>::open(out.join(LOADING_FILE), (!is_new).then_some(state.step))?;
    let memory_log = match network.config.memory {
        true => {
            Some(Log::<MemoryLine>::open(out.join(MEMORY_FILE), (!is_new).then_some(state.step))?)
        }
        false => None,
    };
    if is_new {
        if needs_memory {
            let store = machine.store;
            first_memory::initialize(recipe, &network, &mut state, store, observer, &mut loading)?;
        }
        state.memory_history = state.memory.as_ref().map(MemoryHistory::new);
        checkpoint::save(&checkpoint_path, &network, &state, Some(recipe.training_digest()))?;
    }
    let mut training = Training {
        recipe,
        network: &network,
        machine,
        checkpoint_path,
        log,
        loading,
        memory_log,
        observer,
    };
    if let Some(isw) = &recipe.model.isw
        && state.sensitive_pairs.is_none()
    {
        if state.step < isw.statistics_after_steps {
            state = training.steps(state, isw.statistics_after_steps)?;
        }
        state = training.sensitive_pairs(state, isw)?;
    }
    training.steps(state, recipe.steps).map(drop)
}

/// A run at work.
struct Training<'a> {
    recipe: &'a Recipe,
    network: &'a Network,
    machine: Machine<'a>,
    checkpoint_path: PathBuf,
    log: Log<MetricsLine>,
    loading: Log<LoadingLine>,
    memory_log: Option<Log<MemoryLine>>,
    observer: &'a mut dyn Observer,
}

impl Training<'_> {
    /// Trains up to step `end`, whose state is saved.
    fn steps(&mut self, mut state: State, end: u64) -> Result<State, RunError> {
        let (recipe, machine) = (self.recipe, self.machine);
        if state.step >= end {
            return Ok(state);
        }
        self.observer.phase("training", state.step, recipe.steps);
        let options = loader_options(recipe, [state.step, end], machine.store);
        let (options, colours) = device_colours(recipe, options, machine.device);
        let classes = self.network.config.classes;
        let upload = Upload { classes, colours, device: machine.device };
        let mut batches = Loader::start(options)?;
        let mut damage = Damage::new(batches.stats());
        let outcome = (|| {
            while let Some(batch) = batches.next() {
                let batch = batch?;
                damage.meet(&batch.faults, self.observer);
                let rates = [recipe.schedule.outer(state.step), recipe.schedule.inner(state.step)];
                let (next, report, names) =
                    take_step(recipe, self.network, &state, (&batch, &upload), rates);
                batches.recycle(batch);
                let sensitive_pairs = state.sensitive_pairs.iter().flatten();
                let sensitive_pairs = sensitive_pairs.map(|pairs| pairs.count()).collect();
                state = next;
                state.empty_batches += report.empty_batches();
                let logs =
                    state.step == recipe.steps || state.step.is_multiple_of(recipe.log_every_steps);
                let saves =
                    state.step == end || state.step.is_multiple_of(recipe.checkpoint_every_steps);
                if logs || saves {
                    let mut line = MetricsLine::new(state.step, rates, &report);
                    [line.meta_train, line.meta_test] = names;
                    line.sensitive_pairs = sensitive_pairs;
                    // The released reading gives a loss of NaN, with a zero gradient, where no
                    // pixel counts.
                    let excused = match recipe.method.empty_batch {
                        EmptyBatch::Nan => {
                            let outer = report.outer.as_ref().map(|pass| &pass.empty_losses[..]);
                            [&report.inner.empty_losses[..], outer.unwrap_or_default()]
                        }
                        EmptyBatch::Zero => [&[][..]; 2],
                    };
                    require_finite(&line, &state, excused)?;
                    line.empty_batches = state.empty_batches;
                    if logs {
                        self.log.append(&line)?;
                        state.empty_batches = 0;
                        if let Some(log) = &mut self.memory_log
                            && let Some(line) = logged_memory(&mut state)
                        {
                            log.append(&line)?;
                        }
                    }
                    // A resumed run does not meet the damage before its checkpoint again.
                    if logs || damage.is_unlogged() {
                        let loaded = damage.line(state.step, batches.stats());
                        self.loading.append(&loaded)?;
                        self.observer.logged(&line, &loaded);
                    }
                }
                if saves {
                    self.save(&state)?;
                }
                self.observer.advance();
            }
            Ok(())
        })();
        damage.log_rest(state.step, batches.stats(), &mut self.loading)?;
        outcome.map(|()| state)
    }

    /// Takes the statistics of ISW, and saves what they gave: they take long.
    fn sensitive_pairs(&mut self, state: State, isw: &IswRecipe) -> Result<State, RunError> {
        let (observer, loading) = (&mut *self.observer, &mut self.loading);
        let recipe = (self.recipe, isw);
        let pairs = covariance_statistics::gather(
            recipe,
            self.network,
            &state,
            self.machine,
            observer,
            loading,
        )?;
        let state = State { sensitive_pairs: Some(pairs), ..state };
        self.save(&state)?;
        Ok(state)
    }

    fn save(&self, state: &State) -> Result<(), CheckpointError> {
        let digest = self.recipe.training_digest();
        checkpoint::save(&self.checkpoint_path, self.network, state, Some(digest))
    }
}

/// The memory's line; from now on the last logged value is the one of this step.
fn logged_memory(state: &mut State) -> Option<MemoryLine> {
    let (slots, history) = (state.memory.as_ref()?, state.memory_history.as_mut()?);
    Some(history.log(state.step, slots))
}

/// A state that is not a number is never saved over one that is.
fn require_finite(
    line: &MetricsLine,
    state: &State,
    excused: [&[&str]; 2],
) -> Result<(), RunError> {
    let step = state.step;
    if let Some((what, value)) = line.not_finite(excused) {
        return Err(RunError::NotFinite { step, what, value });
    }
    let statistics = state.statistics.iter().flat_map(|s| [s.mean.clone(), s.variance.clone()]);
    let memory = state.memory.iter().map(|memory| memory.clone().flatten::<1>(0, 1));
    let groups = [
        ("parameters", state.parameters.clone()),
        ("momentum", state.momentum.clone()),
        ("running statistics", statistics.collect()),
        ("memory", memory.collect()),
    ];
    let norms = groups.into_iter().filter_map(|(what, tensors)| {
        let tensors: Vec<_> = tensors.into_iter().map(Some).collect();
        Some((what, global_norm(&tensors)?))
    });
    let (names, norms): (Vec<_>, Vec<_>) = norms.unzip();
    // One transfer: each waits for the device.
    let norms: Vec<f32> =
        Tensor::cat(norms, 0).try_into_vec_as().expect("the device computes the norms");
    if let Some((what, norm)) = names.into_iter().zip(norms).find(|(_, norm)| !norm.is_finite()) {
        let what = format!("the norm of the {what}");
        return Err(RunError::NotFinite { step, what, value: f64::from(norm) });
    }
    Ok(())
}

/// One step; returns the streams of its two passes too.
fn take_step(
    recipe: &Recipe,
    network: &Network,
    state: &State,
    (batch, upload): (&Batch, &Upload<'_>),
    [learning_rate, inner_rate]: [f64; 2],
) -> (State, StepReport, [Vec<String>; 2]) {
    let settings = StepSettings {
        learning_rate,
        inner_rate,
        sgd: recipe.optimizer,
        dropout: recipe.model.auxiliary_dropout,
        seed: recipe.seed,
        gradient_checkpointing: recipe.gradient_checkpointing,
    };
    let method = &recipe.method;
    let in_role = |role| {
        let parts = batch.streams.iter().enumerate();
        parts.filter(|(_, part)| part.role == role).map(|(stream, _)| stream).collect::<Vec<_>>()
    };
    let names = |streams: &[usize]| {
        let parts = streams.iter().map(|&stream| &batch.streams[stream]);
        parts.map(|part| recipe.data.stream_name(&part.name, part.stream)).collect::<Vec<_>>()
    };
    match method.algorithm {
        Algorithm::Aggregated => {
            let all = in_role(None);
            let samples = upload.samples(batch, &all);
            let (next, report) = aggregated_step(network, state, &samples, (method, settings));
            (next, report, [names(&all), Vec::new()])
        }
        Algorithm::Episodic => {
            let roles = [MetaRole::Train, MetaRole::Test].map(|role| in_role(Some(role)));
            let [meta_train, meta_test] = roles.each_ref().map(|role| upload.samples(batch, role));
            let episode = (&meta_train, &meta_test);
            let (next, report) = episodic_step(network, state, episode, (method, settings));
            (next, report, roles.map(|streams| names(&streams)))
        }
    }
}
