//! A network's forward pass of evaluation, recorded.

use burn::tensor::{DType, Device};

use super::graph::{Graph, Operation};
use super::{Tape, Trace, Traced};
use crate::memory::{self, ReadOptions};
use crate::network::Network;
use crate::pass::{Normalization, Pass};
use crate::resize::resize_bilinear;

/// What one image goes through.
#[derive(Clone, Debug)]
pub struct Recording {
    /// From the image to logits at its size, `[1, K, H, W]`: the network in use.
    pub inference: Graph,
    /// From the image to the auxiliary head's logits, which only training looks at.
    pub auxiliary: Graph,
}

/// Records the network on an image of `[height, width]` pixels.
///
/// The memory is read without noise, with this `temperature`.
#[must_use]
pub fn record(network: &Network, [height, width]: [usize; 2], temperature: f64) -> Recording {
    let layout = &network.layout;
    let tape = Tape::default();
    let parameters = parameters_of(network, &tape);
    // Passes hold statistics as tensors; no tracing operation looks into them.
    let running = layout.init_statistics(&Device::flex(), DType::F32);
    let mut pass = Pass::<Trace>::new(layout, parameters, &running, Normalization::Running);
    let image = Traced::<4>::source(&tape, Operation::Image, [1, 3, height, width]);

    let encoded = network.encode(&mut pass, image);
    let feature = match network.config.memory {
        false => encoded.feature,
        true => {
            let shape = [network.config.classes, network.config.feature_channels()];
            let memory = Traced::<2>::source(&tape, Operation::Memory, shape);
            let options = ReadOptions { temperature, noise: None };
            memory::read(&mut pass, encoded.feature, memory, &options).feature
        }
    };
    let logits = network.decode(&mut pass, encoded.skips, feature);
    let logits = resize_bilinear::<Trace>(logits, [height, width]);
    let auxiliary = network.auxiliary(&mut pass, encoded.stage3);

    let nodes = tape.borrow();
    Recording {
        inference: Graph::needed(&nodes, logits.node),
        auxiliary: Graph::needed(&nodes, auxiliary.node),
    }
}

