//! The exact outer gradient is the derivative of the outer loss, whatever the meta-test write
//! freezes.

use burn::tensor::{DType, Device, Tensor};
use models::memory::UpdateNetwork;
use models::random::Stream;
use training::method::Method;
use training::objective::{self, Criteria, MemoryInput};

use crate::episode::{Episode, INNER_RATE, UPDATE};
use crate::formula::Formula;
use crate::golden::values;

/// Which parameters, by name.
type Names = fn(&str) -> bool;

impl Episode {
    /// Theta' of Theta.
    fn after_inner_step(&self, parameters: &[Tensor<1>], method: &Method) -> Vec<Tensor<1>> {
        let leaves: Vec<_> =
            parameters.iter().map(|tensor| tensor.clone().autodiff().require_grad()).collect();
        let slots = self.state.memory.clone().expect("a memory");
        let memory = Some(MemoryInput { slots, write: true });
        let noise = Stream::named("no noise");
        let setting = Criteria { method, noise, sensitive_pairs: None };
        let mut pass = self.pass(&leaves);
        let outcome = objective::run(&self.network, &mut pass, &self.meta_train, memory, setting);
        let gradients = outcome.terms.total.backward();
        let stepped =
            leaves.iter().zip(parameters).map(|(leaf, parameter)| match leaf.grad(&gradients) {
                Some(gradient) => parameter.clone() - gradient.mul_scalar(INNER_RATE),
                None => parameter.clone(),
            });
        stepped.collect()
    }

    /// The outer loss at Theta', where M' takes what the method freezes from `frozen`.
    fn outer_loss(&self, fast: &[Tensor<1>], frozen: &[Tensor<1>], method: &Method) -> f64 {
        let names = self.network.layout.parameters.iter().map(|spec| &spec.name);
        let writing: Vec<_> = names
            .zip(fast.iter().zip(frozen))
            .map(|(name, (fast, frozen))| {
                let freezes = match name.starts_with(UPDATE) {
                    true => method.meta_write_freezes_update_network,
                    false => method.meta_write_freezes_encoder,
                };
                if freezes { frozen.clone() } else { fast.clone() }
            })
            .collect();
        let old = self.state.memory.as_ref().expect("a memory");
        let mut pass = self.pass(&writing);
        let written = objective::run_write(&self.network, &mut pass, &self.meta_train, old, method);
        let memory = Some(MemoryInput { slots: written.slots, write: false });
        let noise = Stream::named("no noise");
        let setting = Criteria { method, noise, sensitive_pairs: None };
        let mut pass = self.pass(fast);
        let outcome = objective::run(&self.network, &mut pass, &self.meta_test, memory, setting);
        values(&outcome.terms.total)[0]
    }

    /// Random signs for the parameters that `moves` names, zeros for the others.
    fn direction(&self, moves: Names) -> Vec<Tensor<1>> {
        let sign = |value: f64| if value < 0.0 { -1.0 } else { 1.0 };
        let layout = &self.network.layout;
        let parameters = layout.parameters.iter().zip(&self.state.parameters);
        let directions = parameters.map(|(spec, parameter)| match moves(&spec.name) {
            false => parameter.zeros_like(),
            true => {
                let name = format!("direction.{}", spec.name);
                let signs = Formula::UNSALTED.uniform(&name, spec.len(), -1.0, 1.0);
                let signs: Vec<f64> = signs.into_iter().map(sign).collect();
                models::layout::tensor_from(&signs, &Device::flex(), DType::F64)
            }
        });
        directions.collect()
    }
}

fn moved(from: &[Tensor<1>], direction: &[Tensor<1>], by: f64) -> Vec<Tensor<1>> {
    let pairs = from.iter().zip(direction);
    pairs.map(|(tensor, d)| tensor.clone() + d.clone().mul_scalar(by)).collect()
}

fn inner_product(gradient: &[Option<Tensor<1>>], direction: &[Tensor<1>]) -> f64 {
    let pairs = gradient.iter().zip(direction);
    pairs.filter_map(|(g, d)| Some(values(&(g.clone()? * d.clone()).sum())[0])).sum()
}

#[test]
fn the_exact_outer_gradient_is_the_derivative_of_the_outer_loss_whatever_is_frozen() {
    use UpdateNetwork::{Conv, ConvNormRelu, None as Nothing};
    // Update network, and whether M' freezes the encoder and U.
    let cases = [
        (Conv, true, false),
        (Conv, false, false),
        (Conv, false, true),
        (Conv, true, true),
        (Nothing, true, false),
        (Nothing, false, false),
        (ConvNormRelu, false, false),
    ];
    // Where to go and how far. The network has kinks, which a step of 1e-7 seldom meets; U's
    // derivative is a thousand times smaller, and a longer step keeps rounding away from it.
    let moves: [(&str, Names, f64); 2] = [
        ("the network", |name| !name.starts_with("memory."), 1e-7),
        ("U", |name| name.starts_with(UPDATE), 1e-5),
    ];
    for (update_network, encoder, update) in cases {
        let method = Method {
            update_network,
            meta_write_freezes_encoder: encoder,
            meta_write_freezes_update_network: update,
            ..Method::paper()
        };
        let episode = Episode::new(&method, [2, 64, 64]);
        let (_, report) = episode.step(&method);
        let start = &episode.state.parameters;
        let frozen = episode.after_inner_step(start, &method);
        for (name, moves, by) in moves {
            let direction = episode.direction(moves);
            let loss = |by: f64| {
                let parameters = moved(start, &direction, by);
                let fast = episode.after_inner_step(&parameters, &method);
                episode.outer_loss(&fast, &frozen, &method)
            };
            let expected = (loss(by) - loss(-by)) / (2.0 * by);
            let found = inner_product(&report.details.outer_gradient, &direction);
            let case = format!("{update_network:?}, frozen {encoder} {update}, {name}");
            // Two losses of about 10 that round at 1e-15, over the step: 2e-7 of the derivative is
            // seen.
            let allowed = 2e-6 * expected.abs();
            assert!((found - expected).abs() <= allowed, "{case}: {found}, expected {expected}");
        }
    }
}
