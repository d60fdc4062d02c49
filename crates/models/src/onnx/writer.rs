//! A graph's operations as ONNX operators.

use std::collections::BTreeSet;

use super::schema::{self, Attribute};
use super::wire::Message;
use super::{INPUT, LOGITS};
use crate::mode::{BATCH_NORM_EPSILON, Conv};
use crate::trace::graph::{Node, Operation};
use crate::weights::{MEMORY_KEY, NamedTensors};

/// Nodes and constants written so far.
pub(super) struct Writer<'a> {
    weights: &'a NamedTensors,
    pub(super) nodes: Vec<Message>,
    pub(super) initializers: Vec<Message>,
    /// Weights written so far.
    written: BTreeSet<String>,
    /// Names of nodes so far.
    named: BTreeSet<String>,
    /// Names of the graph's results, by node.
    values: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(weights: &'a NamedTensors) -> Self {
        Self {
            weights,
            nodes: Vec::new(),
            initializers: Vec::new(),
            written: BTreeSet::new(),
            named: BTreeSet::new(),
            values: Vec::new(),
        }
    }

    /// Adds one node of the graph.
    pub(super) fn add(&mut self, index: usize, node: &Node, is_output: bool) {
        let result = if is_output { LOGITS.to_owned() } else { format!("v{index}") };
        let value = match &node.operation {
            Operation::Image => INPUT.to_owned(),
            Operation::Parameter(name) | Operation::Statistic(name) => {
                self.shaped_weight(name, &node.shape, result)
            }
            Operation::Memory => self.weight(MEMORY_KEY),
            Operation::Identity => self.identity(&node.shape, result),
            Operation::ReciprocalSqrt => self.reciprocal_root(node, result),
            Operation::L2Normalize(axis) => self.unit_length(node, *axis, result),
            _ => self.operator(node, result),
        };
        self.values.push(value);
    }

    /// Adds a node that is one operator.
    fn operator(&mut self, node: &Node, result: String) -> String {
        let mut inputs: Vec<String> =
            node.inputs.iter().map(|&input| self.values[input].clone()).collect();
        let (operator, attributes) = match &node.operation {
            Operation::Conv(conv) => ("Conv", convolution(*conv)),
            Operation::BatchNorm { layer } => {
                inputs.push(self.weight(&format!("{layer}.running_mean")));
                inputs.push(self.weight(&format!("{layer}.running_var")));
                let epsilon = Attribute::Float("epsilon", BATCH_NORM_EPSILON as f32);
                ("BatchNormalization", vec![epsilon])
            }
            Operation::InstanceNorm => {
                let channels = node.shape[1];
                for (what, value) in [("gain", 1.0), ("offset", 0.0)] {
                    inputs.push(self.numbers(&result, what, &[channels], &vec![value; channels]));
                }
                let epsilon = Attribute::Float("epsilon", BATCH_NORM_EPSILON as f32);
                ("InstanceNormalization", vec![epsilon])
            }
            Operation::MaxPool3 => ("MaxPool", window(3, Conv::same3(2, 1))),
            Operation::Relu => ("Relu", vec![]),
            Operation::Relu6 => {
                inputs.push(self.number(&result, "low", 0.0));
                inputs.push(self.number(&result, "high", 6.0));
                ("Clip", vec![])
            }
            Operation::Exp => ("Exp", vec![]),
            Operation::Add => ("Add", vec![]),
            Operation::Mul => ("Mul", vec![]),
            Operation::Scale(factor) => {
                inputs.push(self.number(&result, "factor", *factor as f32));
                ("Mul", vec![])
            }
            Operation::MatMul => ("MatMul", vec![]),
            Operation::Concat(axis) => ("Concat", vec![Attribute::Int("axis", *axis as i64)]),
            Operation::Reshape => {
                inputs.push(self.open_shape(&result, &node.shape));
                ("Reshape", vec![])
            }
            Operation::Permute(axes) => {
                let axes = axes.iter().map(|&axis| axis as i64).collect();
                ("Transpose", vec![Attribute::Ints("perm", axes)])
            }
            Operation::Channels(range) => {
                for (what, at) in [("start", range.start), ("end", range.end), ("axis", 1)] {
                    inputs.push(self.whole(&result, what, &[at as i64]));
                }
                ("Slice", vec![])
            }
            Operation::MeanPixels => ("GlobalAveragePool", vec![]),
            Operation::Resize => {
                let sizes: Vec<i64> = node.shape[2..].iter().map(|&size| size as i64).collect();
                // Neither a region of interest nor scales.
                inputs.extend([String::new(), String::new()]);
                inputs.push(self.whole(&result, "size", &sizes));
                ("Resize", bilinear())
            }
            Operation::Softmax(axis) => ("Softmax", vec![Attribute::Int("axis", *axis as i64)]),
            Operation::LogSoftmax(axis) => {
                ("LogSoftmax", vec![Attribute::Int("axis", *axis as i64)])
            }
            Operation::Image
            | Operation::Parameter(_)
            | Operation::Statistic(_)
            | Operation::Identity
            | Operation::Memory
            | Operation::ReciprocalSqrt
            | Operation::L2Normalize(_) => unreachable!("not one operator: {:?}", node.operation),
        };
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.push(&node.name, (operator, &result), &inputs, &attributes);
        result
    }

    /// `x / max(|x|, epsilon)`: `LpNormalization` leaves open what becomes of a zero.
    fn unit_length(&mut self, node: &Node, axis: usize, result: String) -> String {
        let x = self.values[node.inputs[0]].clone();
        let axes = self.whole(&result, "axis", &[axis as i64]);
        let smallest = self.number(&result, "smallest", kernels::SMALLEST_NORM as f32);
        let [norm, clamped] = ["norm", "clamped"].map(|part| format!("{result}.{part}"));
        let keep = [Attribute::Int("keepdims", 1)];
        self.push("", ("ReduceL2", &norm), &[&x, &axes], &keep);
        self.push("", ("Max", &clamped), &[&norm, &smallest], &[]);
        self.push(&node.name, ("Div", &result), &[&x, &clamped], &[]);
        result
    }

    fn reciprocal_root(&mut self, node: &Node, result: String) -> String {
        let root = format!("{result}.root");
        let x = self.values[node.inputs[0]].clone();
        self.push("", ("Sqrt", &root), &[&x], &[]);
        self.push("", ("Reciprocal", &result), &[&root], &[]);
        result
    }

    fn identity(&mut self, shape: &[usize], result: String) -> String {
        let size = shape[shape.len() - 1];
        let entry = |index| if index / size == index % size { 1.0 } else { 0.0 };
        let entries: Vec<f32> = (0..size * size).map(entry).collect();
        self.numbers(&result, "identity", shape, &entries)
    }

    /// A weight in the shape that the graph asks for.
    fn shaped_weight(&mut self, name: &str, shape: &[usize], result: String) -> String {
        let whole = self.weight(name);
        if self.weights[name].shape == shape {
            return whole;
        }
        let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let sizes = self.whole(&result, "shape", &sizes);
        self.push("", ("Reshape", &result), &[&whole, &sizes], &[]);
        result
    }

    /// Writes a weight unless it is there already.
    fn weight(&mut self, name: &str) -> String {
        if self.written.insert(name.to_owned()) {
            let weights = self.weights;
            let tensor = weights.get(name).unwrap_or_else(|| panic!("no weight named {name}"));
            self.initializers.push(schema::floats(name, &tensor.shape, &tensor.values));
        }
        name.to_owned()
    }

    /// The shape of a reshape: its first axis counts images or their pixels, so it stays open.
    fn open_shape(&mut self, result: &str, shape: &[usize]) -> String {
        let rest = shape[1..].iter().map(|&size| size as i64);
        let sizes: Vec<i64> = [-1].into_iter().chain(rest).collect();
        self.whole(result, "shape", &sizes)
    }

    fn whole(&mut self, result: &str, what: &str, values: &[i64]) -> String {
        let name = format!("{result}.{what}");
        self.initializers.push(schema::whole_numbers(&name, values));
        name
    }

    fn number(&mut self, result: &str, what: &str, value: f32) -> String {
        self.numbers(result, what, &[], &[value])
    }

    fn numbers(&mut self, result: &str, what: &str, shape: &[usize], values: &[f32]) -> String {
        let name = format!("{result}.{what}");
        self.initializers.push(schema::floats(&name, shape, values));
        name
    }

    /// Adds an operator with one result.
    pub(super) fn push(
        &mut self,
        name: &str,
        (operator, result): (&str, &str),
        inputs: &[&str],
        attributes: &[Attribute],
    ) {
        // Names are unique; a layer that runs twice gives its name to its first node.
        let name = if self.named.insert(name.to_owned()) { name } else { "" };
        self.nodes.push(schema::node(name, (operator, result), inputs, attributes));
    }
}

fn convolution(conv: Conv) -> Vec<Attribute> {
    let step = |name, value: usize| Attribute::Ints(name, vec![value as i64; 2]);
    vec![
        step("strides", conv.stride),
        step("dilations", conv.dilation),
        Attribute::Ints("pads", vec![conv.padding as i64; 4]),
        Attribute::Int("group", conv.groups as i64),
    ]
}

fn window(kernel: i64, conv: Conv) -> Vec<Attribute> {
    vec![
        Attribute::Ints("kernel_shape", vec![kernel; 2]),
        Attribute::Ints("strides", vec![conv.stride as i64; 2]),
        Attribute::Ints("pads", vec![conv.padding as i64; 4]),
    ]
}

fn bilinear() -> Vec<Attribute> {
    vec![
        Attribute::Text("mode", "linear"),
        Attribute::Text("coordinate_transformation_mode", "align_corners"),
        Attribute::Ints("axes", vec![2, 3]),
    ]
}
