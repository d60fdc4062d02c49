//! An episode of a narrow network in f64, for tests of what a step does.

use burn::tensor::{DType, Device, Tensor};
use models::mode::Plain;
use models::network::{Network, NetworkConfig};
use models::pass::{Normalization, Pass};
use training::method::{Algorithm, Method};
use training::objective::Samples;
use training::optimizer::SgdSettings;
use training::state::State;
use training::step::{StepReport, StepSettings, aggregated_step, episodic_step};

use crate::formula::Formula;

pub(crate) const INNER_RATE: f64 = 0.0025;
pub(crate) const UPDATE: &str = "memory.writenet.";

/// A narrow network and an episode of two domains.
pub(crate) struct Episode {
    pub(crate) network: Network,
    pub(crate) state: State,
    pub(crate) meta_train: Samples,
    pub(crate) meta_test: Samples,
}

impl Episode {
    pub(crate) fn new(method: &Method, size: [usize; 3]) -> Self {
        let (device, dtype) = (Device::flex(), DType::F64);
        let formula = Formula::UNSALTED;
        let network = Network::new(NetworkConfig {
            blocks: Some([1; 4]),
            width_divisor: 16,
            update_network: method.update_network,
            ..NetworkConfig::deeplab_v3_plus_resnet50(19, true)
        });
        let mut state = State::new(&network, 0, &device, dtype);
        state.parameters = formula.parameters(&network.layout, &device, dtype);
        state.statistics = formula.statistics(&network.layout, &device, dtype);
        state.memory = Some(formula.memory(16, &device, dtype));
        let samples = |tag: &str| {
            let image = formula.image(tag, size, &device, dtype);
            Samples::new(image, formula.labels(tag, size), 19)
        };
        Self { meta_train: samples("A"), meta_test: samples("B"), network, state }
    }

    pub(crate) fn step(&self, method: &Method) -> (State, StepReport) {
        self.step_decaying(method, 5e-4)
    }

    /// A step with this weight decay; an aggregated method sees the meta-train domain alone.
    pub(crate) fn step_decaying(&self, method: &Method, weight_decay: f64) -> (State, StepReport) {
        let settings = StepSettings {
            learning_rate: 0.01,
            inner_rate: INNER_RATE,
            sgd: SgdSettings { momentum: 0.9, weight_decay, clip_gradient_norm: 0.0 },
            dropout: 0.0,
            seed: 0,
            gradient_checkpointing: false,
        };
        let (network, state, setting) = (&self.network, &self.state, (method, settings));
        match method.algorithm {
            Algorithm::Aggregated => aggregated_step(network, state, &self.meta_train, setting),
            Algorithm::Episodic => {
                episodic_step(network, state, (&self.meta_train, &self.meta_test), setting)
            }
        }
    }

    pub(crate) fn pass(&self, parameters: &[Tensor<1>]) -> Pass<'_, Plain> {
        let statistics = &self.state.statistics;
        Pass::new(&self.network.layout, parameters.to_vec(), statistics, Normalization::Batch)
    }
}
