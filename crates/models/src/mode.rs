//! The differentiable operations that networks are written in, once for values and once for
//! (value, tangent) pairs.
//!
//! A network is a function generic over a [`Mode`]. In [`Plain`] mode it is an ordinary forward
//! pass on Burn tensors. In [`Tangent`](crate::tangent::Tangent) mode every quantity carries its
//! derivative along one direction of parameter space, which is what exact second order needs: the
//! tangent of the loss is `<grad L, v>`, and one ordinary backward pass of it gives `H v`.
//! To add an operation, add it here and to both modes, and a test against finite differences.

use std::ops::Range;

use burn::tensor::module::{batch_norm, batch_norm_train, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor, activation};
use kernels::{
    LabelMaps, MemoryDivergence, MemoryRead, Noise, PixelLabels, SlotSum, WriteRule, conv2d,
};

use crate::layout::tensor_from;
use crate::ranks::{Exchange, sum_over_ranks};
use crate::resize::resize_by_products;

/// Small constant that batch normalisation adds to the variance (the reference's `eps`).
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Stride, padding, dilation and groups of a square convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Step between neighbouring outputs, in input pixels.
    pub stride: usize,
    /// Zero padding on every side, in pixels.
    pub padding: usize,
    /// Distance between neighbouring kernel taps, in pixels.
    pub dilation: usize,
    /// Groups of channels that are convolved apart; as many as channels is depthwise.
    pub groups: usize,
}

impl Conv {
    /// Stride 1, no padding, no dilation.
    pub const POINTWISE: Self = Self { stride: 1, padding: 0, dilation: 1, groups: 1 };

    /// A 3x3 convolution that keeps the size at stride 1.
    #[must_use]
    pub fn same3(stride: usize, dilation: usize) -> Self {
        Self { stride, padding: dilation, dilation, groups: 1 }
    }

    pub(crate) fn options(self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], [self.padding; 2], [self.dilation; 2], self.groups)
    }
}

/// Statistics that a batch normalisation layer saw, for the running averages.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// Mean per channel, `[C]`, detached.
    pub mean: Tensor<1>,
    /// Biased variance per channel, `[C]`, detached; of switchable whitening the biased covariance
    /// of each of its groups of `c` channels, `[C * c]`.
    pub variance: Tensor<1>,
}

