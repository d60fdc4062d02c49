//! SGD with momentum and weight decay over flat parameters, and gradient norms.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of SGD; the reference has momentum 0.9 and weight decay 5e-4 on every parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdSettings {
    /// Momentum.
    pub momentum: f64,
    /// L2 weight decay, on all parameters including batch normalisation and biases.
    pub weight_decay: f64,
    /// Largest global gradient norm; longer gradients are scaled down to it. 0 switches it off.
    pub clip_gradient_norm: f64,
}

/// One step: `buffer = momentum buffer + (g + decay p)`, `p -= rate buffer` (torch's SGD).
///
/// `gradients` that are `None` leave their parameter and buffer alone.
#[must_use]
pub fn sgd_step(
    settings: SgdSettings,
    rate: f64,
    parameters: &[Tensor<1>],
    gradients: &[Option<Tensor<1>>],
    buffers: &[Tensor<1>],
) -> (Vec<Tensor<1>>, Vec<Tensor<1>>) {
    parameters
        .iter()
        .zip(gradients)
        .zip(buffers)
        .map(|((parameter, gradient), buffer)| match gradient {
            None => (parameter.clone(), buffer.clone()),
            Some(gradient) => {
                let decayed =
                    gradient.clone() + parameter.clone().mul_scalar(settings.weight_decay);
                let buffer = buffer.clone().mul_scalar(settings.momentum) + decayed;
                (parameter.clone() - buffer.clone().mul_scalar(rate), buffer)
            }
        })
        .unzip()
}

/// Global L2 norm of several tensors, `[1]`, on the device.
#[must_use]
pub fn global_norm(tensors: &[Option<Tensor<1>>]) -> Option<Tensor<1>> {
    let squares: Vec<_> =
        tensors.iter().flatten().map(|tensor| tensor.clone().square().sum()).collect();
    (!squares.is_empty()).then(|| Tensor::cat(squares, 0).sum().sqrt())
}

/// Scales the gradients so that their global norm is at most `limit` (0: no limit).
#[must_use]
pub fn clipped(gradients: Vec<Option<Tensor<1>>>, limit: f64) -> Vec<Option<Tensor<1>>> {
    if limit == 0.0 {
        return gradients;
    }
    let Some(norm) = global_norm(&gradients) else { return gradients };
    // torch.nn.utils.clip_grad_norm_: limit / (norm + 1e-6), at most 1.
    let factor = (norm.add_scalar(1e-6).recip().mul_scalar(limit)).clamp_max(1.0);
    gradients.into_iter().map(|gradient| gradient.map(|g| g * factor.clone())).collect()
}
