//! Training state on disk: one safetensors file, replaced as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use models::layout::tensor_from;
use models::network::Network;
use models::weights::{self, MEMORY_KEY, WeightsError};

use crate::memory_history::MemoryHistory;
use crate::state::State;

/// Name of the checkpoint in a run folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

const STEP_KEY: &str = "pinmem.step";
const MOMENTUM_PREFIX: &str = "momentum.";

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
    if let Some(history) = &state.memory_history {
        named.extend(history.named_tensors());
    }
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
    Ok(State { step, parameters, momentum, statistics, memory, memory_history })
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
