//! Network tensors as named host tensors, and safetensors files of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::layout::{Layout, tensor_from};
use crate::mode::BatchStatistics;

/// Key of the memory, which the reference keeps outside its `state_dict`.
pub const MEMORY_KEY: &str = "memory.m_items";

/// A float tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub values: Vec<f32>,
}

/// Named tensors in name order.
pub type NamedTensors = BTreeMap<String, HostTensor>;

/// What can be wrong with a weights file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a safetensors file.
    #[error("{}: not a safetensors file: {reason}; hint: it may be truncated", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is one of PyTorch.
    #[error("{}: found a file of PyTorch, expected a safetensors file; hint: `train import` makes \
             one of it", path.display())]
    PyTorch {
        /// The file.
        path: PathBuf,
    },
    /// A tensor is of other numbers.
    #[error("{}: tensor {name} is {found}, expected F32; hint: `train import` converts files of \
             other programs", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type in the file.
        found: String,
    },
    /// A value is infinite or not a number.
    #[error("{}: tensor {name} has a value {found}, expected finite numbers; hint: such a training \
             went wrong, take an earlier file", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The first such value.
        found: f32,
    },
    /// A tensor is in no place of the model.
    #[error("{}: tensor {name} is not one of the model's; hint: `train import` gives weights of \
             other programs the names of the recipe's model; if it made this file, that was for \
             another model", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor is missing.
    #[error("{}: tensor {name} is missing, expected shape {expected:?}; hint: the file belongs to \
             another model than the recipe's", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the model.
        expected: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error("{}: tensor {name} has shape {found:?}, expected {expected:?}; hint: the file belongs \
             to another model than the recipe's", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape in the model.
        expected: Vec<usize>,
    },
    /// The tensors cannot be serialised.
    #[error("cannot serialise tensors: {0}")]
    Serialize(String),
}

/// Refuses values that are infinite or not a number.
///
/// # Errors
/// The first tensor with one; `path` is named as the source.
pub fn require_finite(named: &NamedTensors, path: &Path) -> Result<(), WeightsError> {
    for (name, tensor) in named {
        if let Some(&found) = tensor.values.iter().find(|value| !value.is_finite()) {
            let (path, name) = (path.to_owned(), name.clone());
            return Err(WeightsError::NotFinite { path, name, found });
        }
    }
    Ok(())
}

/// Reads a tensor from its device.
///
/// # Panics
/// If the device fails while it computes the tensor.
#[must_use]
pub fn host_tensor<const D: usize>(x: &Tensor<D>, shape: &[usize]) -> HostTensor {
    let values = x
        .clone()
        .without_autodiff()
        .try_into_vec_as::<f32>()
        .expect("the device computes a float tensor");
    HostTensor { shape: shape.to_vec(), values }
}

/// Names and shapes of what [`named_tensors`] gives, and of the memory `[K, C]` if there is one.
#[must_use]
pub fn expected_tensors(layout: &Layout, memory: Option<[usize; 2]>) -> Vec<(String, Vec<usize>)> {
    let parameters = layout.parameters.iter().map(|spec| (spec.name.clone(), spec.shape.clone()));
    let statistics = layout
        .statistics()
        .into_iter()
        .flat_map(|spec| [(spec.mean, spec.mean_shape), (spec.variance, spec.variance_shape)]);
    let memory = memory.map(|shape| (MEMORY_KEY.to_owned(), shape.to_vec()));
    parameters.chain(statistics).chain(memory).collect()
}

/// Parameters and running statistics under the reference's keys.
#[must_use]
pub fn named_tensors(
    layout: &Layout,
    parameters: &[Tensor<1>],
    statistics: &[BatchStatistics],
) -> NamedTensors {
    let mut named = NamedTensors::new();
    for (spec, parameter) in layout.parameters.iter().zip(parameters) {
        named.insert(spec.name.clone(), host_tensor(parameter, &spec.shape));
    }
    for (spec, running) in layout.statistics().into_iter().zip(statistics) {
        named.insert(spec.mean, host_tensor(&running.mean, &spec.mean_shape));
        named.insert(spec.variance, host_tensor(&running.variance, &spec.variance_shape));
    }
    named
}

