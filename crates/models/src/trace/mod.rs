//! A mode that runs a network on shapes alone and records what it would compute.
//!
//! A traced tensor is a place in a recorded [`graph::Graph`]: no value is computed, and no
//! parameter is needed. Operations that hand tensors to a closure, or that need a value, cannot be
//! traced; the forward pass of evaluation uses none.

pub mod graph;
mod recording;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use burn::tensor::{Int, Tensor};
use kernels::{LabelMaps, Noise, PixelLabels, SlotSum, WriteRule};

use crate::memory::{joined_maps, to_rows};
use crate::mode::{BatchStatistics, Conv, MemoryDivergenceOf, MemoryReadOf, Mode};
use crate::ranks::Exchange;
use graph::{Node, Operation};

pub use recording::{Recording, record};

/// Mode of [`Traced`] shapes.
pub struct Trace;

/// A tensor that has a shape and a place in a graph, but no value.
#[derive(Clone, Debug)]
pub struct Traced<const D: usize> {
    tape: Tape,
    node: usize,
    shape: [usize; D],
}

/// The nodes recorded so far, shared by all tensors of a pass.
type Tape = Rc<RefCell<Vec<Node>>>;

impl<const D: usize> Traced<D> {
    /// Records a node without inputs.
    fn source(tape: &Tape, operation: Operation, shape: [usize; D]) -> Self {
        Self::push(tape, String::new(), operation, (Vec::new(), shape))
    }

    fn push(
        tape: &Tape,
        name: String,
        operation: Operation,
        (inputs, shape): (Vec<usize>, [usize; D]),
    ) -> Self {
        let mut nodes = tape.borrow_mut();
        nodes.push(Node { name, operation, inputs, shape: shape.to_vec() });
        Self { tape: Rc::clone(tape), node: nodes.len() - 1, shape }
    }

    /// Records an operation on this tensor alone.
    fn then<const E: usize>(&self, operation: Operation, shape: [usize; E]) -> Traced<E> {
        Traced::push(&self.tape, String::new(), operation, (vec![self.node], shape))
    }

    /// Records an operation on this tensor and another.
    fn with<const F: usize, const E: usize>(
        &self,
        other: &Traced<F>,
        operation: Operation,
        shape: [usize; E],
    ) -> Traced<E> {
        let inputs = vec![self.node, other.node];
        Traced::push(&self.tape, String::new(), operation, (inputs, shape))
    }

    /// Names the recorded node.
    fn named(self, name: &str) -> Self {
        name.clone_into(&mut self.tape.borrow_mut()[self.node].name);
        self
    }

    /// The parameter or statistic that this tensor is, if it is one.
    fn weight(&self) -> Option<(String, Operation)> {
        let operation = self.tape.borrow()[self.node].operation.clone();
        match &operation {
            Operation::Parameter(name) | Operation::Statistic(name) => {
                Some((name.clone(), operation))
            }
            _ => None,
        }
    }
}

impl Mode for Trace {
    type T<const D: usize> = Traced<D>;

    fn constant<const D: usize>(_: Tensor<D>) -> Traced<D> {
        untraceable("constant")
    }

    fn value<const D: usize>(_: &Traced<D>) -> Tensor<D> {
        untraceable("value")
    }

    fn dims<const D: usize>(x: &Traced<D>) -> [usize; D] {
        x.shape
    }

    fn linear<const D: usize, const E: usize>(
        _: Traced<D>,
        _: impl Fn(Tensor<D>) -> Tensor<E>,
    ) -> Traced<E> {
        untraceable("linear")
    }

    fn detach<const D: usize>(x: Traced<D>) -> Traced<D> {
        x
    }

    fn add<const D: usize>(a: Traced<D>, b: Traced<D>) -> Traced<D> {
        a.with(&b, Operation::Add, broadcast(a.shape, b.shape))
    }

    fn mul<const D: usize>(a: Traced<D>, b: Traced<D>) -> Traced<D> {
        a.with(&b, Operation::Mul, broadcast(a.shape, b.shape))
    }

