//! The sizes of one convolution, and the parts that its columns are made in.

use std::ops::Range;

use burn::tensor::ops::ConvOptions;
use shaders::{col2im, im2col::Windows};

/// Rows that every part starts at a multiple of: whatever their length, they then start at a
/// multiple of 256 bytes, where every adapter lets a binding begin.
const ROW_ALIGNMENT: usize = 64;

/// Bytes of an f32.
pub(super) const ELEMENT_BYTES: usize = 4;

/// The sizes of one convolution of one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(super) batch: usize,
    pub(super) out_channels: usize,
    pub(super) windows: Windows,
    /// Bytes of columns at one time, at most.
    pub(super) column_bytes: usize,
}

/// Images and channels of the input whose gradient is made from columns at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImagePart {
    pub(super) images: Range<usize>,
    pub(super) channels: Range<usize>,
}

impl Sizes {
    /// The sizes of a convolution that the shaders can take: of one group, not empty, and with
    /// indices that fit `u32`.
    pub(super) fn new(
        [batch, channels, height, width]: [usize; 4],
        [out_channels, weight_channels, kernel_height, kernel_width]: [usize; 4],
        options: &ConvOptions<2>,
        column_bytes: usize,
    ) -> Option<Self> {
        if options.groups != 1 || weight_channels != channels {
            return None;
        }
        let (image, kernel) = ([height, width], [kernel_height, kernel_width]);
        let mut output = [0; 2];
        for axis in 0..2 {
            let (before, after) = options.padding[axis];
            let reach = options.dilation[axis] * kernel[axis].checked_sub(1)?;
            let steps = (before + image[axis] + after).checked_sub(reach + 1)?;
            output[axis] = steps.checked_div(options.stride[axis])? + 1;
        }
        let windows = Windows {
            image,
            channels,
            output,
            kernel,
            stride: options.stride,
            padding: options.padding.map(|(before, _)| before),
            dilation: options.dilation,
        };
        let sizes = Self { batch, out_channels, windows, column_bytes };
        sizes.fits().then_some(sizes)
    }

    fn fits(&self) -> bool {
        let Windows { image, channels, output, kernel, stride, padding, dilation } = self.windows;
        let columns = self.windows.columns();
        let taps = kernel[0] * kernel[1];
        // Below 2^31, because coordinates are `i32` on the way.
        let is_index = |factors: &[usize]| {
            let product =
                factors.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
            product.is_some_and(|product| (1..1 << 31).contains(&product))
        };
        taps <= col2im::TAPS_MAX as usize
            && is_index(&[self.batch, image[0], image[1], channels])
            && is_index(&[self.batch, output[0], output[1], self.out_channels])
            && is_index(&[self.out_channels, columns])
            && is_index(&[ROW_ALIGNMENT, columns])
            && is_index(&[output[0], output[1], taps])
            && (0..2).all(|axis| {
                is_index(&[output[axis], stride[axis]])
                    && is_index(&[kernel[axis], dilation[axis]])
                    && is_index(&[image[axis] + padding[axis]])
            })
    }

    /// Whether the pixels are the columns as they are.
    pub(super) fn is_pointwise(&self) -> bool {
        let Windows { image, output, kernel, stride, padding, .. } = self.windows;
        kernel == [1; 2] && stride == [1; 2] && padding == [0; 2] && output == image
    }

    /// Windows of all images.
    pub(super) fn rows(&self) -> usize {
        self.batch * self.image_rows()
    }

    /// Windows of one image.
    pub(super) fn image_rows(&self) -> usize {
        self.windows.output[0] * self.windows.output[1]
    }

    /// Rows whose columns take no more than `bytes`, or than one part must have.
    pub(super) fn row_parts(&self, bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let fitting = bytes / (self.windows.columns() * ELEMENT_BYTES);
        let part_rows = (fitting / ROW_ALIGNMENT).max(1) * ROW_ALIGNMENT;
        in_steps(self.rows(), part_rows)
    }

    /// Images and channels whose columns take no more than `bytes`, or than one channel of one
    /// image.
    pub(super) fn image_parts(&self, bytes: usize) -> impl Iterator<Item = ImagePart> {
        let Windows { kernel, channels, .. } = self.windows;
        let channel_bytes = self.image_rows() * kernel[0] * kernel[1] * ELEMENT_BYTES;
        let part_channels = (bytes / channel_bytes).clamp(1, channels);
        let part_images = (bytes / (channel_bytes * channels)).max(1);
        in_steps(self.batch, part_images).flat_map(move |images| {
            in_steps(channels, part_channels)
                .map(move |channels| ImagePart { images: images.clone(), channels })
        })
    }
}

/// The ranges of `step` numbers below `count`, of which the last can be shorter.
fn in_steps(count: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(step).map(move |start| start..count.min(start + step))
}
