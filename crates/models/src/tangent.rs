//! Forward mode: every quantity carries its derivative along one direction of parameter space.

use burn::tensor::module::max_pool2d_with_indices;
use burn::tensor::{Tensor, activation};
use kernels::{
    LabelMaps, Noise, PixelLabels, SlotSum, WriteRule, conv2d, pair_scale,
    upsampled_cross_entropy_pair,
};

use crate::memory::{joined_maps, to_rows};
use crate::mode::{
    BATCH_NORM_EPSILON, BatchStatistics, Conv, MemoryDivergenceOf, MemoryReadOf, Mode, Plain,
    max_pool3_options,
};
use crate::ranks::{Exchange, sum_over_ranks};

/// A value with its tangent.
#[derive(Clone, Debug)]
pub struct Dual<const D: usize> {
    /// The ordinary forward value.
    pub value: Tensor<D>,
    /// Derivative of the value along the direction; `None` where it is zero by construction.
    pub tangent: Option<Tensor<D>>,
}

impl<const D: usize> Dual<D> {
    /// A parameter and the direction along which to differentiate, as a constant.
    #[must_use]
    pub fn new(value: Tensor<D>, tangent: Tensor<D>) -> Self {
        Self { value, tangent: Some(tangent) }
    }
}

/// Mode of [`Dual`] pairs.
///
/// Masks and pooling indices are constants of the pass, and statistics are never written back:
/// the pass exists for its tangent alone.
/// Source: Pearlmutter 1994, forward-over-reverse with the roles exchanged.
pub struct Tangent;

impl Mode for Tangent {
    type T<const D: usize> = Dual<D>;

    fn constant<const D: usize>(x: Tensor<D>) -> Dual<D> {
        Dual { value: x, tangent: None }
    }

    fn value<const D: usize>(x: &Dual<D>) -> Tensor<D> {
        x.value.clone()
    }

    fn dims<const D: usize>(x: &Dual<D>) -> [usize; D] {
        x.value.dims()
    }

    fn linear<const D: usize, const E: usize>(
        x: Dual<D>,
        map: impl Fn(Tensor<D>) -> Tensor<E>,
    ) -> Dual<E> {
        Dual { value: map(x.value), tangent: x.tangent.map(&map) }
    }

    fn detach<const D: usize>(x: Dual<D>) -> Dual<D> {
        Dual { value: x.value.detach(), tangent: None }
    }

    fn add<const D: usize>(a: Dual<D>, b: Dual<D>) -> Dual<D> {
        let tangent = sum(
            a.tangent.map(|t| t.expand(broadcast(a.value.dims(), b.value.dims()))),
            b.tangent.map(|t| t.expand(broadcast(a.value.dims(), b.value.dims()))),
        );
        Dual { value: a.value + b.value, tangent }
    }

    fn mul<const D: usize>(a: Dual<D>, b: Dual<D>) -> Dual<D> {
        let tangent =
            sum(a.tangent.map(|t| t * b.value.clone()), b.tangent.map(|t| t * a.value.clone()));
        Dual { value: a.value * b.value, tangent }
    }

    fn matmul<const D: usize>(a: Dual<D>, b: Dual<D>) -> Dual<D> {
        Dual { tangent: product_tangent(&a, &b), value: a.value.matmul(b.value) }
    }

    fn cat<const D: usize>(parts: Vec<Dual<D>>, axis: usize) -> Dual<D> {
        let tangent = parts.iter().any(|part| part.tangent.is_some()).then(|| {
            let tangents = parts
                .iter()
                .map(|part| part.tangent.clone().unwrap_or_else(|| part.value.zeros_like()))
                .collect();
            Tensor::cat(tangents, axis)
        });
        Dual {
            value: Tensor::cat(parts.into_iter().map(|part| part.value).collect(), axis),
            tangent,
        }
    }

    fn conv2d(x: Dual<4>, weight: Dual<4>, bias: Option<Dual<1>>, conv: Conv) -> Dual<4> {
        let (bias_value, bias_tangent) =
            bias.map_or((None, None), |bias| (Some(bias.value), bias.tangent));
        let through_input =
            x.tangent.map(|t| conv2d(t, weight.value.clone(), None, conv.options()));
        let through_weight =
            weight.tangent.map(|t| conv2d(x.value.clone(), t, bias_tangent, conv.options()));
        Dual {
            value: conv2d(x.value, weight.value, bias_value, conv.options()),
            tangent: sum(through_input, through_weight),
        }
    }