    fn matmul<const D: usize>(a: Traced<D>, b: Traced<D>) -> Traced<D> {
        let [rows, depth, columns] = [a.shape[D - 2], a.shape[D - 1], b.shape[D - 1]];
        assert_eq!(depth, b.shape[D - 2], "depth of a matrix product");
        let matrix_of_result = |shape: [usize; D]| {
            std::array::from_fn(|axis| match D - axis {
                2 => rows,
                1 => columns,
                _ => shape[axis],
            })
        };
        let shape = broadcast(matrix_of_result(a.shape), matrix_of_result(b.shape));
        a.with(&b, Operation::MatMul, shape)
    }

    fn cat<const D: usize>(parts: Vec<Traced<D>>, axis: usize) -> Traced<D> {
        let first = parts.first().expect("at least one part");
        let mut shape = first.shape;
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        let inputs = parts.iter().map(|part| part.node).collect();
        Traced::push(&first.tape, String::new(), Operation::Concat(axis), (inputs, shape))
    }

    fn conv2d(x: Traced<4>, weight: Traced<4>, bias: Option<Traced<1>>, conv: Conv) -> Traced<4> {
        let [batch, channels, height, width] = x.shape;
        let [output, input, kernel, _] = weight.shape;
        assert_eq!(channels, input * conv.groups, "input channels of a convolution");
        let size = |size| convolved(size, kernel, conv);
        let shape = [batch, output, size(height), size(width)];
        let inputs = [x.node, weight.node].into_iter().chain(bias.map(|bias| bias.node)).collect();
        let name = weight.weight().map_or_else(String::new, |(name, _)| name);
        let name = name.strip_suffix(".weight").unwrap_or(&name).to_owned();
        Traced::push(&x.tape, name, Operation::Conv(conv), (inputs, shape))
    }

    fn max_pool3(x: Traced<4>) -> Traced<4> {
        let [batch, channels, height, width] = x.shape;
        let size = |size| convolved(size, 3, Conv::same3(2, 1));
        x.then(Operation::MaxPool3, [batch, channels, size(height), size(width)])
    }

    fn relu<const D: usize>(x: Traced<D>) -> Traced<D> {
        x.then(Operation::Relu, x.shape)
    }

    fn relu6<const D: usize>(x: Traced<D>) -> Traced<D> {
        x.then(Operation::Relu6, x.shape)
    }

    fn batch_norm_train(_: Traced<4>, _: Traced<1>, _: Traced<1>) -> (Traced<4>, BatchStatistics) {
        untraceable("batch_norm_train")
    }

    fn batch_norm_eval(
        x: Traced<4>,
        weight: Traced<1>,
        bias: Traced<1>,
        (layer, _): (&str, &BatchStatistics),
    ) -> Traced<4> {
        let inputs = vec![x.node, weight.node, bias.node];
        let operation = Operation::BatchNorm { layer: layer.to_owned() };
        Traced::push(&x.tape, layer.to_owned(), operation, (inputs, x.shape))
    }

    fn sum_over_ranks(_: Traced<1>, _: &Exchange) -> Traced<1> {
        untraceable("sum_over_ranks")
    }

    fn exp<const D: usize>(x: Traced<D>) -> Traced<D> {
        x.then(Operation::Exp, x.shape)
    }

    fn reciprocal_sqrt<const D: usize>(x: Traced<D>) -> Traced<D> {
        x.then(Operation::ReciprocalSqrt, x.shape)
    }

    fn log_softmax<const D: usize>(x: Traced<D>, axis: usize) -> Traced<D> {
        x.then(Operation::LogSoftmax(axis), x.shape)
    }

    fn l2_normalize<const D: usize>(x: Traced<D>, axis: usize) -> Traced<D> {
        x.then(Operation::L2Normalize(axis), x.shape)
    }

