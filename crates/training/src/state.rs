//! Everything that training changes.

use burn::tensor::{DType, Device, Tensor};
use models::mode::BatchStatistics;
use models::network::Network;
use models::normalization::sensitivity::SensitivePairs;

use crate::memory_history::MemoryHistory;

/// Parameters, buffers, memory and optimiser state at one step.
#[derive(Clone, Debug)]
pub struct State {
    /// Steps taken.
    pub step: u64,
    /// Parameters, flat, in the layout's order.
    pub parameters: Vec<Tensor<1>>,
    /// Momentum buffers, like the parameters.
    pub momentum: Vec<Tensor<1>>,
    /// Running statistics of batch normalisation.
    pub statistics: Vec<BatchStatistics>,
    /// The memory `[K, C]`, if the network has one.
    pub memory: Option<Tensor<2>>,
    /// What became of it so far, once it has its first value; no step depends on it.
    pub memory_history: Option<MemoryHistory>,
    /// The pairs of channels that ISW whitens, for each layer, once they were found.
    pub sensitive_pairs: Option<Vec<SensitivePairs>>,
    /// Batches without labels since the last line of `metrics.jsonl`; no step depends on it.
    pub empty_batches: u64,
}

impl State {
    /// A fresh network; the memory's slots are zero until initialised.
    #[must_use]
    pub fn new(network: &Network, seed: u64, device: &Device, dtype: DType) -> Self {
        let parameters = network.layout.init_parameters(seed, device, dtype);
        let momentum = parameters.iter().map(Tensor::zeros_like).collect();
        let config = &network.config;
        Self {
            step: 0,
            momentum,
            parameters,
            statistics: network.layout.init_statistics(device, dtype),
            memory: config.memory.then(|| {
                Tensor::zeros([config.classes, config.feature_channels()], (device, dtype))
            }),
            memory_history: None,
            sensitive_pairs: None,
            empty_batches: 0,
        }
    }
}
