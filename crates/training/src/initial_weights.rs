//! Weights that a new run starts from, such as those of an ImageNet backbone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{DType, Tensor};
use models::layout::{Layout, tensor_from};
use models::weights::{self, MEMORY_KEY, NamedTensors, WeightsError, expected_tensors};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, CheckpointError};
use crate::state::State;

/// Which file it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFacts {
    /// Name of the file, without its folder.
    pub file: String,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

/// Some or all tensors of a network.
#[derive(Debug)]
pub struct InitialWeights {
    /// Where they are from.
    pub facts: WeightsFacts,
    tensors: NamedTensors,
}

impl InitialWeights {
    /// Reads a safetensors file, as `train import` writes it.
    ///
    /// `memory` is the shape `[K, C]` of the network's memory, if it has one.
    ///
    /// # Errors
    /// If the file cannot be read, is the checkpoint of a run, has no tensor, or has one of another
    /// shape or of another network, or with a value that is not finite. It may have fewer than the
    /// network.
    pub fn read(
        path: &Path,
        layout: &Layout,
        memory: Option<[usize; 2]>,
    ) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path)
            .map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
        let (tensors, metadata) = weights::parse(&bytes, path)?;
        // Before its momentum is called a tensor of another model.
        if checkpoint::verify(&tensors, &metadata, path)? {
            return Err(CheckpointError::NotWeights { path: path.to_owned() });
        }
        if tensors.is_empty() {
            let reason = "it holds no tensor".to_owned();
            return Err(WeightsError::Format { path: path.to_owned(), reason }.into());
        }
        let expected: BTreeMap<_, _> = expected_tensors(layout, memory).into_iter().collect();
        for name in tensors.keys() {
            let shape = expected.get(name).ok_or_else(|| WeightsError::Unexpected {
                path: path.to_owned(),
                name: name.clone(),
            })?;
            weights::find(&tensors, path, name, shape)?;
        }
        weights::require_finite(&tensors, path)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        Ok(Self { facts: WeightsFacts { file, blake3 }, tensors })
    }

    /// Whether the memory is among them.
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.tensors.contains_key(MEMORY_KEY)
    }

    /// Puts them in their places of a new state; what they lack stays as it was.
    ///
    /// # Panics
    /// If the layout is not the one that they were read for: a bug of the caller.
    pub fn apply(&self, layout: &Layout, state: &mut State) {
        let replace = |old: &mut Tensor<1>, name: &str| {
            if let Some(tensor) = self.tensors.get(name) {
                assert_eq!(old.dims(), [tensor.values.len()], "{name} is checked when it is read");
                *old = uploaded(&tensor.values, old);
            }
        };
        for (parameter, spec) in state.parameters.iter_mut().zip(&layout.parameters) {
            replace(parameter, &spec.name);
        }
        for (running, spec) in state.statistics.iter_mut().zip(layout.statistics()) {
            replace(&mut running.mean, &spec.mean);
            replace(&mut running.variance, &spec.variance);
        }
        if let (Some(memory), Some(tensor)) = (&mut state.memory, self.tensors.get(MEMORY_KEY)) {
            let shape = memory.dims();
            *memory = uploaded(&tensor.values, memory).reshape(shape);
        }
    }
}

