//! Step after step, with logs and checkpoints.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use loader::{Batch, Loader, LoaderStats, MetaRole};
use models::deeplab_v3_plus::DeepLabV3Plus;

use super::first_state::first_state;
use super::loader_options::{device_colours, loader_options};
use super::{Machine, Observer, RunError, RunFacts, first_memory};
use crate::batches::Upload;
use crate::checkpoint::{self, CHECKPOINT_FILE};
use crate::loading::{LOADING_FILE, LoadingLine};
use crate::method::{Algorithm, EmptyBatch};
use crate::metrics::{METRICS_FILE, MetricsLine};
use crate::optimizer::global_norm;
use crate::recipe::Recipe;
use crate::run_log::{LogLine, RunLog};
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
    let network = DeepLabV3Plus::new(recipe.network(facts.classes.len()));
    let checkpoint_path = out.join(CHECKPOINT_FILE);
    let is_new = !checkpoint_path.exists();
    let (mut state, needs_memory) = if is_new {
        first_state(recipe, &network, (facts, out), device)?
    } else {
        (checkpoint::load(&checkpoint_path, &network, device)?, false)
    };
    let mut log =
        Log::<MetricsLine>::open(out.join(METRICS_FILE), (!is_new).then_some(state.step))?;
    let mut loading =
        Log::<LoadingLine>::open(out.join(LOADING_FILE), (!is_new).then_some(state.step))?;
    if is_new {
        if needs_memory {
            let met =
                first_memory::initialize(recipe, &network, &mut state, machine.store, observer)?;
            if let Some(line) = met.filter(|line| !line.faults.is_empty()) {
                loading.append(&line)?;
            }
        }
        checkpoint::save(&checkpoint_path, &network, &state)?;
    }
    observer.phase("training", state.step, recipe.steps);
    if state.step >= recipe.steps {
        return Ok(());
    }
    let options = loader_options(recipe, [state.step, recipe.steps], machine.store);
    let (options, colours) = device_colours(recipe, options, device);
    let upload = Upload { classes: network.config.classes, colours, device };
    let mut batches = Loader::start(options)?;
    let mut damage = Damage { counted: batches.stats(), faults: Vec::new() };
    let outcome = (|| {
        while let Some(batch) = batches.next() {
            let batch = batch?;
            damage.faults.extend(batch.faults.iter().map(ToString::to_string));
            let rates = [recipe.schedule.outer(state.step), recipe.schedule.inner(state.step)];
            let (next, report, names) =
                take_step(recipe, &network, &state, (&batch, &upload), rates);
            batches.recycle(batch);
            state = next;
            let last = state.step == recipe.steps;
            let logs = last || state.step.is_multiple_of(recipe.log_every_steps);
            let saves = last || state.step.is_multiple_of(recipe.checkpoint_every_steps);
            if logs || saves {
                let mut line = MetricsLine::new(state.step, rates, &report);
                [line.meta_train, line.meta_test] = names;
                require_finite(&line, &state, recipe.method.empty_batch)?;
                if logs {
                    log.append(&line)?;
                }
                // A resumed run does not meet the damage before its checkpoint again.
                if logs || !damage.faults.is_empty() {
                    let loaded = damage.line(state.step, &batches.stats());
                    loading.append(&loaded)?;
                    observer.logged(&line, &loaded);
                }
            }
            if saves {
                checkpoint::save(&checkpoint_path, &network, &state)?;
            }
            observer.advance();
        }
        Ok(())
    })();
    // What was met before an error may be its cause.
    if !damage.faults.is_empty() {
        loading.append(&damage.line(state.step, &batches.stats()))?;
    }
    outcome
}

/// What the loader did since the line before.
struct Damage {
    counted: LoaderStats,
    faults: Vec<String>,
}

impl Damage {
    /// The next line.
    fn line(&mut self, step: u64, stats: &LoaderStats) -> LoadingLine {
        let faults = std::mem::take(&mut self.faults);
        let line = LoadingLine::new(step, &stats.since(&self.counted), faults);
        self.counted = *stats;
        line
    }
}

/// A log and where it lies.
struct Log<L> {
    path: PathBuf,
    log: RunLog<L>,
}

impl<L: LogLine> Log<L> {
    /// Keeps the lines up to `step`; none of a run that begins.
    fn open(path: PathBuf, step: Option<u64>) -> Result<Self, RunError> {
        match RunLog::open(&path, step) {
            Ok(log) => Ok(Self { path, log }),
            Err(source) => Err(RunError::File { path, source }),
        }
    }

    fn append(&mut self, line: &L) -> Result<(), RunError> {
        let appended = self.log.append(line);
        appended.map_err(|source| RunError::File { path: self.path.clone(), source })
    }
}

/// A state that is not a number is never saved over one that is.
fn require_finite(line: &MetricsLine, state: &State, empty: EmptyBatch) -> Result<(), RunError> {
    // The released reading gives a loss of NaN, with a zero gradient, where no pixel is labelled.
    let losses_may_be_nan = line.empty_labels && empty == EmptyBatch::Nan;
    let step = state.step;
    if let Some((what, value)) = line.not_finite(losses_may_be_nan) {
        return Err(RunError::NotFinite { step, what, value });
    }
    let parameters: Vec<_> = state.parameters.iter().cloned().map(Some).collect();
    let norm = global_norm(&parameters).map_or(0.0, Tensor::into_scalar::<f32>);
    if norm.is_finite() {
        return Ok(());
    }
    let what = "the norm of the parameters".to_owned();
    Err(RunError::NotFinite { step, what, value: f64::from(norm) })
}

/// One step; returns the streams of its two passes too.
fn take_step(
    recipe: &Recipe,
    network: &DeepLabV3Plus,
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