/// Uploads what [`named_tensors`] gives.
///
/// # Errors
/// If a tensor is missing or has another shape; `path` is named as the source.
pub fn upload(
    layout: &Layout,
    named: &NamedTensors,
    path: &Path,
    device: &Device,
) -> Result<(Vec<Tensor<1>>, Vec<BatchStatistics>), WeightsError> {
    let get = |name: &str, shape: &[usize]| {
        let values = find(named, path, name, shape)?;
        let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        Ok(tensor_from(&values, device, DType::F32))
    };
    let parameters = layout
        .parameters
        .iter()
        .map(|spec| get(&spec.name, &spec.shape))
        .collect::<Result<_, WeightsError>>()?;
    let statistics = layout
        .statistics()
        .iter()
        .map(|spec| {
            Ok(BatchStatistics {
                mean: get(&spec.mean, &spec.mean_shape)?,
                variance: get(&spec.variance, &spec.variance_shape)?,
            })
        })
        .collect::<Result<_, WeightsError>>()?;
    Ok((parameters, statistics))
}

/// The values of one tensor, if it is there in the expected shape.
///
/// # Errors
/// If it is missing or has another shape.
pub fn find<'a>(
    named: &'a NamedTensors,
    path: &Path,
    name: &str,
    shape: &[usize],
) -> Result<&'a [f32], WeightsError> {
    let tensor = named.get(name).ok_or_else(|| WeightsError::Missing {
        path: path.to_owned(),
        name: name.to_owned(),
        expected: shape.to_vec(),
    })?;
    if tensor.shape != shape {
        return Err(WeightsError::Shape {
            path: path.to_owned(),
            name: name.to_owned(),
            found: tensor.shape.clone(),
            expected: shape.to_vec(),
        });
    }
    Ok(&tensor.values)
}

/// The bytes of a safetensors file.
///
/// # Errors
/// If the library refuses the tensors.
pub fn serialize(
    named: &NamedTensors,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let bytes: Vec<(&String, &HostTensor, Vec<u8>)> = named
        .iter()
        .map(|(name, tensor)| {
            (name, tensor, tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (name, tensor, bytes) in &bytes {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)
            .map_err(|error| WeightsError::Serialize(format!("{name}: {error}")))?;
        views.push((name.as_str(), view));
    }
    let metadata = metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    safetensors::serialize(views, Some(metadata))
        .map_err(|error| WeightsError::Serialize(error.to_string()))
}

/// Reads a safetensors file of f32 tensors and its metadata.
///
/// # Errors
/// If the file cannot be read, is not safetensors, or holds another element type.
pub fn read(path: &Path) -> Result<(NamedTensors, BTreeMap<String, String>), WeightsError> {
    let bytes =
        fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    parse(&bytes, path)
}

/// As [`read`], of a file in memory; `path` is named in errors.
///
/// # Errors
/// If the bytes are not safetensors, or hold another element type.
pub fn parse(
    bytes: &[u8],
    path: &Path,
) -> Result<(NamedTensors, BTreeMap<String, String>), WeightsError> {
    if is_of_pytorch(bytes) {
        return Err(WeightsError::PyTorch { path: path.to_owned() });
    }
    let format = |reason: String| WeightsError::Format { path: path.to_owned(), reason };
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| format(error.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let file = SafeTensors::deserialize(bytes).map_err(|error| format(error.to_string()))?;
    let mut named = NamedTensors::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(WeightsError::ElementType {
                path: path.to_owned(),
                name: name.to_owned(),
                found: format!("{:?}", view.dtype()),
            });
        }
        let values =
            view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        named.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok((named, metadata))
}

/// Whether a file begins as `torch.save` has begun them: a zip archive, a tar archive or a pickle.
fn is_of_pytorch(bytes: &[u8]) -> bool {
    // A length of a header may begin like a pickle, and an opening brace follows it.
    let is_pickle = bytes.first() == Some(&0x80) && bytes.get(8) != Some(&b'{');
    bytes.starts_with(b"PK\x03\x04") || bytes.get(257..262) == Some(b"ustar") || is_pickle
}