    fn max_pool3(x: Dual<4>) -> Dual<4> {
        let [batch, channels, height, width] = x.value.dims();
        let (_, index) = max_pool2d_with_indices(x.value.clone().detach(), max_pool3_options());
        let [_, _, pooled_height, pooled_width] = index.dims();
        let index = index.reshape([batch, channels, pooled_height * pooled_width]);
        Self::linear(x, |x| {
            x.reshape([batch, channels, height * width]).gather(2, index.clone()).reshape([
                batch,
                channels,
                pooled_height,
                pooled_width,
            ])
        })
    }

    fn relu<const D: usize>(x: Dual<D>) -> Dual<D> {
        let tangent = x.tangent.map(|t| {
            let inactive = x.value.clone().lower_equal_elem(0.0);
            t.mask_fill(inactive, 0.0)
        });
        Dual { value: activation::relu(x.value), tangent }
    }

    fn relu6<const D: usize>(x: Dual<D>) -> Dual<D> {
        let tangent = x.tangent.map(|t| {
            let (low, high) =
                (x.value.clone().lower_equal_elem(0.0), x.value.clone().greater_equal_elem(6.0));
            t.mask_fill(low.bool_or(high), 0.0)
        });
        Dual { value: Plain::relu6(x.value), tangent }
    }

    fn batch_norm_train(x: Dual<4>, weight: Dual<1>, bias: Dual<1>) -> (Dual<4>, BatchStatistics) {
        let channels = x.value.dims()[1];
        let mean_of = |x: Tensor<4>| channel_mean(x);
        let mean = mean_of(x.value.clone());
        let centred = x.value - mean.clone();
        let variance = mean_of(centred.clone().square());
        // 1 / sqrt(variance + eps), [1, C, 1, 1].
        let inverse = variance.clone().add_scalar(BATCH_NORM_EPSILON).sqrt().recip();
        let normalized = centred * inverse.clone();
        let gain = weight.value.reshape([1, channels, 1, 1]);
        // d normalized = inverse * (dx - mean(dx) - normalized * mean(normalized * dx))
        let through_input = x.tangent.map(|t| {
            let t = t.clone() - mean_of(t);
            let slope = mean_of(normalized.clone() * t.clone());
            (t - normalized.clone() * slope) * (inverse * gain.clone())
        });
        let through_weight =
            weight.tangent.map(|t| normalized.clone() * t.reshape([1, channels, 1, 1]));
        let shape = normalized.dims();
        let through_bias = bias.tangent.map(|t| t.reshape([1, channels, 1, 1]).expand(shape));
        let value = normalized * gain + bias.value.reshape([1, channels, 1, 1]);
        let statistics = BatchStatistics {
            mean: mean.reshape([channels]).detach(),
            variance: variance.reshape([channels]).detach(),
        };
        let tangent = sum(sum(through_input, through_weight), through_bias);
        (Dual { value, tangent }, statistics)
    }

    fn batch_norm_eval(
        x: Dual<4>,
        weight: Dual<1>,
        bias: Dual<1>,
        (_, running): (&str, &BatchStatistics),
    ) -> Dual<4> {
        let channels = x.value.dims()[1];
        let as_channels = |t: Tensor<1>| t.reshape([1, channels, 1, 1]);
        let mean = as_channels(running.mean.clone());
        let inverse =
            as_channels(running.variance.clone()).add_scalar(BATCH_NORM_EPSILON).sqrt().recip();
        let normalized = Dual {
            value: (x.value - mean) * inverse.clone(),
            tangent: x.tangent.map(|t| t * inverse.clone()),
        };
        let gain = Self::linear(weight, as_channels);
        Self::add(Self::mul(normalized, gain), Self::linear(bias, as_channels))
    }

    fn log_softmax<const D: usize>(x: Dual<D>, axis: usize) -> Dual<D> {
        let value = activation::log_softmax(x.value, axis);
        let tangent = x.tangent.map(|t| {
            let mean = (value.clone().exp() * t.clone()).sum_dim(axis);
            t - mean
        });
        Dual { value, tangent }
    }

    fn l2_normalize<const D: usize>(x: Dual<D>, axis: usize) -> Dual<D> {
        let Some(tangent) = x.tangent else {
            return Self::constant(Plain::l2_normalize(x.value, axis));
        };
        let (value, tangent) = kernels::l2_normalize_pair(x.value, tangent, axis);
        Dual::new(value, tangent)
    }

