//! Declaration and reference of `im2col.wgsl`, and the windows of a convolution.

use crate::{Shader, read, write};

/// Rows of the column matrix that one workgroup takes.
pub const ROWS_PER_WORKGROUP: u32 = 32;

/// Columns that one workgroup takes, in fours.
pub const QUADS_PER_WORKGROUP: u32 = 256;

/// `im2col.wgsl`.
pub const SHADER: Shader = Shader {
    name: "im2col",
    source: include_str!("im2col.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[read("input"), write("columns"), read("parameters")],
    constants: &[("ROWS", ROWS_PER_WORKGROUP), ("QUADS", QUADS_PER_WORKGROUP)],
};

/// The windows that a convolution reads, each pair along (y, x).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Channels of the image.
    pub channels: usize,
    /// Windows along each axis: height and width of the output.
    pub output: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps between neighbouring windows, in pixels.
    pub stride: [usize; 2],
    /// Zeros before the image's first pixel.
    pub padding: [usize; 2],
    /// Steps between neighbouring taps of the kernel, in pixels.
    pub dilation: [usize; 2],
}

impl Windows {
    /// Elements of one window: taps times channels.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels
    }

    /// The pixel under one tap of one window, along one axis, unless it lies outside the image.
    #[must_use]
    pub fn pixel(&self, axis: usize, window: usize, tap: usize) -> Option<usize> {
        let distance = window * self.stride[axis] + tap * self.dilation[axis];
        distance.checked_sub(self.padding[axis]).filter(|&pixel| pixel < self.image[axis])
    }
}

/// The pixels under every window.
///
/// Shapes: `input` [B, H, W, C]; result [B, OH, OW, KH, KW, C].
pub fn reference(windows: &Windows, input: &[f64]) -> Vec<f64> {
    let [height, width] = windows.image;
    let channels = windows.channels;
    let mut columns = vec![];
    for image in input.chunks_exact(height * width * channels) {
        for out_y in 0..windows.output[0] {
            for out_x in 0..windows.output[1] {
                for tap_y in 0..windows.kernel[0] {
                    for tap_x in 0..windows.kernel[1] {
                        let pixel =
                            windows.pixel(0, out_y, tap_y).zip(windows.pixel(1, out_x, tap_x));
                        match pixel {
                            Some((y, x)) => {
                                let first = (y * width + x) * channels;
                                columns.extend_from_slice(&image[first..first + channels]);
                            }
                            None => columns.extend(vec![0.0; channels]),
                        }
                    }
                }
            }
        }
    }
    columns
}
