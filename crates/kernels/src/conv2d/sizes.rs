//! The sizes of one convolution, and the parts that its columns are made in.

use std::ops::Range;

use burn::tensor::ops::ConvOptions;
use shaders::{col2im, im2col::Windows};

/// Rows that every part starts at a multiple of: whatever their length, they then start at a
/// multiple of 256 bytes, where every adapter lets a binding begin.
const ROW_ALIGNMENT: usize = 64;

/// Channels that the shaders take at a time.
const CHANNEL_ALIGNMENT: usize = 4;

/// Bytes of an f32.
pub(super) const ELEMENT_BYTES: usize = 4;

/// The sizes of one convolution of one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) out_channels: usize,
    /// Of the input with its channels filled up, by zeros, to what the shaders take at a time;
    /// not so where the pixels are the columns as they are.
    pub(super) windows: Windows,
    /// Bytes of columns at one time, at most, as far as the smallest part takes no more.
    part_bytes: usize,
}

/// What a convolution may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of columns at one time.
    pub(super) column_bytes: usize,
    /// Bytes that the device binds at once.
    pub(super) binding_bytes: usize,
}

/// Images and channels of the input whose gradient is made from columns at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImagePart {
    pub(super) images: Range<usize>,
    pub(super) channels: Range<usize>,
}

impl Sizes {
    /// The sizes of a convolution that the shaders can take: of one group, not empty, and with
    /// tensors that fit a binding and indices that fit `u32`.
    pub(super) fn new(
        [batch, channels, height, width]: [usize; 4],
        [out_channels, weight_channels, kernel_height, kernel_width]: [usize; 4],
        options: &ConvOptions<2>,
        Limits { column_bytes, binding_bytes }: Limits,
    ) -> Option<Self> {
        if options.groups != 1 || weight_channels != channels {
            return None;
        }
        let mut windows =
            windows_of([channels, height, width], [kernel_height, kernel_width], options)?;
        if !is_pointwise(&windows) {
            windows.channels = channels.next_multiple_of(CHANNEL_ALIGNMENT);
        }
        let part_bytes = column_bytes.min(binding_bytes);
        let sizes = Self { batch, channels, out_channels, windows, part_bytes };
        sizes.fits(binding_bytes).then_some(sizes)
    }

    fn fits(&self, binding_bytes: usize) -> bool {
        let Windows { image, channels, output, kernel, .. } = self.windows;
        let columns = self.windows.columns();
        let taps = kernel[0] * kernel[1];
        taps <= col2im::TAPS_MAX as usize
            && has_small_coordinates(&self.windows)
            && [
                &[self.batch, image[0], image[1], channels][..],
                &[self.batch, output[0], output[1], self.out_channels],
                &[self.out_channels, columns],
                // The smallest parts, by rows and by images.
                &[ROW_ALIGNMENT.min(self.rows()), columns],
                &[output[0], output[1], taps, CHANNEL_ALIGNMENT.min(channels)],
            ]
            .iter()
            .all(|tensor| is_binding(tensor, binding_bytes))
    }

    /// Whether the pixels are the columns as they are.
    pub(super) fn is_pointwise(&self) -> bool {
        is_pointwise(&self.windows)
    }

    /// Windows of all images.
    pub(super) fn rows(&self) -> usize {
        self.batch * self.image_rows()
    }

    /// Windows of one image.
    pub(super) fn image_rows(&self) -> usize {
        self.windows.output[0] * self.windows.output[1]
    }

    /// Rows whose columns take no more bytes than granted, or than one part must have.
    pub(super) fn row_parts(&self) -> impl Iterator<Item = Range<usize>> {
        let fitting = self.part_bytes / (self.windows.columns() * ELEMENT_BYTES);
        let part_rows = (fitting / ROW_ALIGNMENT).max(1) * ROW_ALIGNMENT;
        in_steps(self.rows(), part_rows)
    }