/// What a forward pass computes beside plain values.
pub trait Mode: Sized + 'static {
    /// A tensor of rank `D` in this mode.
    type T<const D: usize>: Clone;

    /// Lifts a tensor that does not depend on the parameters.
    fn constant<const D: usize>(x: Tensor<D>) -> Self::T<D>;
    /// The value, tracked by autodiff as in the ordinary forward pass.
    fn value<const D: usize>(x: &Self::T<D>) -> Tensor<D>;
    /// The shape.
    fn dims<const D: usize>(x: &Self::T<D>) -> [usize; D];
    /// Applies a linear map that does not depend on the parameters.
    ///
    /// Networks call the named maps below instead, which a mode can tell apart.
    fn linear<const D: usize, const E: usize>(
        x: Self::T<D>,
        map: impl Fn(Tensor<D>) -> Tensor<E>,
    ) -> Self::T<E>;
    /// Cuts the dependence on the parameters.
    fn detach<const D: usize>(x: Self::T<D>) -> Self::T<D>;
    /// Elementwise sum with broadcasting.
    fn add<const D: usize>(a: Self::T<D>, b: Self::T<D>) -> Self::T<D>;
    /// Elementwise product with broadcasting.
    fn mul<const D: usize>(a: Self::T<D>, b: Self::T<D>) -> Self::T<D>;
    /// Matrix product of the last two axes.
    fn matmul<const D: usize>(a: Self::T<D>, b: Self::T<D>) -> Self::T<D>;
    /// Joins along `axis`.
    fn cat<const D: usize>(parts: Vec<Self::T<D>>, axis: usize) -> Self::T<D>;
    /// Convolution; `x` `[B, I, H, W]`, `weight` `[O, I / groups, k, k]`, `bias` `[O]`.
    fn conv2d(
        x: Self::T<4>,
        weight: Self::T<4>,
        bias: Option<Self::T<1>>,
        conv: Conv,
    ) -> Self::T<4>;
    /// 3x3 max pooling, stride 2, padding 1, of `[B, C, H, W]`.
    fn max_pool3(x: Self::T<4>) -> Self::T<4>;
    /// `max(x, 0)`, with derivative 0 at 0.
    fn relu<const D: usize>(x: Self::T<D>) -> Self::T<D>;
    /// `min(max(x, 0), 6)`, with derivative 0 at 0 and at 6.
    fn relu6<const D: usize>(x: Self::T<D>) -> Self::T<D>;
    /// Batch normalisation by the statistics of `x`, `[B, C, H, W]`.
    fn batch_norm_train(
        x: Self::T<4>,
        weight: Self::T<1>,
        bias: Self::T<1>,
    ) -> (Self::T<4>, BatchStatistics);
    /// Batch normalisation by the running statistics of a layer, given by its name.
    fn batch_norm_eval(
        x: Self::T<4>,
        weight: Self::T<1>,
        bias: Self::T<1>,
        layer: (&str, &BatchStatistics),
    ) -> Self::T<4>;
    /// Logarithm of the softmax along `axis`.
    fn log_softmax<const D: usize>(x: Self::T<D>, axis: usize) -> Self::T<D>;
    /// Divides by the L2 norm along `axis`: see [`kernels::l2_normalize`].
    fn l2_normalize<const D: usize>(x: Self::T<D>, axis: usize) -> Self::T<D>;
    /// Cosine scores, softmax and readout of a memory: see [`kernels::memory_read`].
    fn memory_read(
        features: Self::T<4>,
        memory: Self::T<2>,
        noise: Noise,
        temperature: f64,
    ) -> MemoryReadOf<Self>;
    /// Elementwise sum of `[C]` over data-parallel ranks, which all get the same bits.
    ///
    /// The derivative of all ranks' losses reaches each rank's `x`: gradients are summed alike.
    /// Waits for all ranks, and for the device, as the elements pass through the host.
    ///
    /// # Panics
    /// If ranks cannot meet: see [`Exchange::sum`].
    fn sum_over_ranks(x: Self::T<1>, exchange: &Exchange) -> Self::T<1>;
    /// The memory moved towards the class means of `[B, C, h, w]`: see [`kernels::memory_write`].
    fn memory_write(
        features: Self::T<4>,
        labels: &LabelMaps,
        memory: Tensor<2>,
        rule: WriteRule,
    ) -> Self::T<2>;
    /// The losses of a written memory, `[K, C]`, and a classifier of its slots, `[K, C]` and `[K]`:
    /// see [`kernels::memory_divergence`].
    fn memory_divergence(
        memory: Self::T<2>,
        weight: Self::T<2>,
        bias: Self::T<1>,
        slot_sum: SlotSum,
    ) -> MemoryDivergenceOf<Self>;
    /// Mean cross entropy of logits resized to the labels: see [`kernels::upsampled_cross_entropy`].
    fn upsampled_cross_entropy(
        logits: Self::T<4>,
        labels: &PixelLabels,
        class_weights: Option<&[f64]>,
    ) -> Self::T<1>;
    /// Exponential function.
    fn exp<const D: usize>(x: Self::T<D>) -> Self::T<D>;
    /// `1 / sqrt(x)` of positive elements.
    fn reciprocal_sqrt<const D: usize>(x: Self::T<D>) -> Self::T<D>;

    /// Multiplies by a number.
    fn scale<const D: usize>(x: Self::T<D>, factor: f64) -> Self::T<D> {
        Self::linear(x, |x| x.mul_scalar(factor))
    }
    /// The same elements in another shape.
    fn reshape<const D: usize, const E: usize>(x: Self::T<D>, shape: [usize; E]) -> Self::T<E> {
        Self::linear(x, |x| x.reshape(shape))
    }
    /// Axes in another order: axis `i` of the result is axis `axes[i]`.
    fn permute<const D: usize>(x: Self::T<D>, axes: [usize; D]) -> Self::T<D> {
        Self::linear(x, |x| x.permute(axes.map(|axis| axis as isize)))
    }
    /// The channels in `range` of `[B, C, H, W]`.
    fn channels(x: Self::T<4>, range: Range<usize>) -> Self::T<4> {
        Self::linear(x, |x| x.slice_dim(1, range.clone()))
    }
    /// The mean over all pixels: `[B, C, H, W]` to `[B, C, 1, 1]`.
    fn mean_pixels(x: Self::T<4>) -> Self::T<4> {
        Self::linear(x, |x| x.mean_dims(&[2, 3]))
    }
    /// Bilinear resize of `[B, C, h, w]` to `[B, C, H, W]`, corners aligned.
    fn resize(x: Self::T<4>, size: [usize; 2]) -> Self::T<4> {
        resize_by_products::<Self>(x, size)
    }
    /// The running mean and covariance of a layer, given by its name, as constants beside `x`.
    fn running_covariance(
        _x: &Self::T<4>,
        (_, running): (&str, &BatchStatistics),
    ) -> [Self::T<1>; 2] {
        [running.mean.clone(), running.variance.clone()].map(Self::constant)
    }
    /// The identity matrix `[1, 1, c, c]`, as large as the last axis of `x`.
    fn identity(x: &Self::T<4>) -> Self::T<4> {
        let value = Self::value(x);
        let size = value.dims()[3];
        let entry = |index| if index / size == index % size { 1.0 } else { 0.0 };
        let entries: Vec<f64> = (0..size * size).map(entry).collect();
        let identity = tensor_from(&entries, &value.device().without_autodiff(), value.dtype());
        Self::constant(identity.reshape([1, 1, size, size]))
    }
    /// Values at `index` along `axis`; all other axes equal.
    fn gather<const D: usize>(x: Self::T<D>, axis: usize, index: &Tensor<D, Int>) -> Self::T<D> {
        Self::linear(x, |x| x.gather(axis, index.clone()))
    }
    /// Normalises every channel of every image by its own mean and variance, `[B, C, H, W]`.
    fn instance_norm(x: Self::T<4>) -> Self::T<4> {
        let shape @ [batch, channels, height, width] = Self::dims(&x);
        let value = Self::value(&x);
        let (device, dtype) = (value.device().without_autodiff(), value.dtype());
        let one = Self::constant(Tensor::ones([batch * channels], (&device, dtype)));
        let zero = Self::constant(Tensor::zeros([batch * channels], (&device, dtype)));
        let rows = Self::reshape(x, [1, batch * channels, height, width]);
        Self::reshape(Self::batch_norm_train(rows, one, zero).0, shape)
    }
}

