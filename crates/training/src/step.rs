//! One training step: aggregated, or an episode of inner step, meta-test write and outer step.
//!
//! Source: Kim et al., CVPR 2022, Eq. 8-12; `train_memory_mldg`, `train_mldg`, `train_agg` and
//! `train_memory_agg` in the reference's `train.py`.

use burn::tensor::{Gradients, Tensor};
use models::mode::{Mode, Plain};
use models::network::Network;
use models::pass::{Dropout, Normalization, Pass, updated_statistics};
use models::random::Stream;
use models::tangent::{Dual, Tangent};

use crate::method::{ClassifierStep, Method, Order, OuterGradient};
use crate::objective::{self, Criteria, MemoryInput, Outcome, Samples};
use crate::optimizer::{SgdSettings, clipped, global_norm, sgd_step};
use crate::state::State;

/// Prefix of the update network U.
const UPDATE_PREFIX: &str = "memory.writenet.";
/// Prefix of the classifier G.
const CLASSIFIER_PREFIX: &str = "memory.clsfier.";

/// Rates and randomness of one step.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Outer learning rate, beta.
    pub learning_rate: f64,
    /// Inner learning rate, alpha.
    pub inner_rate: f64,
    /// Optimiser.
    pub sgd: SgdSettings,
    /// Dropout of the auxiliary head; 0.1 in the reference.
    pub dropout: f64,
    /// Seed of dropout and Gumbel noise.
    pub seed: u64,
    /// Whether backward passes compute cheap operations again instead of keeping their results.
    pub gradient_checkpointing: bool,
}

