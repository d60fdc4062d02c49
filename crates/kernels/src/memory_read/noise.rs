//! What is added to the scores of a memory read.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Noise of a memory read; always a constant of the graph.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per pass, and none is stored")]
pub enum Noise {
    /// No noise: the paper's softmax.
    None,
    /// These numbers, `[N, K]`.
    Given(Tensor<2>),
    /// Standard Gumbel numbers (released code), drawn where they are used: number `n K + k` of the
    /// stream with this key, a splitmix64 of key and number.
    Drawn(u64),
}

/// Number `index` of the stream `key`: standard Gumbel.
#[must_use]
pub fn gumbel(key: u64, index: u64) -> f64 {
    shaders::memory_read::gumbel(key, index)
}

impl Noise {
    /// The numbers as a tensor of `[N, K]`, if there are any; drawn ones are drawn on the host.
    #[must_use]
    pub fn tensor(self, shape: [usize; 2], device: &Device, dtype: DType) -> Option<Tensor<2>> {
        match self {
            Self::None => None,
            Self::Given(noise) => Some(noise.detach()),
            Self::Drawn(key) => {
                let len = (shape[0] * shape[1]) as u64;
                let values: Vec<f64> = (0..len).map(|index| gumbel(key, index)).collect();
                let device = device.clone().without_autodiff();
                Some(Tensor::from_data(TensorData::new(values, shape), (&device, dtype)))
            }
        }
    }
}