    /// Images and channels whose columns take no more bytes than granted, or than four channels of
    /// one image.
    pub(super) fn image_parts(&self) -> impl Iterator<Item = ImagePart> {
        let Windows { kernel, channels, .. } = self.windows;
        let channel_bytes = self.image_rows() * kernel[0] * kernel[1] * ELEMENT_BYTES;
        let fitting = self.part_bytes / channel_bytes / CHANNEL_ALIGNMENT * CHANNEL_ALIGNMENT;
        let part_channels = fitting.clamp(CHANNEL_ALIGNMENT, channels);
        let part_images = (self.part_bytes / (channel_bytes * channels)).max(1);
        in_steps(self.batch, part_images).flat_map(move |images| {
            in_steps(channels, part_channels)
                .map(move |channels| ImagePart { images: images.clone(), channels })
        })
    }
}

/// The windows of a convolution; `None` where the padded image is smaller than the kernel.
pub(super) fn windows_of(
    [channels, height, width]: [usize; 3],
    kernel: [usize; 2],
    options: &ConvOptions<2>,
) -> Option<Windows> {
    let image = [height, width];
    let mut output = [0; 2];
    for axis in 0..2 {
        let (before, after) = options.padding[axis];
        let reach = options.dilation[axis] * kernel[axis].checked_sub(1)?;
        let steps = (before + image[axis] + after).checked_sub(reach + 1)?;
        output[axis] = steps.checked_div(options.stride[axis])? + 1;
    }
    Some(Windows {
        image,
        channels,
        output,
        kernel,
        stride: options.stride,
        padding: options.padding.map(|(before, _)| before),
        dilation: options.dilation,
    })
}

/// Whether the product is a number of things that an `i32` can count, and of one at least.
fn is_index(factors: &[usize]) -> bool {
    let product = factors.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product.is_some_and(|product| (1..1 << 31).contains(&product))
}

/// Whether a tensor of f32 of these dimensions is one that indices and a binding of `bytes` can hold.
pub(super) fn is_binding(dims: &[usize], bytes: usize) -> bool {
    is_index(dims) && dims.iter().product::<usize>() <= bytes / ELEMENT_BYTES
}

/// Whether the coordinates under every tap fit `i32`.
pub(super) fn has_small_coordinates(windows: &Windows) -> bool {
    let Windows { image, output, kernel, stride, padding, dilation, .. } = *windows;
    (0..2).all(|axis| {
        is_index(&[2, output[axis], stride[axis]])
            && is_index(&[2, kernel[axis], dilation[axis]])
            && is_index(&[2, image[axis] + padding[axis]])
    })
}

fn is_pointwise(windows: &Windows) -> bool {
    let Windows { image, output, kernel, stride, padding, .. } = *windows;
    kernel == [1; 2] && stride == [1; 2] && padding == [0; 2] && output == image
}

