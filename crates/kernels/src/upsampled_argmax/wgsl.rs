//! The upsampled argmax and the confusion counts as shader launches.

use burn::backend::{
    Autodiff, Backend, Cube, DType,
    autodiff::checkpoint::strategy::CheckpointStrategy,
    backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn_cubecl::{
    kernel::{into_contiguous, untile},
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{confusion_counts, upsampled_argmax};

use crate::launch::{ITERATIONS_MAX, empty, is_u32, launch, strides};

/// Workgroups that share the pixels, at most: enough to fill a GPU several times.
const PARTS_MAX: u32 = 16_384;

/// Predictions on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait UpsampledArgmaxOps: Backend {
    /// The words of a [`crate::PixelIds`]; see [`crate::upsampled_argmax`].
    fn upsampled_argmax(logits: FloatTensor<Self>, sizes: Sizes) -> IntTensor<Self>;

    /// See [`crate::add_confusion`].
    fn add_confusion(
        counts: IntTensor<Self>,
        truth: IntTensor<Self>,
        prediction: IntTensor<Self>,
        pixels: u32,
    ) -> IntTensor<Self>;
}

/// The sizes of an operation that [`fits`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    size: [u32; 2],
    output_size: [u32; 2],
    pixels: u32,
    classes: u32,
}

impl Sizes {
    pub(super) fn of(
        [batch, classes, height, width]: [usize; 4],
        [output_height, output_width]: [usize; 2],
    ) -> Self {
        Self {
            size: [height, width].map(|size| size as u32),
            output_size: [output_height, output_width].map(|size| size as u32),
            pixels: (batch * output_height * output_width) as u32,
            classes: classes as u32,
        }
    }
}

/// Whether every index of an argmax fits `u32`, and the loops of every lane their limit.
pub(super) fn fits(
    [batch, classes, height, width]: [usize; 4],
    [output_height, output_width]: [usize; 2],
) -> bool {
    let pixels = batch.checked_mul(output_height).and_then(|rows| rows.checked_mul(output_width));
    // A word holds four pixels, each a loop over the classes.
    let iterations = |pixels: usize| {
        let words = pixels.div_ceil(4).div_ceil(lanes(upsampled_argmax::WORDS_PER_WORKGROUP));
        words * (4 * (classes + 1) + 1)
    };
    is_u32(&[batch, classes, height, width])
        && is_u32(&[height, output_height])
        && is_u32(&[width, output_width])
        && pixels.is_some_and(|pixels| fits_counts(pixels) && iterations(pixels) <= ITERATIONS_MAX)
}

/// Whether every index of so many pixels fits `u32`, one step of all workgroups further on.
pub(super) fn fits_counts(pixels: usize) -> bool {
    let words = upsampled_argmax::WORDS_PER_WORKGROUP.max(confusion_counts::WORDS_PER_WORKGROUP);
    pixels.checked_add(4 * lanes(words)).is_some_and(|sum| u32::try_from(sum).is_ok())
}

/// Lanes of all workgroups, at most; each takes one word at a time.
fn lanes(words_per_workgroup: u32) -> usize {
    words_per_workgroup as usize * PARTS_MAX as usize
}

impl UpsampledArgmaxOps for Cube {
    fn upsampled_argmax(logits: CubeTensor, sizes: Sizes) -> CubeTensor {
        #[derive(Clone, Copy, NoUninit)]
        #[repr(C, align(16))]
        struct Parameters {
            size: [u32; 2],
            output_size: [u32; 2],
            strides: [u32; 4],
            pixels: u32,
            classes: u32,
            parts: u32,
            padding: u32,
        }

        let Sizes { size, output_size, pixels, classes } = sizes;
        let logits = untile(logits);
        let words = pixels.div_ceil(4);
        let parts = words.div_ceil(upsampled_argmax::WORDS_PER_WORKGROUP).min(PARTS_MAX);
        let ids = empty(&logits, [words as usize], DType::I32);
        let strides = strides(&logits);
        launch(
            &upsampled_argmax::SHADER,
            &[&logits, &ids],
            &Parameters { size, output_size, strides, pixels, classes, parts, padding: 0 },
            [parts, 1, 1],
        );
        ids
    }

    fn add_confusion(
        counts: CubeTensor,
        truth: CubeTensor,
        prediction: CubeTensor,
        pixels: u32,
    ) -> CubeTensor {
        #[derive(Clone, Copy, NoUninit)]
        #[repr(C)]
        struct Parameters {
            pixels: u32,
            classes: u32,
            parts: u32,
        }

        let [counts, truth, prediction] = [counts, truth, prediction].map(into_contiguous);
        let counts = if counts.can_mut() { counts } else { counts.copy() };
        let classes = counts.meta.shape()[0] as u32 - 1;
        let words = pixels.div_ceil(4);
        let parts = words.div_ceil(confusion_counts::WORDS_PER_WORKGROUP).min(PARTS_MAX);
        launch(
            &confusion_counts::SHADER,
            &[&truth, &prediction, &counts],
            &Parameters { pixels, classes, parts },
            [parts, 1, 1],
        );
        counts
    }
}

impl<C: CheckpointStrategy> UpsampledArgmaxOps for Autodiff<Cube, C> {
    fn upsampled_argmax(logits: FloatTensor<Self>, sizes: Sizes) -> IntTensor<Self> {
        Cube::upsampled_argmax(logits.into_primitive(), sizes)
    }

    fn add_confusion(
        counts: IntTensor<Self>,
        truth: IntTensor<Self>,
        prediction: IntTensor<Self>,
        pixels: u32,
    ) -> IntTensor<Self> {
        Cube::add_confusion(counts, truth, prediction, pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argmax_fits_as_long_as_every_index_does() {
        assert!(fits([1, 19, 256, 512], [1024, 2048]));
        // Pixels, one step of all workgroups beyond the last: 4 * 256 * 16384 = 2^24.
        let most = (1_usize << 32) - (1 << 24) - 1;
        assert!(fits_counts(most) && !fits_counts(most + 1) && !fits_counts(usize::MAX));
        assert!(fits([254, 1, 1, 1], [1 << 12, 1 << 12]));
        assert!(!fits([255, 1, 1, 1], [1 << 12, 1 << 12]));
        // Rounds of 2^22 pixels, each of 4 (K + 1) + 1 iterations, of which 2^15 fit.
        assert!(fits([31, 255, 1, 1], [1 << 11, 1 << 11]));
        assert!(!fits([32, 255, 1, 1], [1 << 11, 1 << 11]));
        // Logits.
        assert!(fits([1, 255, 1 << 12, 1 << 12], [1, 1]));
        assert!(!fits([2, 255, 1 << 12, 1 << 12], [1, 1]));
        // The place of an output among the logits of one axis, times the other outputs.
        assert!(fits([1, 1, (1 << 16) - 1, 1], [1 << 16, 1]));
        assert!(!fits([1, 1, 1 << 16, 1], [1 << 16, 1]));
        assert!(!fits([1, 1, 1, 1 << 16], [1, 1 << 16]));
        // Products beyond 64 bits.
        assert!(!fits([usize::MAX, 2, 2, 2], [1, 1]) && !fits([1; 4], [usize::MAX, 2]));
    }
}
