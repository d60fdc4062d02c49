//! Training state on disk: one safetensors file, replaced as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use models::layout::tensor_from;
use models::network::Network;
use models::normalization::sensitivity::{SensitivePairs, SensitivityError};
use models::weights::{self, HostTensor, MEMORY_KEY, NamedTensors, WeightsError};

use crate::exact_count;
use crate::memory_history::MemoryHistory;
use crate::state::State;

/// Name of the checkpoint in a run folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

const STEP_KEY: &str = "pinmem.step";
/// Batches without labels since the last logged step, `[2]`.
const EMPTY_BATCHES_KEY: &str = "history.empty_batches";
const MOMENTUM_PREFIX: &str = "momentum.";
/// Prefix of the pairs that ISW whitens, one mask for each layer.
const SENSITIVE_PAIRS_PREFIX: &str = "pinmem.sensitive_pairs.";

/// What can go wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The weights are not those of the model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file has no step.
    #[error("{}: found no step in the metadata, expected `{STEP_KEY}`; hint: this is not a \
             checkpoint of a run", path.display())]
    NoStep {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A stored mask is not one.
    #[error("{}: tensor {name}: {source}", path.display())]
    SensitivePairs {
        /// The file.
        path: std::path::PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        source: SensitivityError,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes `state` aside, syncs it and renames it to `path`.
///
/// # Errors
/// If the file cannot be written; an older checkpoint stays as it was.
pub fn save(path: &Path, network: &Network, state: &State) -> Result<(), CheckpointError> {
    let layout = &network.layout;
    let mut named = weights::named_tensors(layout, &state.parameters, &state.statistics);
    for (spec, buffer) in layout.parameters.iter().zip(&state.momentum) {
        let key = format!("{MOMENTUM_PREFIX}{}", spec.name);
        named.insert(key, weights::host_tensor(buffer, &spec.shape));
    }
    if let Some(memory) = &state.memory {
        named.insert(MEMORY_KEY.to_owned(), weights::host_tensor(memory, &memory.dims()));
    }
    for (layer, pairs) in state.sensitive_pairs.iter().flatten().enumerate() {
        named.insert(format!("{SENSITIVE_PAIRS_PREFIX}{layer}"), pairs.to_host_tensor());
    }
    if let Some(history) = &state.memory_history {
        named.extend(history.named_tensors());
    }
    let values = exact_count::parts(state.empty_batches).to_vec();
    named.insert(EMPTY_BATCHES_KEY.to_owned(), HostTensor { shape: vec![2], values });
    // One text alone: the order of several is not the same in every file.
    let metadata = BTreeMap::from([(STEP_KEY.to_owned(), state.step.to_string())]);
    let bytes = weights::serialize(&named, &metadata)?;
    whole_file::write(path, &bytes)
        .map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
}

/// Reads what [`save`] wrote, bit for bit.
///
/// # Errors
/// If the file is missing, damaged, or of another model.
pub fn load(path: &Path, network: &Network, device: &Device) -> Result<State, CheckpointError> {
    let (named, metadata) = weights::read(path)?;
    let step = step(path, &metadata)?;
    let layout = &network.layout;
    let (parameters, statistics) = weights::upload(layout, &named, path, device)?;
    let momentum = layout
        .parameters
        .iter()
        .map(|spec| {
            let key = format!("{MOMENTUM_PREFIX}{}", spec.name);
            let values = weights::find(&named, path, &key, &spec.shape)?;
            Ok(upload(values, device))
        })
        .collect::<Result<_, WeightsError>>()?;
    let (memory, memory_history) = match network.config.memory {
        false => (None, None),
        true => {
            let shape = [network.config.classes, network.config.feature_channels()];
            let values = weights::find(&named, path, MEMORY_KEY, &shape)?;
            let history = MemoryHistory::find(&named, path, shape)?;
            (Some(upload(values, device).reshape(shape)), Some(history))
        }
    };
    let sensitive_pairs = sensitive_pairs(&named, path, network, step)?;
    Ok(State {
        step,
        parameters,
        momentum,
        statistics,
        memory,
        memory_history,
        sensitive_pairs,
        empty_batches: empty_batches(&named, path)?,
    })
}

/// The count in a checkpoint; older ones have none.
fn empty_batches(named: &NamedTensors, path: &Path) -> Result<u64, CheckpointError> {
    if !named.contains_key(EMPTY_BATCHES_KEY) {
        return Ok(0);
    }
    let parts = weights::find(named, path, EMPTY_BATCHES_KEY, &[2])?;
    Ok(exact_count::count([parts[0], parts[1]]))
}

/// The pairs that ISW whitens, which a file has once it is beyond the step of their statistics.
fn sensitive_pairs(
    named: &NamedTensors,
    path: &Path,
    network: &Network,
    step: u64,
) -> Result<Option<Vec<SensitivePairs>>, CheckpointError> {
    let config = &network.config;
    let Some(after) = config.whitening.and_then(|whitening| whitening.statistics_after_steps())
    else {
        return Ok(None);
    };
    let name = |layer: usize| format!("{SENSITIVE_PAIRS_PREFIX}{layer}");
    // At that very step they may or may not be there yet.
    if step < after || (step == after && !named.contains_key(&name(0))) {
        return Ok(None);
    }
    let channels = config.normalization.whitened(&network.backbone.place_channels());
    let read = |(layer, channels): (usize, usize)| {
        let shape = [channels; 2];
        let values = weights::find(named, path, &name(layer), &shape)?;
        let tensor = HostTensor { shape: shape.to_vec(), values: values.to_vec() };
        SensitivePairs::from_host_tensor(&tensor).map_err(|source| {
            CheckpointError::SensitivePairs { path: path.to_owned(), name: name(layer), source }
        })
    };
    channels.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
}

/// Steps that a checkpoint's metadata says were taken; `path` is named in errors.
pub(crate) fn step(
    path: &Path,
    metadata: &BTreeMap<String, String>,
) -> Result<u64, CheckpointError> {
    let step = metadata.get(STEP_KEY).and_then(|step| step.parse().ok());
    step.ok_or_else(|| CheckpointError::NoStep { path: path.to_owned() })
}

fn upload(values: &[f32], device: &Device) -> Tensor<1> {
    let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    tensor_from(&values, device, DType::F32)
}