/// Flat parameters in the layout's order, as nodes.
fn parameters_of(network: &Network, tape: &Tape) -> Vec<Traced<1>> {
    let nodes = network.layout.parameters.iter().map(|spec| {
        let operation = Operation::Parameter(spec.name.clone());
        Traced::source(tape, operation, [spec.len()])
    });
    nodes.collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::backbone::BackboneName;
    use crate::mode::{Mode, Plain};
    use crate::network::{ModelName, NetworkConfig};
    use crate::normalization::presets::NormPreset;

    const MODELS: [ModelName; 5] = [
        ModelName::DeepLabV3Plus,
        ModelName::DeepLabV3,
        ModelName::DeepLabV2,
        ModelName::DeepLabV2Original,
        ModelName::Fcn8s,
    ];
    const BACKBONES: [BackboneName; 8] = [
        BackboneName::ResNet18,
        BackboneName::ResNet34,
        BackboneName::ResNet50,
        BackboneName::ResNet101,
        BackboneName::ResNet152,
        BackboneName::ResNext50,
        BackboneName::MobileNetV2,
        BackboneName::ShuffleNetV2,
    ];

    fn narrow(model: ModelName, backbone: BackboneName, norms: NormPreset) -> Network {
        Network::new(NetworkConfig {
            model,
            backbone,
            width_divisor: 16,
            aspp_rates: (1..=model.aspp_branches()).collect(),
            normalization: norms.places(),
            ..NetworkConfig::deeplab_v3_plus_resnet50(5, model.can_have_memory())
        })
    }

    /// Shapes of skips, third stage, F, logits and auxiliary logits.
    fn shapes<M: Mode>(
        network: &Network,
        parameters: Vec<M::T<1>>,
        image: M::T<4>,
        memory: M::T<2>,
    ) -> Vec<[usize; 4]> {
        let layout = &network.layout;
        let running = layout.init_statistics(&Device::flex(), DType::F32);
        let mut pass = Pass::<M>::new(layout, parameters, &running, Normalization::Running);
        let encoded = network.encode(&mut pass, image);
        let mut shapes: Vec<_> = encoded.skips.iter().map(M::dims).collect();
        shapes.extend([M::dims(&encoded.stage3), M::dims(&encoded.feature)]);
        let feature = match network.config.memory {
            false => encoded.feature,
            true => memory::read(&mut pass, encoded.feature, memory, &ReadOptions::PAPER).feature,
        };
        shapes.push(M::dims(&network.decode(&mut pass, encoded.skips, feature)));
        shapes.push(M::dims(&network.auxiliary(&mut pass, encoded.stage3)));
        shapes
    }

    fn assert_traced_as_computed(network: &Network, [height, width]: [usize; 2]) {
        let device = Device::flex();
        let slots = [network.config.classes, network.config.feature_channels()];
        let parameters = network.layout.init_parameters(1, &device, DType::F32);
        let image = Tensor::ones([1, 3, height, width], &device);
        let real = shapes::<Plain>(network, parameters, image, Tensor::ones(slots, &device));

        let tape = Tape::default();
        let parameters = parameters_of(network, &tape);
        let image = Traced::source(&tape, Operation::Image, [1, 3, height, width]);
        let memory = Traced::source(&tape, Operation::Memory, slots);
        let traced = shapes::<Trace>(network, parameters, image, memory);
        assert_eq!(real, traced, "{:?}", network.config);
    }

    #[test]
    fn every_model_on_every_backbone_traces_to_the_shapes_that_it_computes() {
        // Sizes that no stride divides.
        let size = [37, 50];
        for model in MODELS {
            for backbone in BACKBONES {
                let network = narrow(model, backbone, NormPreset::Batch);
                assert_traced_as_computed(&network, size);
                let recording = record(&network, size, 1.0);
                let logits = recording.inference.nodes.last().unwrap();
                assert_eq!(logits.shape, [1, 5, 37, 50], "{model:?} on {backbone:?}");
            }
        }
    }

    #[test]
    fn every_norm_traces_to_the_shapes_that_it_computes() {
        for norms in [
            NormPreset::Ibn,
            NormPreset::IbnA,
            NormPreset::Iw,
            NormPreset::Isw,
            NormPreset::Switchable,
        ] {
            let network = narrow(ModelName::DeepLabV3Plus, BackboneName::ResNet50, norms);
            assert_traced_as_computed(&network, [37, 50]);
        }
        for backbone in [BackboneName::MobileNetV2, BackboneName::ShuffleNetV2] {
            for norms in [NormPreset::Ibn, NormPreset::Iw] {
                let network = narrow(ModelName::DeepLabV3Plus, backbone, norms);
                assert_traced_as_computed(&network, [37, 50]);
            }
        }
    }

    #[test]
    fn inference_uses_neither_the_auxiliary_head_nor_the_update_network_nor_the_classifier() {
        let network = narrow(ModelName::DeepLabV3Plus, BackboneName::ResNet18, NormPreset::Batch);
        let inference = record(&network, [32, 32], 1.0).inference;
        let is_used = |name: &str| {
            let wanted = Operation::Parameter(name.to_owned());
            inference.nodes.iter().any(|node| node.operation == wanted)
        };
        for spec in &network.layout.parameters {
            let training_only = ["dsn.", "memory.writenet.", "memory.clsfier."];
            let expected = !training_only.iter().any(|prefix| spec.name.starts_with(prefix));
            assert_eq!(is_used(&spec.name), expected, "{}", spec.name);
        }
    }

    #[test]
    fn inference_does_not_use_a_batch_norm_that_gave_way() {
        let network = narrow(ModelName::Fcn8s, BackboneName::ShuffleNetV2, NormPreset::Ibn);
        let inference = record(&network, [32, 32], 1.0).inference;
        let is_used = |name: &str| {
            let wanted = Operation::Parameter(name.to_owned());
            inference.nodes.iter().any(|node| node.operation == wanted)
        };
        assert!(is_used("layer0.instance_norm_layer.weight"));
        assert!(!is_used("layer0.layer.0.1.weight"));
        assert!(network.layout.batch_norms.iter().any(|(name, _)| name == "layer0.layer.0.1"));
    }
}
