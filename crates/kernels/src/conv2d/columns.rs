//! The matrix products of a convolution and of its gradients, and the launches that make the
//! columns.
//!
//! All matrices are row-major over pixels in the order [B, H, W] with the channels innermost, which
//! is how Burn's own convolutions leave their results: a chain of convolutions copies nothing.

use std::ops::Range;

use burn::backend::{Cube, DType, Shape, TensorMetadata, ops::FloatTensorOps};
use burn_cubecl::{
    kernel::{
        into_contiguous,
        matmul::{MatmulStrategy, matmul},
        slice,
    },
    ops::{numeric::zeros_client, permute, permute_nchw_to_nhwc, permute_nhwc_to_nchw},
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{
    col2im,
    im2col::{self, Windows},
};

use super::sizes::{ELEMENT_BYTES, ImagePart, Sizes};
use crate::launch::{WORKGROUPS_MAX, empty, launch};

/// Elements that one matrix product should have at least, so that a GPU is full: below, the rows of
/// a weight gradient are summed in pieces side by side.
const PRODUCT_ELEMENTS: usize = 1 << 21;

/// Rows of one such piece, at least.
const PIECE_ROWS: usize = 1024;

/// The convolution itself.
pub(super) fn output(x: CubeTensor, weight: CubeTensor, sizes: &Sizes) -> CubeTensor {
    let [pixels, weight] = [x, weight].map(|tensor| channels_innermost(tensor, sizes));
    let weight = reshaped(weight, [sizes.out_channels, sizes.windows.columns()]);
    let [out_height, out_width] = sizes.windows.output;
    let output =
        empty(&pixels, [sizes.batch, out_height, out_width, sizes.out_channels], DType::F32);
    for rows in sizes.row_parts() {
        let part = columns_of(&pixels, sizes, rows.clone());
        let product = rows_of(&output, rows, sizes.out_channels);
        multiply(part, permute(weight.clone(), &[1, 0]), Some(product));
    }
    permute_nhwc_to_nchw(output)
}

/// Gradient of the input: the columns' gradient, each element added to its pixel.
pub(super) fn input_gradient(output: CubeTensor, weight: CubeTensor, sizes: &Sizes) -> CubeTensor {
    let output = into_contiguous(permute_nchw_to_nhwc(output));
    let weight = channels_innermost(weight, sizes); // [O, KH, KW, I]
    let Windows { image: [height, width], kernel, channels, .. } = sizes.windows;
    let gradient = empty(&output, [sizes.batch, height, width, channels], DType::F32);
    if sizes.is_pointwise() {
        let whole = [sizes.rows(), sizes.out_channels];
        let weight = reshaped(weight, [sizes.out_channels, channels]);
        let product = reshaped(gradient.clone(), [sizes.rows(), channels]);
        multiply(reshaped(output, whole), weight, Some(product));
        return permute_nhwc_to_nchw(gradient);
    }
    for part in sizes.image_parts() {
        let ImagePart { images, channels } = part.clone();
        let rows = images.start * sizes.image_rows()..images.end * sizes.image_rows();
        let columns = kernel[0] * kernel[1] * channels.len();
        let whole = [sizes.out_channels, kernel[0], kernel[1]].map(|size| 0..size);
        let [of_outputs, of_height, of_width] = whole;
        let ranges = [of_outputs, of_height, of_width, channels];
        let weight = reshaped(
            into_contiguous(slice(weight.clone(), &ranges)),
            [sizes.out_channels, columns],
        );
        let output = rows_of(&output, rows, sizes.out_channels);
        add_to_pixels(&multiply(output, weight, None), &gradient, sizes, part);
    }
    without_filling(gradient, sizes)
}

/// Gradient of the weight: the sum over all rows of output gradient times column.
pub(super) fn weight_gradient(x: CubeTensor, output: CubeTensor, sizes: &Sizes) -> CubeTensor {
    let pixels = channels_innermost(x, sizes);
    let output = into_contiguous(permute_nchw_to_nhwc(output));
    let columns = sizes.windows.columns();
    let mut total: Option<CubeTensor> = None;
    for rows in sizes.row_parts() {
        let part = columns_of(&pixels, sizes, rows.clone());
        let output = rows_of(&output, rows, sizes.out_channels);
        let sum = sum_of_products(output, part, [sizes.out_channels, columns]);
        total = Some(match total {
            Some(total) => Cube::float_add(total, sum),
            None => sum,
        });
    }
    let total = total.expect("a convolution that fits has rows");
    let Windows { kernel: [kernel_height, kernel_width], channels, .. } = sizes.windows;
    let dims = [sizes.out_channels, kernel_height, kernel_width, channels];
    without_filling(reshaped(total, dims), sizes)
}

/// `left` [M, `elements[0]`], transposed, times `right` [M, `elements[1]`].
fn sum_of_products(left: CubeTensor, right: CubeTensor, elements: [usize; 2]) -> CubeTensor {
    let rows = left.meta.shape()[0];
    let wanted = PRODUCT_ELEMENTS.div_ceil(elements[0] * elements[1]);
    // Of whole blocks of 64 rows, so that each piece is a binding of its own.
    let piece_rows = rows.div_ceil(wanted).max(PIECE_ROWS).next_multiple_of(64);
    let pieces = rows / piece_rows;
    let product = |rows: Range<usize>, pieces: usize| {
        let [left, right] =
            [(&left, elements[0]), (&right, elements[1])].map(|(tensor, columns)| {
                let part = rows_of(tensor, rows.clone(), columns);
                reshaped(part, [pieces, rows.len() / pieces, columns])
            });
        let products = multiply(permute(left, &[0, 2, 1]), right, None);
        let sum = if pieces == 1 { products } else { Cube::float_sum_dim(products, 0) };
        reshaped(sum, elements)
    };
    let whole = pieces * piece_rows;
    match (pieces, rows - whole) {
        (0, _) => product(0..rows, 1),
        (_, 0) => product(0..rows, pieces),
        _ => Cube::float_add(product(0..whole, pieces), product(whole..rows, 1)),
    }
}

/// The columns of some rows: [rows, KH * KW * I].
fn columns_of(pixels: &CubeTensor, sizes: &Sizes, rows: Range<usize>) -> CubeTensor {
    let windows = &sizes.windows;
    if sizes.is_pointwise() {
        return rows_of(pixels, rows, windows.channels);
    }

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        image: [u32; 2],
        quads: u32,
        output: [u32; 2],
        kernel_width: u32,
        row_quads: u32,
        stride: [u32; 2],
        padding: [u32; 2],
        dilation: [u32; 2],
        first_row: u32,
        rows: u32,
    }

    let columns = empty(pixels, [rows.len(), windows.columns()], DType::F32);
    let parameters = Parameters {
        image: words(windows.image),
        quads: windows.channels as u32 / 4,
        output: words(windows.output),
        kernel_width: windows.kernel[1] as u32,
        row_quads: windows.columns() as u32 / 4,
        stride: words(windows.stride),
        padding: words(windows.padding),
        dilation: words(windows.dilation),
        first_row: rows.start as u32,
        rows: rows.len() as u32,
    };
    let blocks = parameters.row_quads.div_ceil(im2col::QUADS_PER_WORKGROUP);
    let [y, z] = two_axes(parameters.rows.div_ceil(im2col::ROWS_PER_WORKGROUP));
    launch(&im2col::SHADER, &[pixels, &columns], &parameters, [blocks, y, z]);
    columns
}