    fn memory_read(
        features: Traced<4>,
        memory: Traced<2>,
        noise: Noise,
        temperature: f64,
    ) -> MemoryReadOf<Self> {
        assert!(matches!(noise, Noise::None), "a read with noise cannot be traced");
        let shape = features.shape;
        let rows = to_rows::<Self>(features);
        let normalized = Self::l2_normalize(rows, 1).named("memory.read.normalize");
        let slots = Self::permute(memory.clone(), [1, 0]);
        let scores = Self::matmul(normalized.clone(), slots).named("memory.read.scores");
        // Most reads have no temperature, and then no operation for it.
        let sharpened = match temperature {
            1.0 => scores.clone(),
            _ => Self::scale(scores.clone(), 1.0 / temperature),
        };
        let weights = sharpened.then(Operation::Softmax(1), scores.shape);
        let weights = weights.named("memory.read.weights");
        let readout = Self::matmul(weights.clone(), memory).named("memory.read.readout");
        joined_maps::<Self>([normalized, readout], [scores, weights], shape)
    }

    fn memory_write(_: Traced<4>, _: &LabelMaps, _: Tensor<2>, _: WriteRule) -> Traced<2> {
        untraceable("memory_write")
    }

    fn memory_divergence(
        _: Traced<2>,
        _: Traced<2>,
        _: Traced<1>,
        _: SlotSum,
    ) -> MemoryDivergenceOf<Self> {
        untraceable("memory_divergence")
    }

    fn upsampled_cross_entropy(_: Traced<4>, _: &PixelLabels, _: Option<&[f64]>) -> Traced<1> {
        untraceable("upsampled_cross_entropy")
    }

    fn scale<const D: usize>(x: Traced<D>, factor: f64) -> Traced<D> {
        x.then(Operation::Scale(factor), x.shape)
    }

    fn reshape<const D: usize, const E: usize>(x: Traced<D>, shape: [usize; E]) -> Traced<E> {
        let elements = x.shape.iter().product::<usize>();
        assert_eq!(elements, shape.iter().product::<usize>(), "elements of a reshape");
        match x.weight() {
            // Weights are kept flat, so this is how a network asks for one.
            Some((_, operation)) => Traced::source(&x.tape, operation, shape),
            None => x.then(Operation::Reshape, shape),
        }
    }

    fn permute<const D: usize>(x: Traced<D>, axes: [usize; D]) -> Traced<D> {
        x.then(Operation::Permute(axes.to_vec()), axes.map(|axis| x.shape[axis]))
    }

    fn channels(x: Traced<4>, range: Range<usize>) -> Traced<4> {
        let [batch, channels, height, width] = x.shape;
        assert!(range.end <= channels, "channels {range:?} of {channels}");
        let shape = [batch, range.len(), height, width];
        x.then(Operation::Channels(range), shape)
    }

    fn mean_pixels(x: Traced<4>) -> Traced<4> {
        let [batch, channels, _, _] = x.shape;
        x.then(Operation::MeanPixels, [batch, channels, 1, 1])
    }

    fn resize(x: Traced<4>, [height, width]: [usize; 2]) -> Traced<4> {
        let [batch, channels, _, _] = x.shape;
        x.then(Operation::Resize, [batch, channels, height, width])
    }

    fn instance_norm(x: Traced<4>) -> Traced<4> {
        x.then(Operation::InstanceNorm, x.shape)
    }

    fn running_covariance(
        x: &Traced<4>,
        (layer, running): (&str, &BatchStatistics),
    ) -> [Traced<1>; 2] {
        [("mean", running.mean.dims()), ("cov", running.variance.dims())].map(|(what, shape)| {
            let operation = Operation::Statistic(format!("{layer}.running_{what}"));
            Traced::source(&x.tape, operation, shape)
        })
    }

    fn identity(x: &Traced<4>) -> Traced<4> {
        let size = x.shape[3];
        Traced::source(&x.tape, Operation::Identity, [1, 1, size, size])
    }

    fn gather<const D: usize>(_: Traced<D>, _: usize, _: &Tensor<D, Int>) -> Traced<D> {
        untraceable("gather")
    }
}

