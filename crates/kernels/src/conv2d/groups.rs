//! The weight gradient of a convolution of several groups.
//!
//! Burn convolves groups, and finds their input gradient, in one launch. Their weight gradient it
//! makes with some launches per group, or of depthwise ones with a kernel as large as the image.

use burn::{
    backend::{Cube, DType, ops::FloatTensorOps},
    tensor::ops::ConvOptions,
};
use burn_cubecl::{
    kernel::into_contiguous,
    ops::{permute, permute_nchw_to_nhwc},
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{
    grouped_weight_gradient::{CHANNELS_PER_WORKGROUP, SHADER},
    im2col::Windows,
};

use super::{
    columns::{reshaped, words},
    sizes::{has_small_coordinates, is_binding, windows_of},
};
use crate::launch::{ITERATIONS_MAX, WORKGROUPS_MAX, empty, launch};

/// Lanes that sum at one time, at least, where there are rows enough: they fill a GPU.
const LANES: usize = 1 << 18;

/// Rows that one lane sums, at least.
const BLOCK_ROWS_MIN: usize = 64;

/// A convolution of several groups.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    pub(super) options: ConvOptions<2>,
    windows: Windows,
    batch: usize,
    out_channels: usize,
    block_rows: usize,
}

impl Groups {
    /// A convolution that the shader can take: of several groups, not empty, and with tensors that
    /// fit a binding and indices that fit `u32`.
    pub(super) fn new(
        [batch, channels, height, width]: [usize; 4],
        [out_channels, group_inputs, kernel_height, kernel_width]: [usize; 4],
        options: &ConvOptions<2>,
        binding_bytes: usize,
    ) -> Option<Self> {
        let windows =
            windows_of([channels, height, width], [kernel_height, kernel_width], options)?;
        let groups = options.groups;
        if groups < 2 || group_inputs * groups != channels || !out_channels.is_multiple_of(groups) {
            return None;
        }
        let weights = kernel_height * kernel_width * group_inputs * out_channels;
        let rows = batch * windows.output[0] * windows.output[1];
        let wanted = LANES.div_ceil(weights.max(1)).min(WORKGROUPS_MAX as usize);
        let block_rows = rows.div_ceil(wanted).clamp(BLOCK_ROWS_MIN, ITERATIONS_MAX);
        let fits = has_small_coordinates(&windows)
            && is_binding(&[batch, channels, height, width], binding_bytes)
            && is_binding(&[rows, out_channels], binding_bytes)
            && is_binding(&[rows.div_ceil(block_rows), weights], binding_bytes)
            && kernel_height * kernel_width * group_inputs <= WORKGROUPS_MAX as usize;
        let options = options.clone();
        fits.then_some(Self { options, windows, batch, out_channels, block_rows })
    }
}

/// Gradient of the weight: blocks of rows side by side, then the sum of the blocks.
pub(super) fn weight_gradient(x: CubeTensor, output: CubeTensor, groups: &Groups) -> CubeTensor {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        image: [u32; 2],
        channels: u32,
        output: [u32; 2],
        out_channels: u32,
        kernel_width: u32,
        group_inputs: u32,
        group_outputs: u32,
        stride: [u32; 2],
        padding: [u32; 2],
        dilation: [u32; 2],
        rows: u32,
        block_rows: u32,
    }

    let Groups { options, windows, batch, out_channels, block_rows } = groups;
    let [pixels, of_output] =
        [x, output].map(|tensor| into_contiguous(permute_nchw_to_nhwc(tensor)));
    let [height, width] = windows.kernel;
    let group_inputs = windows.channels / options.groups;
    let rows = batch * windows.output[0] * windows.output[1];
    let parameters = Parameters {
        image: words(windows.image),
        channels: windows.channels as u32,
        output: words(windows.output),
        out_channels: *out_channels as u32,
        kernel_width: width as u32,
        group_inputs: group_inputs as u32,
        group_outputs: (out_channels / options.groups) as u32,
        stride: words(windows.stride),
        padding: words(windows.padding),
        dilation: words(windows.dilation),
        rows: rows as u32,
        block_rows: *block_rows as u32,
    };
    let places = height * width * group_inputs;
    let blocks = empty(&pixels, [rows.div_ceil(*block_rows), places * out_channels], DType::F32);
    let workgroups = [
        parameters.out_channels.div_ceil(CHANNELS_PER_WORKGROUP),
        places as u32,
        parameters.rows.div_ceil(parameters.block_rows),
    ];
    launch(&SHADER, &[&pixels, &of_output, &blocks], &parameters, workgroups);
    let sum =
        reshaped(Cube::float_sum_dim(blocks, 0), [height, width, group_inputs, *out_channels]);
    permute(sum, &[3, 2, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_many_as_fill_a_gpu_but_not_shorter_than_a_block_must_be() {
        let blocks = |batch: usize, channels: usize, side: usize| {
            let options = ConvOptions::new([1; 2], [1; 2], [1; 2], channels);
            let weight = [channels, 1, 3, 3];
            let groups = Groups::new([batch, channels, side, side], weight, &options, usize::MAX);
            groups.map(|groups| (batch * side * side).div_ceil(groups.block_rows))
        };
        assert_eq!(blocks(1, 128, 8), Some(1));
        assert_eq!(blocks(1, 128, 80), Some(100)); // of 64 rows
        assert_eq!(blocks(8, 128, 192), Some(228)); // 228 * 9 * 128 lanes
        assert_eq!(blocks(1 << 10, 128, 192), None); // 2^32 elements and more
    }

    #[test]
    fn no_lane_sums_more_rows_than_the_software_driver_loops_for() {
        // More weights than lanes are wanted: one block would do.
        let options = ConvOptions::new([1; 2], [1; 2], [1; 2], 32);
        let groups = |side: usize| {
            Groups::new([4, 2048, side, side], [2048, 64, 3, 3], &options, usize::MAX).unwrap()
        };
        assert_eq!(groups(64).block_rows, 4 * 64 * 64);
        assert_eq!(groups(128).block_rows, ITERATIONS_MAX);
    }

    #[test]
    fn one_group_and_empty_batches_are_not_taken() {
        let takes = |batch: usize, groups: usize| {
            let options = ConvOptions::new([1; 2], [1; 2], [1; 2], groups);
            let weight = [8, 8 / groups, 3, 3];
            Groups::new([batch, 8, 5, 5], weight, &options, usize::MAX).is_some()
        };
        assert!(takes(1, 4));
        assert!(!takes(1, 1));
        assert!(!takes(0, 4));
    }

    #[test]
    fn what_is_more_than_a_binding_is_left_to_burn() {
        let takes = |batch: usize, side: usize, bytes: usize| {
            let options = ConvOptions::new([1; 2], [0; 2], [1; 2], 2);
            Groups::new([batch, 8, side, side], [8, 4, 3, 3], &options, bytes).is_some()
        };
        // The input has the most elements.
        assert!(takes(4, 8, 4 * (4 * 8 * 64)));
        assert!(!takes(4, 8, 4 * (4 * 8 * 64) - 1));
        // The sums of a block: a weight each.
        assert!(takes(1, 3, 4 * (9 * 4 * 8)));
        assert!(!takes(1, 3, 4 * (9 * 4 * 8) - 1));
    }
}
