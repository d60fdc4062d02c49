//! The upsampled cross entropy in Burn's autodiff graph.

use burn::backend::{
    Autodiff, Cube,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{FloatTensor, IntTensor},
};

use super::wgsl::{LossState, Sizes, UpsampledCrossEntropyOps, backward, forward};

impl<C: CheckpointStrategy> UpsampledCrossEntropyOps for Autodiff<Cube, C> {
    fn upsampled_cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        class_weights: FloatTensor<Self>,
        sizes: Sizes,
    ) -> FloatTensor<Self> {
        let class_weights = class_weights.into_primitive();
        match Loss.prepare::<C>([logits.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let id = node.checkpoint(&logits);
                let logits = logits.into_primitive();
                let (loss, state) = forward(logits, None, labels, class_weights, sizes);
                node.finish((id, state), loss)
            }
            OpsKind::UnTracked(node) => {
                let logits = logits.into_primitive();
                node.finish(forward(logits, None, labels, class_weights, sizes).0)
            }
        }
    }

    fn upsampled_cross_entropy_pair(
        logits: FloatTensor<Self>,
        tangent: FloatTensor<Self>,
        labels: IntTensor<Self>,
        class_weights: FloatTensor<Self>,
        sizes: Sizes,
    ) -> FloatTensor<Self> {
        let class_weights = class_weights.into_primitive();
        match LossPair.prepare::<C>([logits.node(), tangent.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let ids = [node.checkpoint(&logits), node.checkpoint(&tangent)];
                let (logits, tangent) = (logits.into_primitive(), tangent.into_primitive());
                let (pair, state) = forward(logits, Some(tangent), labels, class_weights, sizes);
                node.finish((ids, state), pair)
            }
            OpsKind::UnTracked(node) => {
                let (logits, tangent) = (logits.into_primitive(), tangent.into_primitive());
                node.finish(forward(logits, Some(tangent), labels, class_weights, sizes).0)
            }
        }
    }
}

#[derive(Debug)]
struct Loss;

impl Backward<Cube, 1> for Loss {
    type State = (NodeId, LossState);

    fn backward(
        self,
        ops: Ops<(NodeId, LossState), 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let of_output = grads.consume::<Cube>(&ops.node);
        let (logits, state) = ops.state;
        let logits = checkpointer.retrieve_node_output(logits);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, backward(logits, None, &state, of_output).0);
        }
    }
}

#[derive(Debug)]
struct LossPair;

impl Backward<Cube, 2> for LossPair {
    type State = ([NodeId; 2], LossState);

    fn backward(
        self,
        ops: Ops<([NodeId; 2], LossState), 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let of_output = grads.consume::<Cube>(&ops.node);
        let ([logits, tangent], state) = ops.state;
        let logits = checkpointer.retrieve_node_output(logits);
        let tangent = checkpointer.retrieve_node_output(tangent);
        let (of_logits, of_tangent) = backward(logits, Some(tangent), &state, of_output);
        let [logits_node, tangent_node] = ops.parents;
        if let Some(node) = logits_node {
            grads.register::<Cube>(node.id, of_logits);
        }
        if let (Some(node), Some(of_tangent)) = (tangent_node, of_tangent) {
            grads.register::<Cube>(node.id, of_tangent);
        }
    }
}
