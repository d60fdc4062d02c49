//! A mode that computes what [`Plain`] does and keeps every map that an operation gave.
//!
//! So a test can look for a stage of a network inside a pass, without the network having to hand it
//! out.

use std::cell::RefCell;

use burn::tensor::Tensor;
use kernels::{LabelMaps, Noise, PixelLabels, SlotSum, WriteRule};
use models::mode::{BatchStatistics, Conv, MemoryDivergenceOf, MemoryReadOf, Mode, Plain};
use models::ranks::Exchange;

thread_local! {
    /// Tests run on threads of their own, and a pass on one of them.
    static KEPT: RefCell<Vec<Tensor<4>>> = const { RefCell::new(Vec::new()) };
}

/// The maps kept on this thread since the last call, in the order they were computed.
pub(crate) fn take_maps() -> Vec<Tensor<4>> {
    KEPT.with(RefCell::take)
}

/// See the module.
pub(crate) struct Watching;

fn kept(map: Tensor<4>) -> Tensor<4> {
    KEPT.with(|maps| maps.borrow_mut().push(map.clone()));
    map
}

fn kept_if_map<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if let Ok(shape) = <[usize; 4]>::try_from(x.dims().as_slice()) {
        kept(x.clone().reshape(shape));
    }
    x
}

impl Mode for Watching {
    type T<const D: usize> = Tensor<D>;

    fn constant<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        x
    }

    fn value<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
        x.clone()
    }

    fn dims<const D: usize>(x: &Tensor<D>) -> [usize; D] {
        x.dims()
    }

    fn linear<const D: usize, const E: usize>(
        x: Tensor<D>,
        map: impl Fn(Tensor<D>) -> Tensor<E>,
    ) -> Tensor<E> {
        map(x)
    }

    fn detach<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Plain::detach(x)
    }

    fn add<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        kept_if_map(Plain::add(a, b))
    }

    fn mul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        Plain::mul(a, b)
    }

    fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        Plain::matmul(a, b)
    }

    fn cat<const D: usize>(parts: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
        kept_if_map(Plain::cat(parts, axis))
    }

    fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, conv: Conv) -> Tensor<4> {
        kept(Plain::conv2d(x, weight, bias, conv))
    }

    fn max_pool3(x: Tensor<4>) -> Tensor<4> {
        kept(Plain::max_pool3(x))
    }

    fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        kept_if_map(Plain::relu(x))
    }

    fn relu6<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        kept_if_map(Plain::relu6(x))
    }

    fn batch_norm_train(
        x: Tensor<4>,
        weight: Tensor<1>,
        bias: Tensor<1>,
    ) -> (Tensor<4>, BatchStatistics) {
        Plain::batch_norm_train(x, weight, bias)
    }

    fn batch_norm_eval(
        x: Tensor<4>,
        weight: Tensor<1>,
        bias: Tensor<1>,
        layer: (&str, &BatchStatistics),
    ) -> Tensor<4> {
        Plain::batch_norm_eval(x, weight, bias, layer)
    }

    fn log_softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
        Plain::log_softmax(x, axis)
    }

    fn l2_normalize<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
        Plain::l2_normalize(x, axis)
    }

    fn memory_read(
        features: Tensor<4>,
        memory: Tensor<2>,
        noise: Noise,
        temperature: f64,
    ) -> MemoryReadOf<Self> {
        let MemoryReadOf { joined, scores, weights } =
            Plain::memory_read(features, memory, noise, temperature);
        MemoryReadOf { joined, scores, weights }
    }

    fn memory_write(
        features: Tensor<4>,
        labels: &LabelMaps,
        memory: Tensor<2>,
        rule: WriteRule,
    ) -> Tensor<2> {
        Plain::memory_write(features, labels, memory, rule)
    }

    fn memory_divergence(
        memory: Tensor<2>,
        weight: Tensor<2>,
        bias: Tensor<1>,
        slot_sum: SlotSum,
    ) -> MemoryDivergenceOf<Self> {
        let MemoryDivergenceOf { divergence, classification } =
            Plain::memory_divergence(memory, weight, bias, slot_sum);
        MemoryDivergenceOf { divergence, classification }
    }

    fn upsampled_cross_entropy(
        logits: Tensor<4>,
        labels: &PixelLabels,
        class_weights: Option<&[f64]>,
    ) -> Tensor<1> {
        Plain::upsampled_cross_entropy(logits, labels, class_weights)
    }

    fn sum_over_ranks(x: Tensor<1>, exchange: &Exchange) -> Tensor<1> {
        Plain::sum_over_ranks(x, exchange)
    }

    fn exp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Plain::exp(x)
    }

    fn reciprocal_sqrt<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Plain::reciprocal_sqrt(x)
    }
}
