//! The sum of a small tensor over all ranks, in Burn's autodiff graph.
//!
//! Each rank's result depends on every rank's tensor alike. The gradient of the sum of all losses
//! by one rank's tensor is therefore the sum of all ranks' gradients, the same operation again.
//! Tensor and gradient pass through the host, which waits for the device: they have as many
//! elements as a layer has channels.

use burn::backend::{
    Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    backend_extension, read_sync,
    tensor::FloatTensor,
};
use burn::tensor::{Tensor, TensorData};

use super::Exchange;

/// See [`Mode::sum_over_ranks`](crate::mode::Mode::sum_over_ranks).
pub(crate) fn sum_over_ranks(x: Tensor<1>, exchange: Exchange) -> Tensor<1> {
    let sum = <Dispatch as RanksOps>::sum_over_ranks(x.into_dispatch(), exchange);
    Tensor::from_dispatch(sum)
}

/// The sum on a backend's own tensors.
#[backend_extension(Autodiff, Cube, Flex)]
pub(crate) trait RanksOps: Backend {
    /// See [`sum_over_ranks`].
    fn sum_over_ranks(x: FloatTensor<Self>, exchange: Exchange) -> FloatTensor<Self>;
}

impl RanksOps for Cube {
    fn sum_over_ranks(x: FloatTensor<Self>, exchange: Exchange) -> FloatTensor<Self> {
        summed::<Self>(x, &exchange)
    }
}

impl RanksOps for Flex {
    fn sum_over_ranks(x: FloatTensor<Self>, exchange: Exchange) -> FloatTensor<Self> {
        summed::<Self>(x, &exchange)
    }
}

impl<B: Backend, C: CheckpointStrategy> RanksOps for Autodiff<B, C> {
    fn sum_over_ranks(x: FloatTensor<Self>, exchange: Exchange) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let sum = summed::<B>(x, &exchange);
        // Compute bound: a checkpoint that repeated it would wait for ranks that do not come.
        let step = Backward::<B, 1>::prepare::<C>(SumOverRanks, [node]).compute_bound();
        match step.stateful() {
            OpsKind::Tracked(step) => step.finish(exchange, sum),
            OpsKind::UnTracked(step) => step.finish(sum),
        }
    }
}

#[derive(Debug)]
struct SumOverRanks;

impl<B: Backend> Backward<B, 1> for SumOverRanks {
    type State = Exchange;

    fn backward(self, ops: Ops<Exchange, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let exchange = ops.state.of("gradient");
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| summed::<B>(gradient, &exchange));
    }
}

fn summed<B: Backend>(x: FloatTensor<B>, exchange: &Exchange) -> FloatTensor<B> {
    let (shape, device, dtype) = (x.shape(), x.device(), x.dtype());
    let data = read_sync(B::float_into_data(x))
        .unwrap_or_else(|error| panic!("{}: cannot read the tensor: {error}", exchange.name));
    let mut values: Vec<f64> = data.iter().collect();
    exchange.sum(&mut values);
    B::float_from_data(TensorData::new(values, shape).convert_dtype(dtype), &device)
}
