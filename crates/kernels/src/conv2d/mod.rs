//! Two-dimensional convolution as a matrix product over the pixels under its windows.

mod autodiff;
mod columns;
mod groups;
mod plan;
mod sizes;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor, module, ops::ConvOptions},
};

use crate::launch::binding_bytes;
use plan::{Conv2dOps, Plan};
use sizes::Limits;

/// Bytes that [`conv2d`] spends on columns at one time, at most: rows enough to fill a GPU, and
/// little beside the activations of a batch.
pub const COLUMN_BYTES: usize = 512 << 20;

/// Convolves, differentiably in all three tensors.
///
/// On a wgpu device with f32 tensors and one group, the pixels under the windows are copied to the
/// rows of a matrix, which a matrix product takes (im2col); a convolution of kernel 1 and stride 1
/// multiplies the pixels where they are. The matrix is made in parts and never kept: the backward
/// pass makes it once more. Everywhere else this is Burn's own convolution, which on a wgpu device
/// computes every output on its own.
///
/// Parts are of the columns alone: input, output and their gradients are bound whole, with their
/// channels filled up to a multiple of four. What is then more than the device binds at once (below
/// 2 GiB on any) is left to Burn, and so is a convolution whose smallest part is.
///
/// Shapes: `x` `[B, I, H, W]`, `weight` `[O, I / groups, KH, KW]`, `bias` `[O]`; result
/// `[B, O, OH, OW]`.
///
/// # Panics
///
/// If the shapes disagree, or if the padded image is smaller than the kernel.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
) -> Tensor<4> {
    conv2d_within(x, weight, bias, options, COLUMN_BYTES)
}

/// [`conv2d`] with at most `column_bytes` of columns at one time, as far as one part of 64 rows, or
/// of one image and four channels, takes no more.
///
/// # Panics
///
/// As [`conv2d`].
pub fn conv2d_within(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
    column_bytes: usize,
) -> Tensor<4> {
    let is_f32 = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    let plan = binding_bytes(&x.device()).filter(|_| is_f32).and_then(|binding_bytes| {
        let limits = Limits { column_bytes, binding_bytes };
        Plan::new(x.dims(), weight.dims(), &options, limits)
    });
    let Some(plan) = plan else {
        return module::conv2d(x, weight, bias, options);
    };
    let out_channels = weight.dims()[0];
    let output =
        <Dispatch as Conv2dOps>::conv2d_as_planned(x.into_dispatch(), weight.into_dispatch(), plan);
    let output = Tensor::from_dispatch(output);
    match bias {
        Some(bias) => output + bias.reshape([1, out_channels, 1, 1]),
        None => output,
    }
}
