//! The convolution in Burn's autodiff graph.
//!
//! The node keeps what Burn's own convolution keeps, input and weight, and never a column.

use burn::backend::{
    Autodiff, Cube,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};
use burn_cubecl::tensor::CubeTensor;

use super::plan::{Conv2dOps, Plan, input_gradient, weight_gradient};

#[derive(Debug)]
struct Conv2d;

#[derive(Clone, Debug)]
struct Conv2dState {
    x: NodeId,
    weight: NodeId,
    plan: Plan,
}

impl<C: CheckpointStrategy> Conv2dOps for Autodiff<Cube, C> {
    fn conv2d_as_planned(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        match Conv2d.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let state = Conv2dState {
                    x: node.checkpoint(&x),
                    weight: node.checkpoint(&weight),
                    plan: plan.clone(),
                };
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                node.finish(state, Cube::conv2d_as_planned(x, weight, plan))
            }
            OpsKind::UnTracked(node) => {
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                node.finish(Cube::conv2d_as_planned(x, weight, plan))
            }
        }
    }
}

impl Backward<Cube, 2> for Conv2d {
    type State = Conv2dState;

    fn backward(
        self,
        ops: Ops<Conv2dState, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let of_output = grads.consume::<Cube>(&ops.node);
        let Conv2dState { x, weight, plan } = ops.state;
        let x: CubeTensor = checkpointer.retrieve_node_output(x);
        let weight: CubeTensor = checkpointer.retrieve_node_output(weight);
        let [x_node, weight_node] = ops.parents;
        if let Some(node) = x_node {
            let gradient = input_gradient(x.clone(), weight, of_output.clone(), &plan);
            grads.register::<Cube>(node.id, gradient);
        }
        if let Some(node) = weight_node {
            grads.register::<Cube>(node.id, weight_gradient(x, of_output, &plan));
        }
    }
}
