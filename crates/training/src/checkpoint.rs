//! Training state on disk: one safetensors file with a digest, replaced as a whole.

mod places;
mod record;

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
use record::RECORD_KEY;
pub use record::Stamp;

/// Name of the checkpoint in a run folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

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
    /// The file says neither its step nor its digest.
    #[error("{}: found no step and digest in the metadata, expected `{RECORD_KEY}`; hint: this is \
             not a checkpoint of a run, or it is damaged", path.display())]
    NoRecord {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The file is not as it was saved.
    #[error("{}: found a content with BLAKE3 {found}, expected {expected}, with which it was \
             saved; hint: the file was damaged or changed, put a copy of it back or start a new \
             run", path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// Digest of what it holds.
        found: String,
        /// Digest of what was saved.
        expected: String,
    },
    /// The file is a checkpoint where weights to start from are expected.
    #[error("{}: found the checkpoint of a run, expected weights alone; hint: `train export RUN \
             --format safetensors` writes those of a run, `train import` those of a checkpoint",
            path.display())]
    NotWeights {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A tensor has no place in the network and the state of the recipe.
    #[error("{}: found tensor {name} of shape {found:?}, expected none of that name, as the \
             recipe's run has no place for it; hint: put `[model]` and `method.update_network` of \
             the run's recipe.toml back as they were, or start a new run", path.display())]
    NoPlace {
        /// The file.
        path: std::path::PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
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

/// Writes `state` aside, syncs it and renames it to `path`; `recipe` is the digest of the recipe
/// that trained it ([`Recipe::training_digest`](crate::recipe::Recipe::training_digest)).
///
/// # Errors
/// If the file cannot be written; an older checkpoint stays as it was.
pub fn save(
    path: &Path,
    network: &Network,
    state: &State,
    recipe: Option<blake3::Hash>,
) -> Result<(), CheckpointError> {
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
    whole_file::write(path, &encode(&named, Stamp { step: state.step, recipe })?)
        .map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
}

/// The bytes of a checkpoint, with the digest of its tensors.
///
/// # Errors
/// If the tensors cannot be serialised.
pub fn encode(named: &NamedTensors, stamp: Stamp) -> Result<Vec<u8>, WeightsError> {
    weights::serialize(named, &record::metadata(named, stamp))
}

/// The tensors of a checkpoint, which are those that were saved, and what it says of itself.
///
/// # Errors
/// If the file is missing or damaged, or a value is not finite.
pub fn read(path: &Path) -> Result<(NamedTensors, Stamp), CheckpointError> {
    let (named, metadata) = weights::read(path)?;
    let stamp = record::verified(&named, &metadata, path)?;
    weights::require_finite(&named, path)?;
    Ok((named, stamp))
}

/// Refuses tensors of a safetensors file that were those of a checkpoint and are not any more;
/// returns whether they are those of a checkpoint.
///
/// Files that are no checkpoints, by their metadata, say nothing of that.
///
/// # Errors
/// If the file was damaged or changed; `path` is named as it.
pub fn verify(
    named: &NamedTensors,
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<bool, CheckpointError> {
    match metadata.contains_key(RECORD_KEY) {
        true => record::verified(named, metadata, path).map(|_| true),
        false => Ok(false),
    }
}

/// Reads what [`save`] wrote, bit for bit: the state and the digest of its recipe.
///
/// # Errors
/// If the file is missing, damaged, not finite, or of another model.
pub fn load(
    path: &Path,
    network: &Network,
    device: &Device,
) -> Result<(State, Option<blake3::Hash>), CheckpointError> {
    let (named, Stamp { step, recipe }) = read(path)?;
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
    let state = State {
        step,
        parameters,
        momentum,
        statistics,
        memory,
        memory_history,
        sensitive_pairs,
        empty_batches: empty_batches(&named, path)?,
    };
    places::require(&named, network, &state, path)?;
    Ok((state, recipe))
}

fn empty_batches(named: &NamedTensors, path: &Path) -> Result<u64, CheckpointError> {
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

fn upload(values: &[f32], device: &Device) -> Tensor<1> {
    let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    tensor_from(&values, device, DType::F32)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use models::memory::UpdateNetwork;
    use models::network::NetworkConfig;
    use tempfile::TempDir;

    use super::*;

    const STAMP: Stamp = Stamp { step: 3, recipe: None };

    fn network() -> Network {
        let config = NetworkConfig::deeplab_v3_plus_resnet50(2, true);
        Network::new(NetworkConfig { blocks: Some([1; 4]), width_divisor: 16, ..config })
    }

    fn state(network: &Network) -> State {
        let mut state = State::new(network, 7, &Device::flex(), DType::F32);
        state.memory_history = state.memory.as_ref().map(MemoryHistory::new);
        state.step = 5;
        state
    }

    #[test]
    fn a_flipped_bit_anywhere_among_the_tensors_or_in_the_step_is_refused() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(CHECKPOINT_FILE);
        let network = network();
        let device = Device::flex();
        save(&path, &network, &state(&network), None).unwrap();
        assert_eq!(load(&path, &network, &device).unwrap().0.step, 5);
        let whole = fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
        let step = whole.windows(9).position(|part| part == b"step\\\":5,").unwrap() + 7;
        let places = [header, (header + whole.len()) / 2, whole.len() - 1];
        for at in places.into_iter().chain([step]) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let error = load(&path, &network, &device).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "byte {at}: {error}");
            assert!(error.to_string().contains("checkpoint.safetensors: found"), "{error}");
        }
    }

    #[test]
    fn tensors_of_other_names_or_shapes_or_without_a_digest_are_refused() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(CHECKPOINT_FILE);
        let tensor = |value| HostTensor { shape: vec![1], values: vec![value] };
        let names = |[first, second]: [&str; 2]| {
            let tensors = [(first.to_owned(), tensor(1.0)), (second.to_owned(), tensor(2.0))];
            NamedTensors::from(tensors)
        };
        let (saved, renamed) = (names(["a", "bc"]), names(["ab", "c"]));
        let mut reshaped = saved.clone();
        reshaped.values_mut().for_each(|tensor| tensor.shape = vec![1, 1]);
        fs::write(&path, encode(&saved, STAMP).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), (saved.clone(), STAMP));
        let metadata = record::metadata(&saved, STAMP);
        for changed in [renamed, reshaped] {
            fs::write(&path, weights::serialize(&changed, &metadata).unwrap()).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
        }
        fs::write(&path, weights::serialize(&saved, &BTreeMap::new()).unwrap()).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, CheckpointError::NoRecord { .. }), "{error}");
    }

    #[test]
    fn a_part_that_is_no_number_is_refused_by_its_name() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(CHECKPOINT_FILE);
        let network = network();
        let wrong = |x: &Tensor<1>, value: f32| x.clone() * 0.0 + value;
        let layout = &network.layout;
        let (parameter, statistic) = (&layout.parameters[3].name, &layout.statistics()[1].variance);
        type Change<'a> = &'a dyn Fn(&mut State);
        let changes: [(&str, Change<'_>); 4] = [
            (parameter, &|state| state.parameters[3] = wrong(&state.parameters[3], f32::NAN)),
            (&format!("{MOMENTUM_PREFIX}{parameter}"), &|state| {
                state.momentum[3] = wrong(&state.momentum[3], f32::INFINITY);
            }),
            (statistic, &|state| {
                let variance = &mut state.statistics[1].variance;
                *variance = wrong(variance, f32::NEG_INFINITY);
            }),
            (MEMORY_KEY, &|state| state.memory = state.memory.take().map(|x| x + f32::NAN)),
        ];
        for (expected, change) in changes {
            let mut state = state(&network);
            change(&mut state);
            save(&path, &network, &state, None).unwrap();
            let error = load(&path, &network, &Device::flex()).unwrap_err();
            let CheckpointError::Weights(WeightsError::NotFinite { name, .. }) = &error else {
                panic!("{expected}: {error}")
            };
            assert_eq!(name, expected);
        }
    }

    #[test]
    fn a_tensor_that_the_recipes_network_has_no_place_for_is_refused_by_name() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(CHECKPOINT_FILE);
        let network = network();
        save(&path, &network, &state(&network), None).unwrap();
        let config = &network.config;
        let without = NetworkConfig { memory: false, ..config.clone() };
        let unupdated = NetworkConfig { update_network: UpdateNetwork::None, ..config.clone() };
        let refusal = |config| {
            let error = load(&path, &Network::new(config), &Device::flex()).unwrap_err();
            let CheckpointError::NoPlace { name, .. } = &error else { panic!("{error}") };
            (name.clone(), error.to_string())
        };
        let (name, text) = refusal(unupdated);
        assert!(text.contains(&format!("found tensor {name} of shape [")), "{text}");
        let others = Network::new(NetworkConfig { memory: false, ..config.clone() }).layout;
        assert!(others.parameters.iter().all(|spec| spec.name != name), "{name} is the memory's");
        // Without a memory its parameters have no place either, and any of them may be named.
        let (name, _) = refusal(without);
        assert!(others.parameters.iter().all(|spec| spec.name != name), "{name}");
        let mut named = read(&path).unwrap().0;
        named.insert(
            format!("{SENSITIVE_PAIRS_PREFIX}0"),
            HostTensor { shape: vec![1], values: vec![0.0] },
        );
        fs::write(&path, encode(&named, STAMP).unwrap()).unwrap();
        let (name, _) = refusal(config.clone());
        assert_eq!(name, format!("{SENSITIVE_PAIRS_PREFIX}0"));
    }
}