/// Loss values of one pass, on the device; absent ones were not computed.
#[derive(Clone, Debug, Default)]
pub struct PassReport {
    /// `(name, value [1])` in a fixed order.
    pub losses: Vec<(&'static str, Tensor<1>)>,
    /// Global norm of the gradient, `[1]`.
    pub gradient_norm: Option<Tensor<1>>,
    /// Names of the losses over pixels that found none that counts, and with any the total.
    pub empty_losses: Vec<&'static str>,
}

/// What happened in one step.
#[derive(Clone, Debug, Default)]
pub struct StepReport {
    /// The inner pass, or the only one of an aggregated step.
    pub inner: PassReport,
    /// The outer pass of an episode; its gradient norm includes the second-order term.
    pub outer: Option<PassReport>,
    /// Norm of the second-order term `alpha H g'`.
    pub second_order_norm: Option<Tensor<1>>,
    /// Everything a golden comparison needs.
    pub details: StepDetails,
}

impl StepReport {
    /// Batches, one of an aggregated step and two of an episode, with an empty loss.
    #[must_use]
    pub fn empty_batches(&self) -> u64 {
        let passes = [Some(&self.inner), self.outer.as_ref()];
        passes.into_iter().flatten().filter(|pass| !pass.empty_losses.is_empty()).count() as u64
    }
}

/// Intermediate results of a step.
#[derive(Clone, Debug, Default)]
pub struct StepDetails {
    /// Gradient of the inner (or only) loss per parameter.
    pub inner_gradient: Vec<Option<Tensor<1>>>,
    /// Gradient of the outer loss per parameter, with the second-order term if asked for.
    pub outer_gradient: Vec<Option<Tensor<1>>>,
    /// The memory that the inner pass wrote.
    pub inner_memory: Option<Tensor<2>>,
    /// M', the memory that the outer pass read.
    pub meta_memory: Option<Tensor<2>>,
}

/// One gradient step on all samples together.
///
/// With a memory: the writing losses, then a write with the updated network.
pub fn aggregated_step(
    network: &Network,
    state: &State,
    samples: &Samples,
    (method, settings): (&Method, StepSettings),
) -> (State, StepReport) {
    let inner = inner_pass(network, state, samples, (method, settings));
    let gradients = clipped(inner.gradients.clone(), settings.sgd.clip_gradient_norm);
    let next = stepped(network, state, &inner, &gradients, samples, (method, settings));
    let report = StepReport {
        inner: inner.report(),
        details: StepDetails {
            inner_gradient: inner.gradients,
            inner_memory: inner.written,
            ..StepDetails::default()
        },
        ..StepReport::default()
    };
    (next, report)
}

/// One episode: inner step on `meta_train`, outer loss on `meta_test`.
pub fn episodic_step(
    network: &Network,
    state: &State,
    (meta_train, meta_test): (&Samples, &Samples),
    (method, settings): (&Method, StepSettings),
) -> (State, StepReport) {
    let inner = inner_pass(network, state, meta_train, (method, settings));

    // Theta' = Theta - alpha g, a leaf of its own: the second-order term is added explicitly.
    let fast: Vec<_> = state
        .parameters
        .iter()
        .zip(&inner.gradients)
        .map(|(parameter, gradient)| match gradient {
            Some(gradient) => {
                let step = gradient.clone().mul_scalar(settings.inner_rate);
                leaf(&(parameter.clone() - step), settings)
            }
            None => leaf(parameter, settings),
        })
        .collect();
    let outer = outer_pass(network, state, &fast, (meta_train, meta_test), (method, settings));

    let mut outer_gradients = outer.gradients;
    let mut second_order_norm = None;
    if method.order == Order::Second {
        let curvature =
            hessian_product(network, state, meta_train, &outer_gradients, (method, settings));
        let term: Vec<_> = curvature
            .into_iter()
            .map(|hv| hv.map(|hv| hv.mul_scalar(settings.inner_rate)))
            .collect();
        second_order_norm = global_norm(&term);
        outer_gradients = combined(outer_gradients, term, |outer, term| outer - term, Tensor::neg);
    }

    let update = match method.outer_gradient {
        OuterGradient::Alone => outer_gradients.clone(),
        OuterGradient::Sum => combined(
            inner.gradients.clone(),
            outer_gradients.clone(),
            |inner, outer| inner + outer,
            |outer| outer,
        ),
    };
    let update = clipped(update, settings.sgd.clip_gradient_norm);
    let next = stepped(network, state, &inner, &update, meta_train, (method, settings));
    let report = StepReport {
        inner: inner.report(),
        outer: Some(PassReport {
            losses: outer.losses,
            gradient_norm: global_norm(&outer_gradients),
            empty_losses: outer.empty_losses,
        }),
        second_order_norm,
        details: StepDetails {
            inner_gradient: inner.gradients,
            outer_gradient: outer_gradients,
            inner_memory: inner.written,
            meta_memory: outer.meta_memory,
        },
    };
    (next, report)
}

/// Result of the inner pass.
struct Inner {
    losses: Vec<(&'static str, Tensor<1>)>,
    gradients: Vec<Option<Tensor<1>>>,
    statistics: Vec<models::mode::BatchStatistics>,
    written: Option<Tensor<2>>,
    empty_losses: Vec<&'static str>,
}

impl Inner {
    fn report(&self) -> PassReport {
        PassReport {
            losses: self.losses.clone(),
            gradient_norm: global_norm(&self.gradients),
            empty_losses: self.empty_losses.clone(),
        }
    }
}

/// Result of the outer pass.
struct Outer {
    losses: Vec<(&'static str, Tensor<1>)>,
    gradients: Vec<Option<Tensor<1>>>,
    meta_memory: Option<Tensor<2>>,
    empty_losses: Vec<&'static str>,
}

fn inner_pass(
    network: &Network,
    state: &State,
    samples: &Samples,
    (method, settings): (&Method, StepSettings),
) -> Inner {
    let leaves: Vec<_> = state.parameters.iter().map(|x| leaf(x, settings)).collect();
    let mut pass = training_pass::<Plain>(network, state, leaves.clone());
    pass.dropout = dropout(settings, state.step, "inner dropout");
    let noise = Stream::new(settings.seed, state.step, "inner read noise");
    let memory = writing_memory::<Plain>(state);
    let outcome =
        objective::run(network, &mut pass, samples, memory, criteria(state, method, noise));
    let gradients = outcome.terms.total.backward();
    Inner {
        losses: outcome.terms.values(),
        gradients: gradients_of(&leaves, &gradients),
        statistics: updated_statistics(&state.statistics, &pass.observed),
        written: outcome.written.map(Tensor::without_autodiff),
        empty_losses: outcome.empty_losses,
    }
}

fn outer_pass(
    network: &Network,
    state: &State,
    fast: &[Tensor<1>],
    (meta_train, meta_test): (&Samples, &Samples),
    (method, settings): (&Method, StepSettings),
) -> Outer {
    // M' (Eq. 10) runs through the encoder and U alone; what is frozen there is a constant.
    let is_frozen = |name: &str| match name.starts_with(UPDATE_PREFIX) {
        true => method.meta_write_freezes_update_network,
        false => method.meta_write_freezes_encoder,
    };
    let meta_memory = state.memory.as_ref().map(|old| {
        let parameters = network
            .layout
            .parameters
            .iter()
            .zip(fast)
            .map(|(spec, tensor)| match is_frozen(&spec.name) {
                true => tensor.clone().without_autodiff(),
                false => tensor.clone(),
            })
            .collect();
        let mut pass = training_pass::<Plain>(network, state, parameters);
        objective::run_write(network, &mut pass, meta_train, old, method).slots
    });
    let mut pass = training_pass::<Plain>(network, state, fast.to_vec());
    pass.dropout = dropout(settings, state.step, "outer dropout");
    let noise = Stream::new(settings.seed, state.step, "outer read noise");
    let memory = meta_memory.clone().map(|slots| MemoryInput { slots, write: false });
    let Outcome { terms, empty_losses, .. } =
        objective::run(network, &mut pass, meta_test, memory, criteria(state, method, noise));
    let gradients = terms.total.backward();
    Outer {
        losses: terms.values(),
        gradients: gradients_of(fast, &gradients),
        meta_memory: meta_memory.map(Tensor::without_autodiff),
        empty_losses,
    }
}

/// H v of the inner loss at the state's parameters, exactly: the gradient of `<grad L, v>`.
fn hessian_product(
    network: &Network,
    state: &State,
    samples: &Samples,
    direction: &[Option<Tensor<1>>],
    (method, settings): (&Method, StepSettings),
) -> Vec<Option<Tensor<1>>> {
    let leaves: Vec<_> = state.parameters.iter().map(|x| leaf(x, settings)).collect();
    let duals = leaves
        .iter()
        .zip(direction)
        .map(|(leaf, v)| Dual { value: leaf.clone(), tangent: v.clone() })
        .collect();
    let mut pass = training_pass::<Tangent>(network, state, duals);
    // The same randomness as the inner pass: the Hessian is that of the loss it minimised.
    pass.dropout = dropout(settings, state.step, "inner dropout");
    let noise = Stream::new(settings.seed, state.step, "inner read noise");
    let memory = writing_memory::<Tangent>(state);
    let outcome =
        objective::run(network, &mut pass, samples, memory, criteria(state, method, noise));
    match outcome.terms.total.tangent {
        Some(tangent) => gradients_of(&leaves, &tangent.backward()),
        None => vec![None; leaves.len()],
    }
}

/// The state after the optimiser's step and the final memory write (Eq. 12).
fn stepped(
    network: &Network,
    state: &State,
    inner: &Inner,
    update: &[Option<Tensor<1>>],
    samples: &Samples,
    (method, settings): (&Method, StepSettings),
) -> State {
    let (mut parameters, mut momentum) =
        sgd_step(settings.sgd, settings.learning_rate, &state.parameters, update, &state.momentum);
    let episodic = method.algorithm == crate::method::Algorithm::Episodic;
    if episodic && method.classifier_step == ClassifierStep::Inner {
        for (index, spec) in network.layout.parameters.iter().enumerate() {
            if spec.name.starts_with(CLASSIFIER_PREFIX)
                && let Some(gradient) = &inner.gradients[index]
            {
                let step = gradient.clone().mul_scalar(settings.inner_rate);
                parameters[index] = state.parameters[index].clone() - step;
                momentum[index] = state.momentum[index].clone();
            }
        }
    }
    let mut memory_history = state.memory_history.clone();
    let memory = state.memory.as_ref().map(|old| {
        let mut pass = Pass::<Plain>::new(
            &network.layout,
            parameters.clone(),
            &inner.statistics,
            Normalization::Running,
        );
        let written = objective::run_write(network, &mut pass, samples, old, method);
        if let Some(history) = &mut memory_history {
            let kind = method.label_weights.into();
            let classes = network.config.classes;
            let labels = &samples.labels;
            history.count(&labels.present_classes(written.feature_size, classes, kind));
        }
        written.slots
    });
    State {
        step: state.step + 1,
        parameters,
        momentum,
        statistics: inner.statistics.clone(),
        memory,
        memory_history,
        sensitive_pairs: state.sensitive_pairs.clone(),
        empty_batches: state.empty_batches,
    }
}

fn training_pass<'a, M: Mode>(
    network: &'a Network,
    state: &'a State,
    parameters: Vec<M::T<1>>,
) -> Pass<'a, M> {
    Pass::new(&network.layout, parameters, &state.statistics, Normalization::Batch)
}

fn writing_memory<M: Mode>(state: &State) -> Option<MemoryInput<M>> {
    let slots = state.memory.clone()?;
    Some(MemoryInput { slots: M::constant(slots), write: true })
}

fn criteria<'a>(state: &'a State, method: &'a Method, noise: Stream) -> Criteria<'a> {
    Criteria { method, noise, sensitive_pairs: state.sensitive_pairs.as_deref() }
}

fn dropout(settings: StepSettings, step: u64, purpose: &str) -> Option<Dropout> {
    (settings.dropout > 0.0).then(|| Dropout {
        probability: settings.dropout,
        stream: Stream::new(settings.seed, step, purpose),
    })
}

fn leaf(x: &Tensor<1>, settings: StepSettings) -> Tensor<1> {
    let x = x.clone().without_autodiff();
    if !settings.gradient_checkpointing {
        return x.autodiff().require_grad();
    }
    // Burn has no way from a plain tensor to one that checkpoints but through another that does;
    // a factor of 1 changes no bit.
    let device = x.device().autodiff().gradient_checkpointing();
    (Tensor::ones(x.dims(), (&device, x.dtype())) * x).require_grad()
}

fn gradients_of(leaves: &[Tensor<1>], gradients: &Gradients) -> Vec<Option<Tensor<1>>> {
    leaves.iter().map(|leaf| leaf.grad(gradients)).collect()
}

fn combined(
    left: Vec<Option<Tensor<1>>>,
    right: Vec<Option<Tensor<1>>>,
    both: impl Fn(Tensor<1>, Tensor<1>) -> Tensor<1>,
    only_right: impl Fn(Tensor<1>) -> Tensor<1>,
) -> Vec<Option<Tensor<1>>> {
    left.into_iter()
        .zip(right)
        .map(|pair| match pair {
            (Some(left), Some(right)) => Some(both(left, right)),
            (Some(left), None) => Some(left),
            (None, Some(right)) => Some(only_right(right)),
            (None, None) => None,
        })
        .collect()
}
