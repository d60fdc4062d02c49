//! The divergence losses in Burn's autodiff graph: one node of both losses.

use burn::backend::{
    Autodiff, Cube,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};

use super::wgsl::{MemoryDivergenceOps, Scales, gradients, losses};

#[derive(Debug)]
struct MemoryDivergence;

#[derive(Clone, Debug)]
struct State {
    memory: CubeTensor,
    weight: CubeTensor,
    kept: CubeTensor,
    scales: Scales,
}

impl<C: CheckpointStrategy> MemoryDivergenceOps for Autodiff<Cube, C> {
    fn memory_divergence(
        memory: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        scales: Scales,
    ) -> FloatTensor<Self> {
        let (memory, memory_node) = memory.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let [memory, weight, bias] = [memory, weight, bias].map(into_contiguous);
        let (output, kept) = losses([&memory, &weight, &bias], scales);
        let nodes = [memory_node, weight_node, bias_node];
        match MemoryDivergence.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(node) => node.finish(State { memory, weight, kept, scales }, output),
            OpsKind::UnTracked(node) => node.finish(output),
        }
    }
}

impl Backward<Cube, 3> for MemoryDivergence {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let of_losses = grads.consume::<Cube>(&ops.node);
        let State { memory, weight, kept, scales } = ops.state;
        let found = gradients([&memory, &weight], &kept, of_losses, scales);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                grads.register::<Cube>(node.id, gradient);
            }
        }
    }
}
