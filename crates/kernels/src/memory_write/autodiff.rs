//! The memory write in Burn's autodiff graph: nodes whose one parent is the features.

use burn::backend::{
    Autodiff, Cube, TensorMetadata,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    ops::FloatTensorOps,
    tensor::{FloatTensor, IntTensor},
};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};

use super::wgsl::{MemoryWriteOps, SlotRule, Sums, feature_gradient, slot_gradient, sums, written};

/// What both backward passes need to weigh the features: labels and taps are contiguous.
#[derive(Clone, Debug)]
struct Weighing {
    features: NodeId,
    labels: CubeTensor,
    taps: CubeTensor,
    sizes: Sums,
}

impl Weighing {
    fn feature_gradient(
        &self,
        of_sums: &CubeTensor,
        checkpointer: &mut Checkpointer,
    ) -> CubeTensor {
        let features: CubeTensor = checkpointer.retrieve_node_output(self.features);
        let features = into_contiguous(features);
        feature_gradient([&features, &self.labels, &self.taps], of_sums, self.sizes)
    }
}

impl<C: CheckpointStrategy> MemoryWriteOps for Autodiff<Cube, C> {
    fn class_sums(
        features: FloatTensor<Self>,
        labels: IntTensor<Self>,
        taps: IntTensor<Self>,
        sizes: Sums,
    ) -> FloatTensor<Self> {
        let [labels, taps] = [labels, taps].map(into_contiguous);
        match ClassSums.prepare::<C>([features.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let features_id = node.checkpoint(&features);
                let features = into_contiguous(features.into_primitive());
                let output = sums(&features, &labels, &taps, sizes);
                node.finish(Weighing { features: features_id, labels, taps, sizes }, output)
            }
            OpsKind::UnTracked(node) => {
                let features = into_contiguous(features.into_primitive());
                node.finish(sums(&features, &labels, &taps, sizes))
            }
        }
    }

    fn memory_write(
        features: FloatTensor<Self>,
        labels: IntTensor<Self>,
        taps: IntTensor<Self>,
        memory: FloatTensor<Self>,
        sizes: Sums,
        rule: SlotRule,
    ) -> FloatTensor<Self> {
        let memory = memory.into_primitive();
        let [labels, taps, memory] = [labels, taps, memory].map(into_contiguous);
        match MemoryWrite.prepare::<C>([features.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let features_id = node.checkpoint(&features);
                let features = into_contiguous(features.into_primitive());
                let sums = sums(&features, &labels, &taps, sizes);
                let output = written(&sums, &memory, rule);
                let weighing = Weighing { features: features_id, labels, taps, sizes };
                node.finish(WriteState { weighing, sums, memory, rule }, output)
            }
            OpsKind::UnTracked(node) => {
                let features = features.into_primitive();
                node.finish(Cube::memory_write(features, labels, taps, memory, sizes, rule))
            }
        }
    }
}

#[derive(Debug)]
struct ClassSums;

impl Backward<Cube, 1> for ClassSums {
    type State = Weighing;

    fn backward(
        self,
        ops: Ops<Weighing, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let of_output = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            // Without the last column, the totals.
            let shape = of_output.shape();
            let channels = [0..shape[0], 0..shape[1] - 1].map(Into::into);
            let of_sums = into_contiguous(Cube::float_slice(of_output, &channels));
            let gradient = ops.state.feature_gradient(&of_sums, checkpointer);
            grads.register::<Cube>(node.id, gradient);
        }
    }
}

#[derive(Debug)]
struct MemoryWrite;

#[derive(Clone, Debug)]
struct WriteState {
    weighing: Weighing,
    sums: CubeTensor,
    memory: CubeTensor,
    rule: SlotRule,
}

impl Backward<Cube, 1> for MemoryWrite {
    type State = WriteState;

    fn backward(
        self,
        ops: Ops<WriteState, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let of_written = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            let WriteState { weighing, sums, memory, rule } = ops.state;
            let of_sums = slot_gradient(&sums, &memory, of_written, rule);
            let gradient = weighing.feature_gradient(&of_sums, checkpointer);
            grads.register::<Cube>(node.id, gradient);
        }
    }
}
