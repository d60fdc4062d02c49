//! The messages of `onnx.proto3` that a network needs.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>, whose field numbers are here.

use std::collections::BTreeMap;

use super::wire::Message;

/// Version of the file format that goes with [`OPSET`].
const IR_VERSION: i64 = 8;
/// Version of the operators.
const OPSET: i64 = 18;

/// An attribute of an operator, with its name.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Float(&'static str, f32),
    Int(&'static str, i64),
    Text(&'static str, &'static str),
    Ints(&'static str, Vec<i64>),
}

/// One size of an input or output.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Fixed(usize),
    /// Any, by the same name the same.
    Open(&'static str),
}

/// What a tensor is made of: numbers of `TensorProto.DataType`.
pub(super) struct Elements;

impl Elements {
    pub(super) const FLOAT: i64 = 1;
    pub(super) const INT64: i64 = 7;
}

/// `ModelProto`.
pub(super) fn model(graph: &Message, metadata: &BTreeMap<String, String>) -> Message {
    let operators = Message::default().bytes(1, b"").int(2, OPSET);
    let model = Message::default()
        .int(1, IR_VERSION)
        .bytes(2, b"pinmem")
        .bytes(3, env!("CARGO_PKG_VERSION").as_bytes())
        .message(8, &operators)
        .message(7, graph);
    metadata.iter().fold(model, |model, (key, value)| {
        let entry = Message::default().bytes(1, key.as_bytes()).bytes(2, value.as_bytes());
        model.message(14, &entry)
    })
}

/// `GraphProto`.
pub(super) fn graph(
    nodes: &[Message],
    initializers: &[Message],
    inputs: &[Message],
    outputs: &[Message],
) -> Message {
    let parts = [(1, nodes), (5, initializers), (11, inputs), (12, outputs)];
    let named = Message::default().bytes(2, b"segmentation");
    parts.into_iter().fold(named, |graph, (field, messages)| {
        messages.iter().fold(graph, |graph, message| graph.message(field, message))
    })
}

/// `NodeProto` with one result.
pub(super) fn node(
    name: &str,
    (operator, result): (&str, &str),
    inputs: &[&str],
    attributes: &[Attribute],
) -> Message {
    let node =
        inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input.as_bytes()));
    let node = node.bytes(2, result.as_bytes()).bytes(3, name.as_bytes());
    let node = node.bytes(4, operator.as_bytes());
    attributes.iter().fold(node, |node, attribute| node.message(5, &attribute_message(attribute)))
}

/// `AttributeProto`; field 20 is its type.
fn attribute_message(attribute: &Attribute) -> Message {
    let named = |name: &str| Message::default().bytes(1, name.as_bytes());
    match attribute {
        Attribute::Float(name, value) => named(name).float(2, *value).int(20, 1),
        Attribute::Int(name, value) => named(name).int(3, *value).int(20, 2),
        Attribute::Text(name, value) => named(name).bytes(4, value.as_bytes()).int(20, 3),
        Attribute::Ints(name, values) => named(name).ints(8, values.iter().copied()).int(20, 7),
    }
}

/// `TensorProto` of single-precision numbers; no sizes make a scalar.
pub(super) fn floats(name: &str, shape: &[usize], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, (shape, Elements::FLOAT), &raw)
}

/// `TensorProto` of a list of whole numbers.
pub(super) fn whole_numbers(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, (&[values.len()], Elements::INT64), &raw)
}

fn tensor(name: &str, (shape, elements): (&[usize], i64), raw: &[u8]) -> Message {
    let sizes = shape.iter().map(|&size| size as i64);
    let tensor = Message::default().ints(1, sizes).int(2, elements);
    tensor.bytes(8, name.as_bytes()).bytes(9, raw)
}

/// `ValueInfoProto`: an input or output.
pub(super) fn value(name: &str, elements: i64, sizes: &[Size]) -> Message {
    let shape = sizes.iter().fold(Message::default(), |shape, size| {
        let size = match size {
            Size::Fixed(size) => Message::default().int(1, *size as i64),
            Size::Open(name) => Message::default().bytes(2, name.as_bytes()),
        };
        shape.message(1, &size)
    });
    let tensor = Message::default().int(1, elements).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().bytes(1, name.as_bytes()).message(2, &kind)
}
