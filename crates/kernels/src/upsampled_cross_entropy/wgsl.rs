//! The upsampled cross entropy and its gradients as shader launches.

use burn::{
    backend::{
        Backend, Cube, DType, TensorMetadata, backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Tensor,
};
use burn_cubecl::{
    kernel::{into_contiguous, untile},
    ops::permute_nhwc_to_nchw,
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{
    sum_rows,
    upsampled_cross_entropy::{PIXELS_PER_WORKGROUP, SHADER},
    upsampled_cross_entropy_gradient as gradient,
};

use super::Weights;
use crate::{
    launch::{ITERATIONS_MAX, WORKGROUPS_MAX, empty, is_u32, launch, strides},
    pixel_ids::PixelLabels,
};

/// Workgroups that share the label pixels, at most: enough to fill a GPU, few enough that their sums
/// are added by one workgroup.
const PARTS_MAX: u32 = 2048;

/// The upsampled cross entropy on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait UpsampledCrossEntropyOps: Backend {
    /// The loss, `[1]`; see [`crate::upsampled_cross_entropy`].
    fn upsampled_cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        class_weights: FloatTensor<Self>,
        sizes: Sizes,
    ) -> FloatTensor<Self>;

    /// The loss and its derivative, `[2]`; see [`crate::upsampled_cross_entropy_pair`].
    fn upsampled_cross_entropy_pair(
        logits: FloatTensor<Self>,
        tangent: FloatTensor<Self>,
        labels: IntTensor<Self>,
        class_weights: FloatTensor<Self>,
        sizes: Sizes,
    ) -> FloatTensor<Self>;
}

/// The sizes of an operation that [`fits`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    batch: u32,
    classes: u32,
    size: [u32; 2],
    label_size: [u32; 2],
    scale: f32,
}

impl Sizes {
    /// Sizes and factor of a loss.
    pub(super) fn of(logits: &Tensor<4>, labels: &PixelLabels, weights: &Weights) -> Self {
        let [batch, classes, height, width] = logits.dims().map(|size| size as u32);
        let [_, label_height, label_width] = labels.ids.shape().map(|size| size as u32);
        Self {
            batch,
            classes,
            size: [height, width],
            label_size: [label_height, label_width],
            scale: weights.scale as f32,
        }
    }

    fn pixels(&self) -> u32 {
        self.batch * self.label_size[0] * self.label_size[1]
    }
}

/// Whether every index fits `u32`, every dispatch its limit and the loops of every lane theirs.
pub(super) fn fits(
    [batch, classes, height, width]: [usize; 4],
    [_, label_height, label_width]: [usize; 3],
) -> bool {
    let steps = (PARTS_MAX * PIXELS_PER_WORKGROUP) as usize;
    let side = gradient::CELLS_PER_SIDE as usize - 1;
    let quads = classes.div_ceil(gradient::CLASSES_PER_WORKGROUP as usize);
    let workgroups = [width.div_ceil(side), height.div_ceil(side), batch * quads];
    let cell = |labels: usize, size: usize| match size {
        1 => labels,
        _ => labels.saturating_sub(1).div_ceil(size - 1).max(1),
    };
    let cell_rows = cell(label_height, height);
    is_u32(&[batch, label_height, label_width])
        && is_u32(&[batch, label_height * label_width + steps])
        // Forward, a lane goes through the classes of some pixels; backward, through a cell.
        && (batch * label_height * label_width).div_ceil(steps) * (classes + 1) <= ITERATIONS_MAX
        && is_u32(&[cell_rows, cell(label_width, width) + 1])
        && cell_rows * (cell(label_width, width) + 1) <= ITERATIONS_MAX
        && is_u32(&[batch, classes, height, width])
        && is_u32(&[height, label_height])
        && is_u32(&[width, label_width])
        && workgroups.iter().all(|&count| count <= WORKGROUPS_MAX as usize)
}

impl UpsampledCrossEntropyOps for Cube {
    fn upsampled_cross_entropy(
        logits: CubeTensor,
        labels: CubeTensor,
        class_weights: CubeTensor,
        sizes: Sizes,
    ) -> CubeTensor {
        forward(logits, None, labels, class_weights, sizes).0
    }

    fn upsampled_cross_entropy_pair(
        logits: CubeTensor,
        tangent: CubeTensor,
        labels: CubeTensor,
        class_weights: CubeTensor,
        sizes: Sizes,
    ) -> CubeTensor {
        forward(logits, Some(tangent), labels, class_weights, sizes).0
    }
}

