//! What a network costs: layers, shapes, parameters, multiply-accumulates and activations.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::network::Network;
use crate::trace::graph::{Graph, Node, Operation};
use crate::trace::record;

/// Bytes of an element of an activation: f32.
const ELEMENT_BYTES: u64 = 4;

/// Prefix of the parameters of the memory's update network U.
const UPDATE_NETWORK: &str = "memory.writenet.";

/// A network's layers and totals for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Shape of the image, `[1, 3, H, W]`.
    pub input: Vec<usize>,
    /// Layers of the network in use, in the order in which they run, then those of training alone.
    pub layers: Vec<Layer>,
    /// Sums per block, in the order in which the blocks run.
    pub blocks: Vec<Block>,
    /// Parameters.
    pub parameters: ParameterCounts,
    /// Multiply-accumulates of the network in use.
    pub multiply_accumulates: u64,
    /// Multiply-accumulates of the auxiliary head, which runs in training alone.
    pub auxiliary_multiply_accumulates: u64,
    /// Most bytes of f32 activations alive at once in a forward pass, the image included.
    pub peak_activation_bytes: u64,
    /// The layer that runs then.
    pub peak_layer: String,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Its block.
    pub block: String,
    /// Its name in the layout; what it does, where it has none.
    pub name: String,
    /// What it does.
    pub kind: &'static str,
    /// Shape of its result.
    pub output: Vec<usize>,
    /// Its parameters.
    pub parameters: u64,
    /// Its multiply-accumulates.
    pub multiply_accumulates: u64,
}

/// Sums of a block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// `stem`, `layer1` to `layer4`, `aspp`, `memory`, `decoder` or `auxiliary`.
    pub name: String,
    /// Its parameters, those of training alone included.
    pub parameters: u64,
    /// Its multiply-accumulates.
    pub multiply_accumulates: u64,
}

/// Numbers of trainable elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterCounts {
    /// All.
    pub all: u64,
    /// Without the memory's update network U, which only training uses: the paper's count.
    pub without_update_network: u64,
    /// Those of the network in use: without U, the memory's classifier and the auxiliary head.
    pub inference: u64,
}

/// Counts `network` for one image of `size`, `[height, width]` in pixels.
#[must_use]
pub fn summarize(network: &Network, size: [usize; 2]) -> Summary {
    let recording = record(network, size, 1.0);
    let graph = &recording.inference;
    let used: BTreeSet<&str> = parameter_names(graph).collect();
    let count = |is_counted: &dyn Fn(&str) -> bool| {
        let counted = network.layout.parameters.iter().filter(|spec| is_counted(&spec.name));
        counted.map(|spec| spec.len() as u64).sum()
    };
    let mut layers = layers_of(graph);
    let in_use = layers.len();
    layers.extend(
        layers_of(&recording.auxiliary).into_iter().filter(|layer| layer.block == "auxiliary"),
    );
    let sum = |layers: &[Layer]| layers.iter().map(|layer| layer.multiply_accumulates).sum();
    let peak = graph.peak();
    Summary {
        input: vec![1, 3, size[0], size[1]],
        blocks: blocks_of(network, &layers),
        parameters: ParameterCounts {
            all: count(&|_| true),
            without_update_network: count(&|name| !name.starts_with(UPDATE_NETWORK)),
            inference: count(&|name| used.contains(name)),
        },
        multiply_accumulates: sum(&layers[..in_use]),
        auxiliary_multiply_accumulates: sum(&layers[in_use..]),
        peak_activation_bytes: ELEMENT_BYTES * peak.elements,
        peak_layer: match graph.nodes[peak.node].name.as_str() {
            "" => format!("{} in {}", label(graph, peak.node), node_blocks(graph)[peak.node]),
            name => name.to_owned(),
        },
        layers,
    }
}

