//! The memory read in Burn's autodiff graph.
//!
//! A graph node has one output, the read has three. So the read is one node without a useful value,
//! the junction, with three children that carry the results. In the backward pass each child leaves
//! its gradient in the junction's inbox; the junction, which runs after all of them, takes what is
//! there and launches the backward shaders once.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::{
    Autodiff, AutodiffBackend, Cube, Shape,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    ops::FloatTensorOps,
    tensor::FloatTensor,
};
use burn_cubecl::{
    kernel::{into_contiguous, untile},
    tensor::CubeTensor,
};

use super::wgsl::{MemoryReadOps, NoiseSource, ReadGradients, ReadState, Sizes, backward, forward};

/// Gradients of the results, left by the children for the junction.
type Inbox = Arc<Mutex<ReadGradients>>;

impl<C: CheckpointStrategy> MemoryReadOps for Autodiff<Cube, C> {
    fn memory_read(
        features: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        source: NoiseSource,
        temperature: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (features, features_node) = features.into_parts();
        let (memory, memory_node) = memory.into_parts();
        let features = untile(features);
        let [memory, noise] = [memory, noise.into_primitive()].map(into_contiguous);
        let found = forward(&features, &memory, &noise, source, temperature);
        let junction =
            Junction.prepare::<C>([features_node, memory_node]).compute_bound().stateful();
        match junction {
            OpsKind::Tracked(junction) => {
                let signal = Cube::float_empty(
                    Shape::new([1]),
                    &features.device,
                    burn::tensor::FloatDType::F32,
                );
                let inbox = Inbox::default();
                let sizes = Sizes::of(&features, &memory);
                let read = ReadState { memory, found: found.clone(), sizes, temperature };
                let junction =
                    junction.finish(JunctionState { read, inbox: inbox.clone() }, signal.clone());
                let child = |output, value| {
                    let state = ChildState { output, inbox: inbox.clone(), signal: signal.clone() };
                    match Child.prepare::<C>([junction.node()]).compute_bound().stateful() {
                        OpsKind::Tracked(child) => child.finish(state, value),
                        OpsKind::UnTracked(child) => child.finish(value),
                    }
                };
                (
                    child(Output::Joined, found.joined),
                    child(Output::Scores, found.scores),
                    child(Output::Weights, found.weights),
                )
            }
            OpsKind::UnTracked(_) => (
                Self::from_inner(found.joined),
                Self::from_inner(found.scores),
                Self::from_inner(found.weights),
            ),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Output {
    Joined,
    Scores,
    Weights,
}

#[derive(Debug)]
struct Child;

#[derive(Clone, Debug)]
struct ChildState {
    output: Output,
    inbox: Inbox,
    /// The gradient of the junction's meaningless value: it only says that an inbox is not empty.
    signal: CubeTensor,
}

impl Backward<Cube, 1> for Child {
    type State = ChildState;

    fn backward(self, ops: Ops<ChildState, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Cube>(&ops.node);
        let ChildState { output, inbox, signal } = ops.state;
        let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = inbox.is_empty();
        match output {
            Output::Joined => inbox.joined = Some(gradient),
            Output::Scores => inbox.scores = Some(gradient),
            Output::Weights => inbox.weights = Some(gradient),
        }
        if let ([Some(junction)], true) = (ops.parents, is_first) {
            grads.register::<Cube>(junction.id, signal);
        }
    }
}

#[derive(Debug)]
struct Junction;

#[derive(Clone, Debug)]
struct JunctionState {
    read: ReadState,
    inbox: Inbox,
}

impl Backward<Cube, 2> for Junction {
    type State = JunctionState;

    fn backward(self, ops: Ops<JunctionState, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        // Removes the signal; its value means nothing.
        drop(grads.consume::<Cube>(&ops.node));
        let JunctionState { read, inbox } = ops.state;
        let gradients = std::mem::take(&mut *inbox.lock().unwrap_or_else(PoisonError::into_inner));
        let [features_node, memory_node] = ops.parents;
        let (of_features, of_memory) = backward(&read, gradients, memory_node.is_some());
        if let Some(node) = features_node {
            grads.register::<Cube>(node.id, of_features);
        }
        if let (Some(node), Some(of_memory)) = (memory_node, of_memory) {
            grads.register::<Cube>(node.id, of_memory);
        }
    }
}