/// What the backward pass needs beside logits and tangent.
#[derive(Clone, Debug)]
pub(super) struct LossState {
    labels: CubeTensor,
    class_weights: CubeTensor,
    /// `[B, H, W]`.
    log_sums: CubeTensor,
    /// `[B, H, W]` with a tangent, else of no meaning.
    mean_tangents: CubeTensor,
    sizes: Sizes,
}

/// Loss and, with a tangent, derivative: `[1]` or `[2]`.
pub(super) fn forward(
    logits: CubeTensor,
    tangent: Option<CubeTensor>,
    labels: CubeTensor,
    class_weights: CubeTensor,
    sizes: Sizes,
) -> (CubeTensor, LossState) {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C, align(16))]
    struct Parameters {
        size: [u32; 2],
        label_size: [u32; 2],
        strides: [u32; 4],
        tangent_strides: [u32; 4],
        pixels: u32,
        classes: u32,
        parts: u32,
        has_tangent: u32,
    }

    let (logits, tangent) = (untile(logits), tangent.map(untile));
    let [labels, class_weights] = [labels, class_weights].map(into_contiguous);
    let pixels = sizes.pixels();
    let parts = pixels.div_ceil(PIXELS_PER_WORKGROUP).min(PARTS_MAX);
    let outputs = if tangent.is_some() { 2 } else { 1 };
    let sums = empty(&logits, [outputs, parts as usize], DType::F32);
    let log_sums = empty(&logits, [pixels as usize], DType::F32);
    let mean_tangents =
        empty(&logits, [if tangent.is_some() { pixels as usize } else { 1 }], DType::F32);
    let along = tangent.as_ref().unwrap_or(&logits);
    launch(
        &SHADER,
        &[&logits, along, &labels, &class_weights, &sums, &log_sums, &mean_tangents],
        &Parameters {
            size: sizes.size,
            label_size: sizes.label_size,
            strides: strides(&logits),
            tangent_strides: strides(along),
            pixels,
            classes: sizes.classes,
            parts,
            has_tangent: u32::from(tangent.is_some()),
        },
        [parts, 1, 1],
    );
    let state = LossState { labels, class_weights, log_sums, mean_tangents, sizes };
    (summed(&sums, sizes.scale), state)
}

/// The sum of each row, times `scale`.
fn summed(rows: &CubeTensor, scale: f32) -> CubeTensor {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        elements: u32,
        scale: f32,
    }

    let shape = rows.shape();
    let total = empty(rows, [shape[0]], DType::F32);
    let parameters = Parameters { elements: shape[1] as u32, scale };
    launch(&sum_rows::SHADER, &[rows, &total], &parameters, [shape[0] as u32, 1, 1]);
    total
}

/// Gradients of logits and, where there is one, tangent.
pub(super) fn backward(
    logits: CubeTensor,
    tangent: Option<CubeTensor>,
    state: &LossState,
    of_output: CubeTensor,
) -> (CubeTensor, Option<CubeTensor>) {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C, align(16))]
    struct Parameters {
        size: [u32; 2],
        label_size: [u32; 2],
        strides: [u32; 4],
        tangent_strides: [u32; 4],
        classes: u32,
        has_tangent: u32,
        scale: f32,
        padding: u32,
    }

    let Sizes { batch, classes, size: [height, width], label_size, scale } = state.sizes;
    let (logits, tangent) = (untile(logits), tangent.map(untile));
    let along = tangent.as_ref().unwrap_or(&logits);
    let dims = [batch, height, width, classes].map(|size| size as usize);
    let of_logits = empty(&logits, dims, DType::F32);
    let of_tangent = match tangent {
        Some(_) => empty(&logits, dims, DType::F32),
        None => empty(&logits, [1, 1, 1, 1], DType::F32),
    };
    let side = gradient::CELLS_PER_SIDE - 1;
    launch(
        &gradient::SHADER,
        &[
            &logits,
            along,
            &state.labels,
            &state.class_weights,
            &state.log_sums,
            &state.mean_tangents,
            &into_contiguous(of_output),
            &of_logits,
            &of_tangent,
        ],
        &Parameters {
            size: [height, width],
            label_size,
            strides: strides(&logits),
            tangent_strides: strides(along),
            classes,
            has_tangent: u32::from(tangent.is_some()),
            scale,
            padding: 0,
        },
        [
            width.div_ceil(side),
            height.div_ceil(side),
            batch * classes.div_ceil(gradient::CLASSES_PER_WORKGROUP),
        ],
    );
    let of_tangent = tangent.is_some().then(|| permute_nhwc_to_nchw(of_tangent));
    (permute_nhwc_to_nchw(of_logits), of_tangent)
}