/// The ranges of `step` numbers below `count`, of which the last can be shorter.
fn in_steps(count: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(step).map(move |start| start..count.min(start + step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNLIMITED: Limits = Limits { column_bytes: 1, binding_bytes: usize::MAX };

    fn sizes(x: [usize; 4], weight: [usize; 4], padding: usize) -> Option<Sizes> {
        Sizes::new(x, weight, &ConvOptions::new([1; 2], [padding; 2], [1; 2], 1), UNLIMITED)
    }

    #[test]
    fn the_parts_of_the_rows_follow_each_other_within_the_bytes() {
        let bytes = 512 << 20;
        let sizes = sizes([8, 304, 192, 192], [256, 304, 3, 3], 1).unwrap();
        let mut next = 0;
        for rows in (Sizes { part_bytes: bytes, ..sizes }).row_parts() {
            assert_eq!((rows.start, rows.start % ROW_ALIGNMENT), (next, 0));
            assert!(rows.len() * 9 * 304 * 4 <= bytes);
            next = rows.end;
        }
        assert_eq!(next, 8 * 192 * 192);
    }

    #[test]
    fn the_parts_of_the_input_are_images_or_else_channels_of_one_image() {
        let sizes = sizes([3, 10, 4, 5], [7, 10, 3, 3], 1).unwrap();
        let channel_bytes = 4 * 5 * 9 * 4;
        let parts = |bytes: usize| -> Vec<_> {
            let sizes = Sizes { part_bytes: bytes, ..sizes };
            sizes.image_parts().map(|part| (part.images, part.channels)).collect()
        };
        // Channels are filled up to twelve.
        assert_eq!(parts(24 * channel_bytes), [(0..2, 0..12), (2..3, 0..12)]);
        assert_eq!(parts(23 * channel_bytes), [(0..1, 0..12), (1..2, 0..12), (2..3, 0..12)]);
        let of_first = [(0..1, 0..8), (0..1, 8..12)];
        assert_eq!(parts(11 * channel_bytes)[..2], of_first);
        let of_first = [(0..1, 0..4), (0..1, 4..8), (0..1, 8..12)];
        assert_eq!(parts(1)[..3], of_first);
    }

    #[test]
    fn what_no_shader_takes_is_left_to_burn() {
        assert!(sizes([1, 2, 9, 9], [3, 2, 8, 8], 0).is_some());
        assert!(sizes([1, 2, 9, 9], [3, 2, 9, 8], 0).is_none()); // more than 64 taps
        assert!(sizes([1, 2, 9, 9], [4, 1, 3, 3], 0).is_none()); // two groups
        assert!(sizes([1, 2, 2, 9], [4, 2, 3, 3], 0).is_none()); // smaller than the kernel
        assert!(sizes([0, 2, 9, 9], [4, 2, 3, 3], 0).is_none());
        assert!(sizes([1 << 12, 4, 512, 512], [4, 4, 3, 3], 0).is_none()); // 2^32 elements
    }

    #[test]
    fn what_is_more_than_a_binding_is_left_to_burn() {
        let fits = |x: [usize; 4], outputs: usize, kernel: usize, binding_bytes: usize| {
            let options = ConvOptions::new([1; 2], [kernel / 2; 2], [1; 2], 1);
            let limits = Limits { column_bytes: usize::MAX, binding_bytes };
            Sizes::new(x, [outputs, x[1], kernel, kernel], &options, limits)
        };
        for (x, outputs, kernel, elements) in [
            ([100, 3, 16, 16], 2, 3, 100 * 4 * 16 * 16), // the input with a fourth channel
            ([100, 3, 16, 16], 2, 1, 100 * 3 * 16 * 16), // which pixels do without
            ([10, 8, 16, 16], 20, 3, 10 * 20 * 16 * 16), // the output
            ([1, 8, 2, 2], 30, 3, 30 * 9 * 8),           // the weight
            ([1, 40, 16, 16], 1, 3, 64 * 9 * 40),        // the columns of 64 rows
            ([1, 4, 2, 2], 2, 5, 4 * 25 * 4),            // of all rows, where there are fewer
            ([1, 4, 32, 32], 2, 7, 32 * 32 * 49 * 4),    // of four channels of one image
        ] {
            let sizes = fits(x, outputs, kernel, 4 * elements).expect("what just fits");
            assert!(fits(x, outputs, kernel, 4 * elements - 1).is_none(), "{x:?}");
            // Whatever is granted beside, no part is larger than the binding.
            for rows in sizes.row_parts() {
                assert!(rows.len() * sizes.windows.columns() <= elements, "{x:?}: {rows:?}");
            }
            let image_parts = (!sizes.is_pointwise()).then(|| sizes.image_parts());
            for ImagePart { images, channels } in image_parts.into_iter().flatten() {
                let rows = images.len() * sizes.image_rows();
                let columns = kernel * kernel * channels.len();
                assert!(rows * columns <= elements, "{x:?}: {images:?}, {channels:?}");
            }
        }
    }

    #[test]
    fn only_kernel_one_at_stride_one_without_padding_needs_no_columns() {
        assert!(sizes([1, 3, 9, 9], [4, 3, 1, 1], 0).unwrap().is_pointwise());
        assert!(!sizes([1, 3, 9, 9], [4, 3, 1, 1], 1).unwrap().is_pointwise());
        assert!(!sizes([1, 3, 9, 9], [4, 3, 3, 3], 1).unwrap().is_pointwise());
        let strided = ConvOptions::new([2; 2], [0; 2], [1; 2], 1);
        assert!(
            !Sizes::new([1, 3, 1, 1], [4, 3, 1, 1], &strided, UNLIMITED).unwrap().is_pointwise()
        );
    }
}