/// All layers but changes of shape and activations.
fn layers_of(graph: &Graph) -> Vec<Layer> {
    let mut layers = Vec::new();
    for ((index, node), block) in graph.nodes.iter().enumerate().zip(node_blocks(graph)) {
        let Some(kind) = listed_kind(&node.operation) else { continue };
        let own = node.inputs.iter().map(|&input| &graph.nodes[input]);
        let own = own.filter(|input| matches!(input.operation, Operation::Parameter(_)));
        layers.push(Layer {
            block: block.to_owned(),
            name: label(graph, index),
            kind,
            output: node.shape.clone(),
            parameters: own.map(Node::elements).sum(),
            multiply_accumulates: graph.multiply_accumulates(index),
        });
    }
    layers
}

/// The block of each node: that of its name, or of the named node before it.
fn node_blocks(graph: &Graph) -> Vec<&'static str> {
    let mut block = "stem";
    let blocks = graph.nodes.iter().map(|node| {
        if !node.name.is_empty() {
            block = block_of(&node.name);
        }
        block
    });
    blocks.collect()
}

/// Sums over `layers`; parameters over the layout, so that none is missed.
fn blocks_of(network: &Network, layers: &[Layer]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for layer in layers {
        match blocks.iter_mut().find(|block| block.name == layer.block) {
            Some(block) => block.multiply_accumulates += layer.multiply_accumulates,
            None => blocks.push(Block {
                name: layer.block.clone(),
                parameters: 0,
                multiply_accumulates: layer.multiply_accumulates,
            }),
        }
    }
    for spec in &network.layout.parameters {
        let name = block_of(&spec.name);
        if let Some(block) = blocks.iter_mut().find(|block| block.name == name) {
            block.parameters += spec.len() as u64;
        }
    }
    blocks
}