/// Writes the pixels of one part: the sums over the columns that were copied from each.
fn add_to_pixels(
    columns: &CubeTensor,
    gradient: &CubeTensor,
    sizes: &Sizes,
    ImagePart { images, channels }: ImagePart,
) {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        image: [u32; 2],
        quads: u32,
        output: [u32; 2],
        kernel: [u32; 2],
        stride: [u32; 2],
        padding: [u32; 2],
        dilation: [u32; 2],
        first_quad: u32,
        part_quads: u32,
        first_pixel: u32,
        pixels: u32,
    }

    let windows = &sizes.windows;
    let image_pixels = windows.image[0] * windows.image[1];
    let parameters = Parameters {
        image: words(windows.image),
        quads: windows.channels as u32 / 4,
        output: words(windows.output),
        kernel: words(windows.kernel),
        stride: words(windows.stride),
        padding: words(windows.padding),
        dilation: words(windows.dilation),
        first_quad: channels.start as u32 / 4,
        part_quads: channels.len() as u32 / 4,
        first_pixel: (images.start * image_pixels) as u32,
        pixels: (images.len() * image_pixels) as u32,
    };
    let [x, y] = two_axes(parameters.pixels.div_ceil(col2im::PIXELS_PER_WORKGROUP));
    launch(&col2im::SHADER, &[columns, gradient], &parameters, [x, y, 1]);
}