/// Rows or columns that a convolution gives.
fn convolved(size: usize, kernel: usize, conv: Conv) -> usize {
    let reach = conv.dilation * (kernel - 1) + 1;
    let padded = size + 2 * conv.padding;
    assert!(padded >= reach, "a kernel that reaches {reach} pixels over {padded}");
    (padded - reach) / conv.stride + 1
}

fn broadcast<const D: usize>(a: [usize; D], b: [usize; D]) -> [usize; D] {
    let fits = a.iter().zip(&b).all(|(a, b)| a == b || *a == 1 || *b == 1);
    assert!(fits, "{a:?} and {b:?} do not broadcast");
    std::array::from_fn(|axis| a[axis].max(b[axis]))
}

/// Tells the author of a layer that it cannot be exported or counted.
fn untraceable(call: &str) -> ! {
    panic!("Mode::{call} cannot be traced: write the layer in named operations")
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};

    use super::*;
    use crate::layout::Layout;
    use crate::normalization::places::{NormKind, NormPlace, NormPlaces};
    use crate::pass::{Normalization, Pass};

    fn image(shape: [usize; 4]) -> Traced<4> {
        Traced::source(&Tape::default(), Operation::Image, shape)
    }

    #[test]
    #[should_panic(expected = "Mode::linear cannot be traced")]
    fn a_closure_over_tensors_is_refused_by_name() {
        Trace::linear(image([1, 2, 3, 4]), |x| x.mul_scalar(2.0));
    }

    #[test]
    #[should_panic(expected = "Mode::value cannot be traced")]
    fn asking_for_a_value_is_refused_by_name() {
        Trace::value(&image([1, 2, 3, 4]));
    }

    #[test]
    fn every_norm_of_a_trained_network_can_be_traced() {
        use NormKind::{Batch, Instance, InstanceAffine, InstanceWhitening, Switchable};
        let place = NormPlace::stem(2);
        for (kind, operation) in [
            (Batch, Operation::BatchNorm { layer: "norm".into() }),
            (InstanceWhitening, Operation::InstanceNorm),
            (Instance, Operation::InstanceNorm),
            (InstanceAffine, Operation::InstanceNorm),
            (Switchable, Operation::Statistic("norm.running_cov".into())),
        ] {
            let places = NormPlaces { stem: [Batch, Batch, kind], ..NormPlaces::default() };
            let mut layout = Layout::default();
            places.declare(&mut layout, "norm", place, 32);
            let x = image([1, 32, 3, 4]);
            let parameters = layout.parameters.iter().map(|spec| {
                let operation = Operation::Parameter(spec.name.clone());
                Traced::source(&x.tape, operation, [spec.len()])
            });
            let running = layout.init_statistics(&Device::flex(), DType::F32);
            let parameters = parameters.collect();
            let mut pass =
                Pass::<Trace>::new(&layout, parameters, &running, Normalization::Running);
            let y = places.apply(&mut pass, "norm", place, x, &mut Vec::new());
            assert_eq!(y.shape, [1, 32, 3, 4], "{kind}");
            assert!(y.tape.borrow().iter().any(|node| node.operation == operation), "{kind}");
        }
    }

    #[test]
    fn a_read_with_a_temperature_scales_its_scores_and_one_without_does_not() {
        let scales = |temperature| {
            let tape = Tape::default();
            let features = Traced::source(&tape, Operation::Image, [1, 4, 2, 3]);
            let memory = Traced::source(&tape, Operation::Memory, [3, 4]);
            let read = Trace::memory_read(features, memory, Noise::None, temperature);
            assert_eq!((read.weights.shape, read.joined.shape), ([1, 3, 2, 3], [1, 8, 2, 3]));
            let nodes = tape.borrow();
            nodes.iter().filter(|node| node.operation == Operation::Scale(2.0)).count()
        };
        assert_eq!((scales(0.5), scales(1.0)), (1, 0));
    }
}