fn parameter_names(graph: &Graph) -> impl Iterator<Item = &str> {
    graph.nodes.iter().filter_map(|node| match &node.operation {
        Operation::Parameter(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The block of a layer or a parameter, by the layout's names.
fn block_of(name: &str) -> &'static str {
    // `layer5` holds the four classifiers of DeepLabV2 as published.
    const BLOCKS: [(&str, &str); 10] = [
        ("layer0", "stem"),
        ("layer1", "layer1"),
        ("layer2", "layer2"),
        ("layer3", "layer3"),
        ("layer4", "layer4"),
        ("aspp", "aspp"),
        ("bot_aspp", "aspp"),
        ("layer5", "aspp"),
        ("memory", "memory"),
        ("dsn", "auxiliary"),
    ];
    let first = name.split('.').next().unwrap_or(name);
    BLOCKS.iter().find(|(prefix, _)| *prefix == first).map_or("decoder", |(_, block)| block)
}

/// How a node is called in the table: its name, or what it does.
fn label(graph: &Graph, node: usize) -> String {
    let node = &graph.nodes[node];
    match node.name.as_str() {
        "" => listed_kind(&node.operation).unwrap_or("activation").to_owned(),
        name => name.to_owned(),
    }
}

/// What a listed layer is called; `None` for weights, activations and changes of shape.
fn listed_kind(operation: &Operation) -> Option<&'static str> {
    match operation {
        Operation::Conv(_) => Some("convolution"),
        Operation::BatchNorm { .. } => Some("batch norm"),
        Operation::InstanceNorm => Some("instance norm"),
        Operation::MaxPool3 => Some("max pooling"),
        Operation::Add => Some("sum"),
        Operation::Mul => Some("product"),
        Operation::MatMul => Some("matrix product"),
        Operation::Concat(_) => Some("concatenation"),
        Operation::MeanPixels => Some("mean"),
        Operation::Resize => Some("resize"),
        Operation::Softmax(_) | Operation::LogSoftmax(_) => Some("softmax"),
        Operation::L2Normalize(_) => Some("unit length"),
        Operation::Image
        | Operation::Parameter(_)
        | Operation::Statistic(_)
        | Operation::Identity
        | Operation::Memory
        | Operation::Exp
        | Operation::ReciprocalSqrt
        | Operation::Relu
        | Operation::Relu6
        | Operation::Scale(_)
        | Operation::Reshape
        | Operation::Permute(_)
        | Operation::Channels(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{ModelName, NetworkConfig};

    const CITYSCAPES: [usize; 2] = [1024, 2048];

    fn resnet50(memory: bool) -> Network {
        Network::new(NetworkConfig::deeplab_v3_plus_resnet50(19, memory))
    }

    fn split(summary: &Summary) -> Vec<(&str, u64)> {
        let blocks = summary.blocks.iter();
        blocks.map(|block| (block.name.as_str(), block.multiply_accumulates)).collect()
    }

    #[test]
    fn deeplab_v3_plus_on_resnet50_takes_553_7_giga_multiply_accumulates_at_2048x1024() {
        let summary = summarize(&resnet50(false), CITYSCAPES);
        // Twice the 277.16 "GFLOPs" of the paper's Table 8.
        assert_eq!(summary.multiply_accumulates, 553_715_761_152);
        // Each is the sum over its convolutions of
        // out * in / groups * kernel^2 * out height * out width, worked out apart.
        let expected = [
            ("stem", 4_932_501_504),
            ("layer1", 27_917_287_424),
            ("layer2", 42_949_672_960),
            ("layer3", 61_203_283_968),
            ("layer4", 122_406_567_936),
            ("aspp", 122_943_963_136),
            ("decoder", 171_362_484_224),
            ("auxiliary", 38_734_397_440),
        ];
        assert_eq!(split(&summary), expected);
        assert_eq!(summary.auxiliary_multiply_accumulates, 38_734_397_440);
    }

    #[test]
    fn the_memory_adds_its_read_convolution_and_two_products_with_the_slots() {
        let [with, without] = [true, false].map(|memory| summarize(&resnet50(memory), CITYSCAPES));
        let pixels = 64 * 128;
        let added = pixels * 512 * 256 + 2 * pixels * 19 * 256;
        assert_eq!(with.multiply_accumulates - without.multiply_accumulates, added);
        let memory = with.blocks.iter().find(|block| block.name == "memory").unwrap();
        assert_eq!(memory.multiply_accumulates, added);
    }

    #[test]
    fn parameters_are_the_papers_with_and_without_memory() {
        let of = |memory| summarize(&resnet50(memory), [64, 64]).parameters;
        let (with, without) = (of(true), of(false));
        let millions = |count: u64| (count as f64 / 1e3).round() / 1e3;
        assert_eq!(millions(without.all), 45.082);
        assert_eq!(millions(with.all), 45.284);
        assert_eq!(millions(with.without_update_network), 45.218);
        // dsn: 3x3 of 1024 to 512, its bias and norm, 1x1 of 512 to 19 and its bias; G: 256 to 19.
        let auxiliary = 1024 * 512 * 9 + 3 * 512 + 512 * 19 + 19;
        let classifier = 256 * 19 + 19;
        let expected = with.without_update_network - auxiliary - classifier;
        assert_eq!(with.inference, expected);
        assert_eq!(without.inference, without.all - auxiliary);
    }

    #[test]
    fn blocks_hold_every_parameter_of_every_model() {
        for model in [ModelName::DeepLabV3, ModelName::DeepLabV2, ModelName::Fcn8s] {
            let network = Network::new(NetworkConfig {
                model,
                aspp_rates: (1..=model.aspp_branches()).collect(),
                width_divisor: 16,
                ..NetworkConfig::deeplab_v3_plus_resnet50(7, true)
            });
            let summary = summarize(&network, [33, 47]);
            let sum: u64 = summary.blocks.iter().map(|block| block.parameters).sum();
            assert_eq!(sum, network.layout.parameter_count() as u64, "{model:?}");
        }
    }

    #[test]
    fn the_peak_is_three_maps_of_the_first_stage_before_its_first_sum() {
        let summary = summarize(&resnet50(false), CITYSCAPES);
        let map = 256 * (1024 / 4) * (2048 / 4);
        assert_eq!(summary.peak_activation_bytes, 3 * map * 4);
        // The residual, and the projected shortcut before and after its norm.
        assert_eq!(summary.peak_layer, "layer1.0.downsample.1");
    }
}
