//! What a traced network computes: operations with their inputs and shapes, in the order in which
//! they run.

use std::ops::Range;

use crate::mode::Conv;

/// One operation, with what it is given beside its inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The normalised image, `[B, 3, H, W]`.
    Image,
    /// A parameter of the layout.
    Parameter(String),
    /// A running mean or covariance of the layout's statistics.
    Statistic(String),
    /// The identity matrix, `[1, 1, c, c]`.
    Identity,
    /// The memory, `[K, C]`.
    Memory,
    /// Convolution of the first input with the second; a third is the bias.
    Conv(Conv),
    /// Batch normalisation by running statistics; inputs are x, weight and bias.
    BatchNorm {
        /// The layer whose statistics they are.
        layer: String,
    },
    /// Every channel of every image normalised by its own mean and variance.
    InstanceNorm,
    /// 3x3 max pooling, stride 2, padding 1.
    MaxPool3,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// Exponential function.
    Exp,
    /// `1 / sqrt(x)`.
    ReciprocalSqrt,
    /// Elementwise sum with broadcasting.
    Add,
    /// Elementwise product with broadcasting.
    Mul,
    /// Product with a number.
    Scale(f64),
    /// Matrix product of the last two axes.
    MatMul,
    /// Join along an axis.
    Concat(usize),
    /// The same elements in the node's shape.
    Reshape,
    /// Axes in another order.
    Permute(Vec<usize>),
    /// A range of channels.
    Channels(Range<usize>),
    /// The mean over all pixels.
    MeanPixels,
    /// Bilinear resize to the node's size, corners aligned.
    Resize,
    /// Softmax along an axis.
    Softmax(usize),
    /// Logarithm of the softmax along an axis.
    LogSoftmax(usize),
    /// Division by the L2 norm along an axis.
    L2Normalize(usize),
}

/// An operation in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The layer's name in the layout, or the step of the memory's read; empty for the rest.
    pub name: String,
    /// What is computed.
    pub operation: Operation,
    /// The nodes that it is computed from.
    pub inputs: Vec<usize>,
    /// Shape of the result.
    pub shape: Vec<usize>,
}

impl Node {
    /// Elements of the result.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&size| size as u64).product()
    }

    /// Whether the result is there before the network runs.
    #[must_use]
    pub fn is_weight(&self) -> bool {
        matches!(
            self.operation,
            Operation::Parameter(_)
                | Operation::Statistic(_)
                | Operation::Identity
                | Operation::Memory
        )
    }
}

/// Nodes in the order in which they run; inputs come before what uses them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The nodes; the last one is the output.
    pub nodes: Vec<Node>,
}

/// The moment at which most activations are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Elements alive.
    pub elements: u64,
    /// The node that runs then.
    pub node: usize,
}

