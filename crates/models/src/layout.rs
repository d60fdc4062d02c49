//! Names, shapes and initial values of a network's tensors, in the reference's `state_dict` order.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::mode::BatchStatistics;
use crate::random::Stream;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element equal.
    Constant(f64),
    /// Normal with this standard deviation.
    Normal(f64),
    /// Kaiming normal for ReLU over the inputs of one output (`fan_in`).
    KaimingFanIn,
    /// Kaiming normal for ReLU over the outputs of one input (`fan_out`, torchvision's backbones).
    KaimingFanOut,
    /// Uniform within `1 / sqrt(fan_in)`: what PyTorch gives a convolution unless told otherwise.
    UniformFanIn,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Key in the reference's `state_dict`, without `module.`.
    pub name: String,
    /// Shape; convolutions are `[O, I, k, k]`, linear layers `[O, I]`.
    pub shape: Vec<usize>,
    /// Initial value.
    pub init: Init,
}

impl ParameterSpec {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All tensors of a network.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Parameters in order.
    pub parameters: Vec<ParameterSpec>,
    /// Batch normalisation layers in order: name (without `.running_mean`) and channels.
    pub batch_norms: Vec<(String, usize)>,
    /// Switchable whitening layers in order: name, groups, and channels per group.
    pub switchable_norms: Vec<(String, [usize; 2])>,
    parameter_index: BTreeMap<String, usize>,
    batch_norm_index: BTreeMap<String, usize>,
}

impl Layout {
    /// Position of a parameter.
    ///
    /// # Panics
    /// If the network has no such parameter: a bug of the caller.
    #[must_use]
    pub fn parameter(&self, name: &str) -> usize {
        *self.parameter_index.get(name).unwrap_or_else(|| panic!("no parameter named {name}"))
    }

    /// Position of a batch normalisation layer.
    ///
    /// # Panics
    /// If the network has no such layer: a bug of the caller.
    #[must_use]
    pub fn batch_norm(&self, name: &str) -> usize {
        *self.batch_norm_index.get(name).unwrap_or_else(|| panic!("no batch norm named {name}"))
    }

    /// Number of trainable elements.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(ParameterSpec::len).sum()
    }

    pub(crate) fn push(&mut self, name: String, shape: Vec<usize>, init: Init) {
        let index = self.parameters.len();
        let previous = self.parameter_index.insert(name.clone(), index);
        assert!(previous.is_none(), "parameter {name} declared twice");
        self.parameters.push(ParameterSpec { name, shape, init });
    }

    /// A square convolution without bias: `name.weight`.
    pub(crate) fn conv(&mut self, name: &str, [out, input, kernel]: [usize; 3], init: Init) {
        self.push(format!("{name}.weight"), vec![out, input, kernel, kernel], init);
    }

    /// `name.weight` 1, `name.bias`, and running statistics.
    pub(crate) fn batch_norm_layer(&mut self, name: &str, channels: usize, bias: f64) {
        self.push(format!("{name}.weight"), vec![channels], Init::Constant(1.0));
        self.push(format!("{name}.bias"), vec![channels], Init::Constant(bias));
        let previous = self.batch_norm_index.insert(name.to_owned(), self.batch_norms.len());
        assert!(previous.is_none(), "batch norm {name} declared twice");
        self.batch_norms.push((name.to_owned(), channels));
    }

    /// Initial parameters: a function of the seed and each parameter's name alone.
    #[must_use]
    pub fn init_parameters(&self, seed: u64, device: &Device, dtype: DType) -> Vec<Tensor<1>> {
        self.parameters
            .iter()
            .map(|spec| tensor_from(&initial_values(spec, seed), device, dtype))
            .collect()
    }

    /// Initial running statistics: mean 0, variance 1; covariance 0.
    #[must_use]
    pub fn init_statistics(&self, device: &Device, dtype: DType) -> Vec<BatchStatistics> {
        self.statistics()
            .iter()
            .map(|spec| BatchStatistics {
                mean: Tensor::zeros([spec.mean_shape.iter().product::<usize>()], (device, dtype)),
                variance: Tensor::full(
                    [spec.variance_shape.iter().product::<usize>()],
                    spec.initial_variance,
                    (device, dtype),
                ),
            })
            .collect()
    }

    /// Running statistics in order: those of the batch norms, then those of switchable whitening.
    #[must_use]
    pub fn statistics(&self) -> Vec<StatisticsSpec> {
        let of_batch_norm = |(name, channels): &(String, usize)| StatisticsSpec {
            mean: format!("{name}.running_mean"),
            mean_shape: vec![*channels],
            variance: format!("{name}.running_var"),
            variance_shape: vec![*channels],
            initial_variance: 1.0,
        };
        let of_whitening = |(name, [groups, group]): &(String, [usize; 2])| StatisticsSpec {
            mean: format!("{name}.running_mean"),
            mean_shape: vec![*groups, *group, 1],
            variance: format!("{name}.running_cov"),
            variance_shape: vec![*groups, *group, *group],
            initial_variance: 0.0,
        };
        let whitenings = self.switchable_norms.iter().map(of_whitening);
        self.batch_norms.iter().map(of_batch_norm).chain(whitenings).collect()
    }

    /// Position of a switchable whitening layer among the running statistics.
    ///
    /// # Panics
    /// If the network has no such layer: a bug of the caller.
    #[must_use]
    pub fn switchable_norm(&self, name: &str) -> usize {
        let position = self.switchable_norms.iter().position(|(layer, _)| layer == name);
        self.batch_norms.len() + position.unwrap_or_else(|| panic!("no whitening named {name}"))
    }
}

/// Keys and shapes of one layer's running statistics, which [`BatchStatistics`] holds flat.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsSpec {
    /// Key of the mean.
    pub mean: String,
    /// Shape of the mean.
    pub mean_shape: Vec<usize>,
    /// Key of the variance, or of the covariance.
    pub variance: String,
    /// Shape of the variance or covariance.
    pub variance_shape: Vec<usize>,
    /// What every element of the variance or covariance starts as.
    pub initial_variance: f64,
}

/// Uploads a vector of numbers in the wanted precision.
#[must_use]
pub fn tensor_from(values: &[f64], device: &Device, dtype: DType) -> Tensor<1> {
    let shape = [values.len()];
    let data = match dtype {
        DType::F64 => TensorData::new(values.to_vec(), shape),
        _ => TensorData::new(values.iter().map(|&x| x as f32).collect::<Vec<_>>(), shape),
    };
    Tensor::from_data(data, (device, dtype))
}

fn initial_values(spec: &ParameterSpec, seed: u64) -> Vec<f64> {
    let receptive: usize = spec.shape.iter().skip(2).product();
    let stream = Stream::new(seed, 0, &spec.name);
    let numbers = 0..spec.len() as u64;
    let deviation = match spec.init {
        Init::Constant(value) => return vec![value; spec.len()],
        Init::UniformFanIn => {
            let bound = ((spec.shape[1] * receptive) as f64).sqrt().recip();
            return numbers.map(|i| bound * (2.0 * stream.uniform(i) - 1.0)).collect();
        }
        Init::Normal(deviation) => deviation,
        Init::KaimingFanIn => (2.0 / (spec.shape[1] * receptive) as f64).sqrt(),
        Init::KaimingFanOut => (2.0 / (spec.shape[0] * receptive) as f64).sqrt(),
    };
    numbers.map(|i| deviation * stream.normal(i)).collect()
}