/// Result of [`Mode::memory_read`].
pub struct MemoryReadOf<M: Mode> {
    /// L2-normalised features, then the weighted sum of the slots, `[B, 2C, h, w]`.
    pub joined: M::T<4>,
    /// Cosine of every feature with every slot, `[B, K, h, w]`.
    pub scores: M::T<4>,
    /// Softmax of the scores over the slots, `[B, K, h, w]`.
    pub weights: M::T<4>,
}

/// Result of [`Mode::memory_divergence`], each `[1]`.
pub struct MemoryDivergenceOf<M: Mode> {
    /// Mean positive inner product of different slots.
    pub divergence: M::T<1>,
    /// Cross entropy of the classifier's scores of each slot against its own class.
    pub classification: M::T<1>,
}

/// Ordinary forward pass.
pub struct Plain;

impl Mode for Plain {
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
        x.detach()
    }

    fn add<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        a + b
    }

    fn mul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        a * b
    }

    fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        a.matmul(b)
    }

    fn cat<const D: usize>(parts: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
        Tensor::cat(parts, axis)
    }

    fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, conv: Conv) -> Tensor<4> {
        conv2d(x, weight, bias, conv.options())
    }

    fn max_pool3(x: Tensor<4>) -> Tensor<4> {
        max_pool2d(x, max_pool3_options())
    }

    fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        activation::relu(x)
    }

    fn relu6<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        // Not `clamp`, whose backward pass lets gradients through at 0 and at 6.
        let low = x.clone().lower_equal_elem(0.0);
        let high = x.clone().greater_equal_elem(6.0);
        x.mask_fill(low, 0.0).mask_fill(high, 6.0)
    }

    fn batch_norm_train(
        x: Tensor<4>,
        weight: Tensor<1>,
        bias: Tensor<1>,
    ) -> (Tensor<4>, BatchStatistics) {
        let out = batch_norm_train(x, weight, bias, BATCH_NORM_EPSILON);
        let statistics =
            BatchStatistics { mean: out.mean.detach(), variance: out.variance.detach() };
        (out.output, statistics)
    }

    fn batch_norm_eval(
        x: Tensor<4>,
        weight: Tensor<1>,
        bias: Tensor<1>,
        (_, running): (&str, &BatchStatistics),
    ) -> Tensor<4> {
        let (mean, variance) = (running.mean.clone(), running.variance.clone());
        batch_norm(x, weight, bias, mean, variance, BATCH_NORM_EPSILON)
    }

    fn log_softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
        activation::log_softmax(x, axis)
    }

    fn l2_normalize<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
        kernels::l2_normalize(x, axis)
    }

    fn memory_read(
        features: Tensor<4>,
        memory: Tensor<2>,
        noise: Noise,
        temperature: f64,
    ) -> MemoryReadOf<Self> {
        let MemoryRead { joined, scores, weights } =
            kernels::memory_read(features, memory, noise, temperature);
        MemoryReadOf { joined, scores, weights }
    }

    fn sum_over_ranks(x: Tensor<1>, exchange: &Exchange) -> Tensor<1> {
        sum_over_ranks(x, exchange.clone())
    }

    fn memory_write(
        features: Tensor<4>,
        labels: &LabelMaps,
        memory: Tensor<2>,
        rule: WriteRule,
    ) -> Tensor<2> {
        kernels::memory_write(features, labels, memory, rule)
    }

    fn memory_divergence(
        memory: Tensor<2>,
        weight: Tensor<2>,
        bias: Tensor<1>,
        slot_sum: SlotSum,
    ) -> MemoryDivergenceOf<Self> {
        let MemoryDivergence { divergence, classification } =
            kernels::memory_divergence(memory, weight, bias, slot_sum);
        MemoryDivergenceOf { divergence, classification }
    }

    fn upsampled_cross_entropy(
        logits: Tensor<4>,
        labels: &PixelLabels,
        class_weights: Option<&[f64]>,
    ) -> Tensor<1> {
        kernels::upsampled_cross_entropy(logits, labels, class_weights)
    }

    fn exp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        x.exp()
    }

    fn reciprocal_sqrt<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        x.sqrt().recip()
    }
}

/// The stem's pooling: kernel 3, stride 2, padding 1.
pub(crate) fn max_pool3_options() -> MaxPoolOptions<2> {
    let mut options = MaxPoolOptions::new([3, 3]);
    options.stride = [2, 2];
    options.padding = [(1, 1), (1, 1)];
    options
}