    fn memory_read(
        features: Dual<4>,
        memory: Dual<2>,
        noise: Noise,
        temperature: f64,
    ) -> MemoryReadOf<Self> {
        let shape = features.value.dims();
        let [_, channels, _, _] = shape;
        let read =
            Plain::memory_read(features.value.clone(), memory.value.clone(), noise, temperature);
        // Every tangent is a function of the results, which hold the noise: it is drawn only there.
        let tangents = Self::l2_normalize(features, 1).tangent.map(to_rows::<Plain>);
        let halves = [0..channels, channels..2 * channels];
        let [normalized, readout] =
            halves.map(|half| to_rows::<Plain>(read.joined.clone().slice_dim(1, half)));
        let normalized = Dual { value: normalized, tangent: tangents };
        let slots = Self::linear(memory.clone(), Tensor::transpose);
        let scores = Dual {
            tangent: product_tangent(&normalized, &slots),
            value: to_rows::<Plain>(read.scores),
        };
        let weights = to_rows::<Plain>(read.weights);
        let weights = Dual {
            tangent: scores.tangent.clone().map(|t| {
                let mean = (weights.clone() * t.clone()).sum_dim(1);
                (weights.clone() * (t - mean)).mul_scalar(1.0 / temperature)
            }),
            value: weights,
        };
        let readout = Dual { tangent: product_tangent(&weights, &memory), value: readout };
        joined_maps::<Self>([normalized, readout], [scores, weights], shape)
    }

    fn sum_over_ranks(x: Dual<1>, exchange: &Exchange) -> Dual<1> {
        Dual {
            value: sum_over_ranks(x.value, exchange.clone()),
            tangent: x.tangent.map(|t| sum_over_ranks(t, exchange.of("tangent"))),
        }
    }

    fn memory_write(
        features: Dual<4>,
        labels: &LabelMaps,
        memory: Tensor<2>,
        rule: WriteRule,
    ) -> Dual<2> {
        let Some(tangent) = features.tangent else {
            return Self::constant(kernels::memory_write(features.value, labels, memory, rule));
        };
        let (value, tangent) =
            kernels::memory_write_pair(features.value, tangent, labels, memory, rule);
        Dual::new(value, tangent)
    }

    fn memory_divergence(
        memory: Dual<2>,
        weight: Dual<2>,
        bias: Dual<1>,
        slot_sum: SlotSum,
    ) -> MemoryDivergenceOf<Self> {
        let slots = memory.value.dims()[0];
        let own = Tensor::<2>::eye(slots, &memory.value.device());
        let own = own.cast(memory.value.dtype()).detach();
        let others = own.clone().neg().add_scalar(1.0);
        let transposed = Self::linear(memory.clone(), Tensor::transpose);
        let cosines = Self::relu(Self::matmul(memory.clone(), transposed));
        let scores = Self::add(
            Self::matmul(memory, Self::linear(weight, Tensor::transpose)),
            Self::reshape(bias, [1, slots]),
        );
        let summed = |x: Dual<2>, mask: Tensor<2>, scale: f64| {
            Self::linear(x, |x| (x * mask.clone()).sum().mul_scalar(scale))
        };
        MemoryDivergenceOf {
            divergence: summed(cosines, others, pair_scale(slots)),
            classification: summed(Self::log_softmax(scores, 1), own, -slot_sum.scale(slots)),
        }
    }

    fn upsampled_cross_entropy(
        logits: Dual<4>,
        labels: &PixelLabels,
        class_weights: Option<&[f64]>,
    ) -> Dual<1> {
        let Dual { value: logits, tangent } = logits;
        match tangent {
            None => Self::constant(kernels::upsampled_cross_entropy(logits, labels, class_weights)),
            Some(tangent) => {
                let (value, tangent) =
                    upsampled_cross_entropy_pair(logits, tangent, labels, class_weights);
                Dual::new(value, tangent)
            }
        }
    }

    fn exp<const D: usize>(x: Dual<D>) -> Dual<D> {
        let value = x.value.exp();
        Dual { tangent: x.tangent.map(|t| t * value.clone()), value }
    }

    fn reciprocal_sqrt<const D: usize>(x: Dual<D>) -> Dual<D> {
        let value = x.value.sqrt().recip();
        let slope = value.clone().powi_scalar(3).mul_scalar(-0.5);
        Dual { tangent: x.tangent.map(|t| t * slope), value }
    }
}

/// Mean over batch, height and width: `[B, C, H, W]` to `[1, C, 1, 1]`.
fn channel_mean(x: Tensor<4>) -> Tensor<4> {
    x.mean_dims(&[0, 2, 3])
}

/// The tangent of a matrix product.
fn product_tangent<const D: usize>(a: &Dual<D>, b: &Dual<D>) -> Option<Tensor<D>> {
    sum(
        a.tangent.clone().map(|t| t.matmul(b.value.clone())),
        b.tangent.clone().map(|t| a.value.clone().matmul(t)),
    )
}

fn sum<const D: usize>(a: Option<Tensor<D>>, b: Option<Tensor<D>>) -> Option<Tensor<D>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn broadcast<const D: usize>(a: [usize; D], b: [usize; D]) -> [usize; D] {
    std::array::from_fn(|axis| a[axis].max(b[axis]))
}