/// The values on the device of `like`.
fn uploaded<const D: usize>(values: &[f32], like: &Tensor<D>) -> Tensor<1> {
    let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    tensor_from(&values, &like.device(), DType::F32)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use models::network::{Network, NetworkConfig};
    use models::weights::{HostTensor, named_tensors, serialize};
    use tempfile::TempDir;

    use super::*;

    const MEMORY: [usize; 2] = [2, 16];

    fn network() -> Network {
        let config = NetworkConfig::deeplab_v3_plus_resnet50(MEMORY[0], true);
        Network::new(NetworkConfig { blocks: Some([1; 4]), width_divisor: 16, ..config })
    }

    fn read(tensors: &NamedTensors) -> Result<InitialWeights, CheckpointError> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("some.safetensors");
        let metadata = BTreeMap::from([("made_by".to_owned(), "a test".to_owned())]);
        fs::write(&path, serialize(tensors, &metadata).unwrap()).unwrap();
        InitialWeights::read(&path, &network().layout, Some(MEMORY))
    }

    fn tensor(shape: &[usize], first: f32) -> HostTensor {
        let count = shape.iter().product::<usize>();
        HostTensor { shape: shape.to_vec(), values: (0..count).map(|i| first + i as f32).collect() }
    }

    #[test]
    fn tensors_of_the_file_get_their_places_and_the_rest_stays_as_drawn() {
        let network = network();
        let device = Device::flex();
        let fresh = State::new(&network, 7, &device, DType::F32);
        let mut state = fresh.clone();
        let given = NamedTensors::from([
            ("layer1.0.conv2.weight".to_owned(), tensor(&[4, 4, 3, 3], 1.0)),
            ("layer1.0.bn2.running_mean".to_owned(), tensor(&[4], 2.0)),
            ("layer1.0.bn3.running_var".to_owned(), tensor(&[16], 3.0)),
            (MEMORY_KEY.to_owned(), tensor(&MEMORY, 4.0)),
        ]);
        let weights = read(&given).unwrap();
        assert!(weights.has_memory());
        assert_eq!(weights.facts.file, "some.safetensors");
        weights.apply(&network.layout, &mut state);

        let named = |state: &State| {
            let layout = &network.layout;
            let mut named = named_tensors(layout, &state.parameters, &state.statistics);
            let memory = state.memory.as_ref().unwrap();
            named.insert(MEMORY_KEY.to_owned(), weights::host_tensor(memory, &MEMORY));
            named
        };
        let mut expected = named(&fresh);
        assert_eq!(expected.len(), expected_tensors(&network.layout, Some(MEMORY)).len());
        expected.extend(given);
        assert!(named(&state) == expected);
    }

    #[test]
    fn another_shape_another_name_and_an_empty_file_are_refused() {
        let one = |name: &str, shape: &[usize]| {
            read(&NamedTensors::from([(name.to_owned(), tensor(shape, 0.0))])).unwrap_err()
        };
        let error = one("layer1.0.conv2.weight", &[4, 4, 1, 1]);
        assert!(matches!(error, CheckpointError::Weights(WeightsError::Shape { .. })), "{error}");
        let error = one("conv1.weight", &[4, 3, 7, 7]);
        assert!(
            matches!(error, CheckpointError::Weights(WeightsError::Unexpected { .. })),
            "{error}"
        );
        assert!(error.to_string().contains("hint: `train import`"), "{error}");
        let error = read(&NamedTensors::new()).unwrap_err();
        assert!(error.to_string().contains("holds no tensor"), "{error}");
    }

    #[test]
    fn a_value_that_is_no_number_is_refused_with_its_tensor() {
        let mut variance = tensor(&[4], 1.0);
        variance.values[2] = f32::INFINITY;
        let name = "layer1.0.bn2.running_var";
        let error = read(&NamedTensors::from([(name.to_owned(), variance)])).unwrap_err();
        let CheckpointError::Weights(WeightsError::NotFinite { name: found, .. }) = &error else {
            panic!("{error}")
        };
        assert_eq!(found, name);
        assert!(error.to_string().contains("has a value inf, expected finite"), "{error}");
    }

    #[test]
    fn a_checkpoint_of_a_run_is_called_so_and_a_damaged_one_damaged() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let (bias, momentum) = ("final2.0.bias", "momentum.final2.0.bias");
        let tensors = [bias, momentum].map(|name| (name.to_owned(), tensor(&[2], 0.5)));
        let mut bytes =
            checkpoint::encode(&tensors.into(), checkpoint::Stamp { step: 7, recipe: None })
                .unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            InitialWeights::read(&path, &network().layout, None).unwrap_err().to_string()
        };
        let error = refused(&bytes);
        let expected = "checkpoint.safetensors: found the checkpoint of a run, expected weights";
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("hint: `train export RUN --format safetensors`"), "{error}");
        *bytes.last_mut().unwrap() ^= 1;
        let error = refused(&bytes);
        assert!(error.contains("hint: the file was damaged or changed"), "{error}");
    }

    #[test]
    fn files_that_train_import_has_not_been_over_are_sent_there() {
        use safetensors::tensor::{Dtype, TensorView};

        let folder = TempDir::new().unwrap();
        let path = folder.path().join("resnet50.pth");
        // A count of batches, as torchvision's files have them.
        let count = TensorView::new(Dtype::I64, vec![], &[7, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        let counts = [("bn1.num_batches_tracked", count)];
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, expected) in [
            (b"PK\x03\x04 and so on".to_vec(), "found a file of PyTorch"),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j".to_vec(), "found a file of PyTorch"),
            (tar, "found a file of PyTorch"),
            (safetensors::serialize(counts, None).unwrap(), "bn1.num_batches_tracked is I64"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = InitialWeights::read(&path, &network().layout, None).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("hint: `train import`"), "{error}");
        }
    }
}
