//! A traced network with its weights as an ONNX model.
//!
//! Opset 18, the first whose `Resize` can name its axes and so leave the batch open.
//! Source: the operators' definitions at <https://onnx.ai/onnx/operators>.

mod schema;
mod wire;
mod writer;

use std::collections::BTreeMap;

use crate::trace::graph::{Graph, Operation};
use crate::weights::NamedTensors;
use schema::{Attribute, Elements, Size};
use writer::Writer;

/// Name of the input: normalised images `[batch, 3, H, W]`.
pub const INPUT: &str = "image";
/// Name of the first output: logits `[batch, K, H, W]`.
pub const LOGITS: &str = "logits";
/// Name of the second output: the class of every pixel, `[batch, H, W]`, int64.
pub const CLASSES: &str = "classes";

/// The bytes of an ONNX file.
///
/// Height and width are those that `graph` was recorded with, the batch is open. `weights` holds
/// parameters, running statistics and memory under the names of the layout; only those that the
/// graph uses are written, each once. `metadata` is written as it is.
///
/// # Panics
/// If a weight is missing, or the graph does not go from an image to maps: a bug of the caller.
#[must_use]
pub fn encode(
    graph: &Graph,
    weights: &NamedTensors,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut writer = Writer::new(weights);
    for (index, node) in graph.nodes.iter().enumerate() {
        writer.add(index, node, index + 1 == graph.nodes.len());
    }
    let image = graph.nodes.iter().find(|node| node.operation == Operation::Image);
    let image = &image.expect("a graph with an image").shape;
    let output = &graph.nodes.last().expect("a graph with an output").shape;
    assert_eq!((image.len(), output.len()), (4, 4), "a graph from an image to maps");
    let attributes = [Attribute::Int("axis", 1), Attribute::Int("keepdims", 0)];
    writer.push("", ("ArgMax", CLASSES), &[LOGITS], &attributes);

    let open = |sizes: &[usize]| {
        let sizes = sizes[1..].iter().map(|&size| Size::Fixed(size));
        [Size::Open("batch")].into_iter().chain(sizes).collect::<Vec<_>>()
    };
    let maps = open(output);
    let outputs = [
        schema::value(LOGITS, Elements::FLOAT, &maps),
        schema::value(CLASSES, Elements::INT64, &[&maps[..1], &maps[2..]].concat()),
    ];
    let inputs = [schema::value(INPUT, Elements::FLOAT, &open(image))];
    let graph = schema::graph(&writer.nodes, &writer.initializers, &inputs, &outputs);
    schema::model(&graph, metadata).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::tensor::{DType, Device};

    use super::wire::reading::{Content, all, fields, ints, text};
    use super::*;
    use crate::backbone::BackboneName;
    use crate::network::{Network, NetworkConfig};
    use crate::trace::record;
    use crate::weights::{HostTensor, MEMORY_KEY, named_tensors};

    /// Field numbers of `onnx.proto3`.
    mod field {
        pub(super) const MODEL_GRAPH: u64 = 7;
        pub(super) const GRAPH_NODE: u64 = 1;
        pub(super) const GRAPH_INITIALIZER: u64 = 5;
        pub(super) const NODE_INPUT: u64 = 1;
        pub(super) const NODE_OUTPUT: u64 = 2;
        pub(super) const NODE_NAME: u64 = 3;
        pub(super) const NODE_OPERATOR: u64 = 4;
        pub(super) const NODE_ATTRIBUTE: u64 = 5;
        pub(super) const ATTRIBUTE_NAME: u64 = 1;
        pub(super) const ATTRIBUTE_INT: u64 = 3;
        pub(super) const ATTRIBUTE_TEXT: u64 = 4;
        pub(super) const ATTRIBUTE_INTS: u64 = 8;
        pub(super) const TENSOR_DIMENSIONS: u64 = 1;
        pub(super) const TENSOR_NAME: u64 = 8;
        pub(super) const TENSOR_RAW: u64 = 9;
    }

    fn narrow() -> Network {
        Network::new(NetworkConfig {
            width_divisor: 16,
            blocks: Some([1; 4]),
            ..NetworkConfig::deeplab_v3_plus_resnet50(5, true)
        })
    }

    fn weights(network: &Network) -> NamedTensors {
        let device = Device::flex();
        let parameters = network.layout.init_parameters(3, &device, DType::F32);
        let statistics = network.layout.init_statistics(&device, DType::F32);
        let mut named = named_tensors(&network.layout, &parameters, &statistics);
        let channels = network.config.feature_channels();
        let values = (0..5 * channels).map(|index| index as f32).collect();
        named.insert(MEMORY_KEY.to_owned(), HostTensor { shape: vec![5, channels], values });
        named
    }

    fn exported(network: &Network, temperature: f64) -> Vec<u8> {
        let graph = record(network, [33, 48], temperature).inference;
        let metadata = BTreeMap::from([("classes".to_owned(), "road".to_owned())]);
        encode(&graph, &weights(network), &metadata)
    }

    #[test]
    fn the_file_holds_every_weight_in_use_once_bit_for_bit_and_no_other() {
        let network = narrow();
        let named = weights(&network);
        let bytes = exported(&network, 1.0);
        let graph = all(&bytes, field::MODEL_GRAPH)[0];
        let mut found = BTreeSet::new();
        for tensor in all(graph, field::GRAPH_INITIALIZER) {
            let name = text(tensor, field::TENSOR_NAME);
            // Constants belong to a result: v12.size.
            let Some(weight) = named.get(&name) else {
                assert!(name.starts_with('v') || name.starts_with(LOGITS), "{name}");
                continue;
            };
            let shape = ints(tensor, field::TENSOR_DIMENSIONS);
            assert!(shape.iter().map(|&size| size as usize).eq(weight.shape.iter().copied()));
            let raw: Vec<u8> = weight.values.iter().flat_map(|x| x.to_le_bytes()).collect();
            assert_eq!(all(tensor, field::TENSOR_RAW), [raw], "{name}");
            assert!(found.insert(name), "twice: {}", text(tensor, field::TENSOR_NAME));
        }
        let training_only = ["dsn.", "memory.writenet.", "memory.clsfier."];
        let expected: BTreeSet<String> = named
            .into_keys()
            .filter(|name| !training_only.iter().any(|prefix| name.starts_with(prefix)))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_input_of_a_node_is_made_before_it_and_no_name_is_there_twice() {
        let bytes = exported(&narrow(), 0.5);
        let graph = all(&bytes, field::MODEL_GRAPH)[0];
        let constants = all(graph, field::GRAPH_INITIALIZER);
        let mut known: BTreeSet<String> =
            constants.iter().map(|tensor| text(tensor, field::TENSOR_NAME)).collect();
        assert_eq!(known.len(), constants.len(), "a constant is there twice");
        let mut names = BTreeSet::new();
        // An input that is left out has no name.
        known.extend([INPUT.to_owned(), String::new()]);
        for node in all(graph, field::GRAPH_NODE) {
            let operator = text(node, field::NODE_OPERATOR);
            for input in all(node, field::NODE_INPUT) {
                let input = String::from_utf8(input.to_vec()).unwrap();
                assert!(known.contains(&input), "{operator} uses {input}");
            }
            assert!(known.insert(text(node, field::NODE_OUTPUT)), "{operator}");
            let name = text(node, field::NODE_NAME);
            assert!(name.is_empty() || names.insert(name), "{operator} has a name twice");
        }
        assert!(known.contains(LOGITS) && known.contains(CLASSES));
    }

    /// Attributes of a node by name: whole numbers, or a text.
    fn attributes(node: &[u8]) -> BTreeMap<String, (Vec<i64>, String)> {
        let read = |attribute: &&[u8]| {
            let mut numbers = ints(attribute, field::ATTRIBUTE_INTS);
            for (number, content) in fields(attribute) {
                if let (field::ATTRIBUTE_INT, Content::Int(value)) = (number, content) {
                    numbers.push(value);
                }
            }
            let name = text(attribute, field::ATTRIBUTE_NAME);
            (name, (numbers, text(attribute, field::ATTRIBUTE_TEXT)))
        };
        all(node, field::NODE_ATTRIBUTE).iter().map(read).collect()
    }

    #[test]
    fn layers_keep_their_settings() {
        let network = Network::new(NetworkConfig {
            backbone: BackboneName::ResNext50,
            output_stride: 8,
            ..narrow().config
        });
        let bytes = exported(&network, 1.0);
        let graph = all(&bytes, field::MODEL_GRAPH)[0];
        let nodes = all(graph, field::GRAPH_NODE);
        let of = |wanted: &str, number: u64| {
            let node = nodes.iter().find(|node| text(node, number) == wanted);
            attributes(node.unwrap_or_else(|| panic!("a node {wanted}")))
        };
        let conv = |name: &str| {
            let found = of(name, field::NODE_NAME);
            ["strides", "dilations", "pads", "group"].map(|key| found[key].0.clone())
        };
        let expected = |stride, dilation, padding, group| {
            [vec![stride; 2], vec![dilation; 2], vec![padding; 4], vec![group]]
        };
        assert_eq!(conv("layer0.0"), expected(2, 1, 3, 1));
        assert_eq!(conv("layer2.0.conv2"), expected(2, 1, 1, 2));
        assert_eq!(conv("layer4.0.conv2"), expected(1, 4, 4, 2));
        assert_eq!(conv("aspp.features.3.0"), expected(1, 18, 18, 1));
        let resize = of("Resize", field::NODE_OPERATOR);
        assert_eq!(resize["mode"].1, "linear");
        assert_eq!(resize["coordinate_transformation_mode"].1, "align_corners");
        assert_eq!(resize["axes"].0, [2, 3]);
        let pooling = of("MaxPool", field::NODE_OPERATOR);
        let pooling = ["kernel_shape", "strides", "pads"].map(|key| pooling[key].0.clone());
        assert_eq!(pooling, [vec![3; 2], vec![2; 2], vec![1; 4]]);
    }

    #[test]
    fn the_file_names_its_version_and_operators_first() {
        let bytes = exported(&narrow(), 1.0);
        assert_eq!(fields(&bytes)[0], (1, Content::Int(8)));
        assert_eq!(all(&bytes, 8), [[0x0a, 0x00, 0x10, 18]]);
    }
}