/// The product, written to `product` where there is one.
fn multiply(left: CubeTensor, right: CubeTensor, product: Option<CubeTensor>) -> CubeTensor {
    matmul(left, right, product, MatmulStrategy::default(), DType::F32)
        .expect("a product of two f32 matrices of matching sizes has a kernel")
}

/// From [N, I, H, W] to [N, H, W, I], contiguous, with the channels of the windows.
fn channels_innermost(tensor: CubeTensor, sizes: &Sizes) -> CubeTensor {
    let tensor = permute_nchw_to_nhwc(tensor);
    let missing = sizes.windows.channels - sizes.channels;
    if missing == 0 {
        return into_contiguous(tensor);
    }
    let mut shape = tensor.shape();
    shape[3] = missing;
    let zeros = zeros_client(tensor.client.clone(), tensor.device.clone(), shape, DType::F32);
    Cube::float_cat(vec![tensor, zeros], 3)
}

/// The way back.
fn without_filling(tensor: CubeTensor, sizes: &Sizes) -> CubeTensor {
    let mut ranges = [0, 1, 2].map(|axis| 0..tensor.meta.shape()[axis]).to_vec();
    ranges.push(0..sizes.channels);
    let is_filled = sizes.windows.channels > sizes.channels;
    permute_nhwc_to_nchw(if is_filled { slice(tensor, &ranges) } else { tensor })
}

/// Some rows of a contiguous matrix, without a copy where a binding can begin there.
fn rows_of(tensor: &CubeTensor, rows: Range<usize>, columns: usize) -> CubeTensor {
    let start = (rows.start * columns * ELEMENT_BYTES) as u64;
    let end = (rows.end * columns * ELEMENT_BYTES) as u64;
    let whole = (tensor.meta.num_elements() * ELEMENT_BYTES) as u64;
    if !start.is_multiple_of(tensor.client.properties().memory.alignment) {
        let all = reshaped(tensor.clone(), [tensor.meta.num_elements() / columns, columns]);
        return into_contiguous(slice(all, &[rows, 0..columns]));
    }
    let handle = tensor.handle.clone().offset_start(start).offset_end(whole - end);
    reshaped(CubeTensor { handle, ..tensor.clone() }, [rows.len(), columns])
}

/// A contiguous tensor's elements under other axes.
pub(super) fn reshaped<const D: usize>(tensor: CubeTensor, dims: [usize; D]) -> CubeTensor {
    let CubeTensor { client, device, handle, dtype, .. } = tensor;
    CubeTensor::new_contiguous(client, device, Shape::new(dims), handle, dtype)
}

/// Each fits: see `has_small_coordinates`.
pub(super) fn words(sizes: [usize; 2]) -> [u32; 2] {
    sizes.map(|size| size as u32)
}

/// Workgroups along two axes, at least as many as `count` together.
fn two_axes(count: u32) -> [u32; 2] {
    let deep = count.div_ceil(WORKGROUPS_MAX);
    [count.div_ceil(deep), deep]
}