impl Graph {
    /// What `output` needs of `nodes`, renumbered.
    pub(super) fn needed(nodes: &[Node], output: usize) -> Self {
        let mut needed = vec![false; output + 1];
        needed[output] = true;
        for node in (0..=output).rev() {
            if needed[node] {
                nodes[node].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        let mut number = vec![0; output + 1];
        let mut kept = Vec::new();
        for old in (0..=output).filter(|&old| needed[old]) {
            number[old] = kept.len();
            let inputs = nodes[old].inputs.iter().map(|&input| number[input]).collect();
            kept.push(Node { inputs, ..nodes[old].clone() });
        }
        Self { nodes: kept }
    }

    /// Multiply-accumulates of a node: those of convolutions and matrix products.
    ///
    /// Normalisation, activations, pooling, resizing and sums are a few operations per element and
    /// are left out, as is usual; biases too. Taps that fall on padding count.
    #[must_use]
    pub fn multiply_accumulates(&self, node: usize) -> u64 {
        let node = &self.nodes[node];
        match node.operation {
            Operation::Conv(_) => {
                let weight = &self.nodes[node.inputs[1]];
                node.elements() * (weight.elements() / weight.shape[0] as u64)
            }
            Operation::MatMul => {
                let left = &self.nodes[node.inputs[0]].shape;
                node.elements() * left.last().map_or(0, |&size| size as u64)
            }
            _ => 0,
        }
    }

    /// The most elements of activations that are alive at once.
    ///
    /// A result lives from the operation that makes it to the last one that uses it; the image
    /// counts, a reshape shares its input's elements, and nothing else works in place or needs room
    /// of its own. Weights are no activations.
    #[must_use]
    pub fn peak(&self) -> Peak {
        let mut owner: Vec<usize> = Vec::with_capacity(self.nodes.len());
        let mut last_use = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let is_view = node.operation == Operation::Reshape;
            owner.push(if is_view { owner[node.inputs[0]] } else { index });
            for &used in node.inputs.iter().chain([&index]) {
                last_use[owner[used]] = index;
            }
        }
        if let Some(&output) = owner.last() {
            last_use[output] = self.nodes.len();
        }
        let size = |node: usize| match self.nodes[node].is_weight() {
            true => 0,
            false => self.nodes[node].elements(),
        };
        let mut ends: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len() + 1];
        let (mut alive, mut peak) = (0, Peak { elements: 0, node: 0 });
        for index in 0..self.nodes.len() {
            if owner[index] == index {
                alive += size(index);
                ends[last_use[index]].push(index);
            }
            if alive > peak.elements {
                peak = Peak { elements: alive, node: index };
            }
            alive -= ends[index].iter().map(|&ended| size(ended)).sum::<u64>();
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(operation: Operation, inputs: &[usize], shape: &[usize]) -> Node {
        Node { name: String::new(), operation, inputs: inputs.to_vec(), shape: shape.to_vec() }
    }

    #[test]
    fn a_convolution_multiplies_each_output_with_one_filter_of_its_group() {
        let conv = Conv { groups: 2, ..Conv::same3(1, 1) };
        let graph = Graph {
            nodes: vec![
                node(Operation::Image, &[], &[1, 4, 5, 7]),
                node(Operation::Parameter("w".into()), &[], &[6, 2, 3, 3]),
                node(Operation::Conv(conv), &[0, 1], &[1, 6, 5, 7]),
            ],
        };
        // 5 x 7 pixels of 6 channels, each from 2 channels of 3 x 3 taps.
        assert_eq!(graph.multiply_accumulates(2), 5 * 7 * 6 * 2 * 9);
        assert_eq!(graph.multiply_accumulates(0), 0);
    }

    #[test]
    fn a_matrix_product_multiplies_rows_by_columns_by_depth() {
        let graph = Graph {
            nodes: vec![
                node(Operation::Image, &[], &[10, 3]),
                node(Operation::Memory, &[], &[3, 4]),
                node(Operation::MatMul, &[0, 1], &[10, 4]),
            ],
        };
        assert_eq!(graph.multiply_accumulates(2), 10 * 4 * 3);
    }

    #[test]
    fn the_peak_counts_what_a_later_operation_still_needs_but_no_view_and_no_weight() {
        let graph = Graph {
            nodes: vec![
                node(Operation::Image, &[], &[10]),
                node(Operation::Memory, &[], &[1000]),
                node(Operation::Relu, &[0], &[10]),
                node(Operation::Reshape, &[2], &[5, 2]),
                // The image is gone; its ReLU and this are alive.
                node(Operation::Scale(2.0), &[3], &[5, 2]),
                // The ReLU, the scaled and the joined elements.
                node(Operation::Concat(0), &[3, 4], &[10, 2]),
                // The ReLU again, which lived on beside its view.
                node(Operation::Concat(0), &[2, 5], &[1]),
            ],
        };
        assert_eq!(graph.peak(), Peak { elements: 40, node: 5 });
        let shorter = Graph { nodes: graph.nodes[..5].to_vec() };
        assert_eq!(shorter.peak(), Peak { elements: 20, node: 2 });
    }

    #[test]
    fn what_the_output_does_not_need_is_left_out() {
        let nodes = [
            node(Operation::Image, &[], &[2]),
            node(Operation::Relu6, &[0], &[2]),
            node(Operation::Relu, &[0], &[2]),
            node(Operation::Scale(1.0), &[2], &[2]),
            node(Operation::Relu, &[3], &[2]),
        ];
        let graph = Graph::needed(&nodes, 3);
        let inputs: Vec<_> = graph.nodes.iter().map(|node| node.inputs.clone()).collect();
        assert_eq!(inputs, [vec![], vec![0], vec![1]]);
    }
}
