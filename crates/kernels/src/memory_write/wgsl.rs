//! The memory write and its gradient as shader launches.

use burn::backend::{
    Backend, Cube, DType, Shape, TensorMetadata, backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn_cubecl::{kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor};
use bytemuck::NoUninit;
use shaders::{
    memory_write_feature_gradient, memory_write_slot_gradient, memory_write_slots,
    memory_write_sums, sum_blocks,
};

use super::SumRule;
use crate::{
    block_sums::sum_blocks,
    launch::{ITERATIONS_MAX, WORKGROUPS_MAX, empty, is_u32, launch, sizes},
};

/// Blocks of pixels whose class sums are added separately, at most: enough to fill a GPU, few
/// enough that the blocks' sums stay small.
const BLOCKS_MAX: u32 = 256;

/// Pixels of one block, at least.
const BLOCK_PIXELS_MIN: u32 = 64;

/// Iterations of a lane for one tile of a block, at most, beside those over channels: 32 parts of a
/// norm, 8 pixels with 5 quads of classes, and some more.
const TILE_ITERATIONS: usize = 100;

/// The memory write on a backend's own tensors; `labels` and `taps` are what
/// [`LabelMaps`](crate::LabelMaps) gives.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait MemoryWriteOps: Backend {
    /// Class sums with their totals in the last column, `[K, C + 1]`; see [`crate::class_sums`].
    /// No gradient of the last column goes anywhere.
    fn class_sums(
        features: FloatTensor<Self>,
        labels: IntTensor<Self>,
        taps: IntTensor<Self>,
        sizes: Sums,
    ) -> FloatTensor<Self>;

    /// The written memory; see [`crate::memory_write`].
    fn memory_write(
        features: FloatTensor<Self>,
        labels: IntTensor<Self>,
        taps: IntTensor<Self>,
        memory: FloatTensor<Self>,
        sizes: Sums,
        rule: SlotRule,
    ) -> FloatTensor<Self>;
}

/// The sizes of class sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    batch: u32,
    channels: u32,
    classes: u32,
    height: u32,
    width: u32,
    label_height: u32,
    label_width: u32,
    normalize: u32,
}

/// How slots move, in the precision of the shaders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRule {
    pub(super) momentum: f32,
    pub(super) normalize_slots: u32,
}

impl Sums {
    /// The sizes, if every index fits `u32`, every dispatch its limit and the loops of every lane
    /// theirs.
    pub(super) fn new(
        [batch, channels, height, width]: [usize; 4],
        [_, label_height, label_width]: [usize; 3],
        rule: SumRule,
    ) -> Option<Self> {
        let fits_u32 = is_u32(&[batch, height, width])
            && is_u32(&[batch, height, width, channels])
            && is_u32(&[batch, label_height, label_width])
            && is_u32(&[BLOCKS_MAX as usize, rule.classes, channels.checked_add(1)?]);
        if !fits_u32 {
            return None;
        }
        let (pixels, elements) =
            ((batch * height * width) as u32, (rule.classes * (channels + 1)) as u32);
        let workgroups = [
            pixels.div_ceil(memory_write_feature_gradient::PIXELS_PER_WORKGROUP),
            elements.div_ceil(sum_blocks::ELEMENTS_PER_WORKGROUP),
            rule.classes as u32,
        ];
        // The sums' loop over the tiles of a block has the longest loops inside.
        let tiles = block_pixels(pixels) / memory_write_sums::TILE_PIXELS;
        let rounds = channels.div_ceil(memory_write_sums::CHANNELS_AT_A_TIME) + TILE_ITERATIONS;
        let fits = workgroups.iter().all(|&count| count <= WORKGROUPS_MAX)
            && (tiles as usize).saturating_mul(rounds) <= ITERATIONS_MAX;
        fits.then_some(Self {
            batch: batch as u32,
            channels: channels as u32,
            classes: rule.classes as u32,
            height: height as u32,
            width: width as u32,
            label_height: label_height as u32,
            label_width: label_width as u32,
            normalize: u32::from(rule.normalize),
        })
    }

    fn pixels(&self) -> u32 {
        self.batch * self.height * self.width
    }
}

impl MemoryWriteOps for Cube {
    fn class_sums(
        features: CubeTensor,
        labels: CubeTensor,
        taps: CubeTensor,
        sizes: Sums,
    ) -> CubeTensor {
        let [features, labels, taps] = [features, labels, taps].map(into_contiguous);
        sums(&features, &labels, &taps, sizes)
    }

    fn memory_write(
        features: CubeTensor,
        labels: CubeTensor,
        taps: CubeTensor,
        memory: CubeTensor,
        sizes: Sums,
        rule: SlotRule,
    ) -> CubeTensor {
        let [features, labels, taps, memory] =
            [features, labels, taps, memory].map(into_contiguous);
        let sums = sums(&features, &labels, &taps, sizes);
        written(&sums, &memory, rule)
    }
}

/// Pixels of one block of so many.
fn block_pixels(pixels: u32) -> u32 {
    let wanted = pixels.div_ceil(BLOCKS_MAX).max(BLOCK_PIXELS_MIN);
    wanted.next_multiple_of(memory_write_sums::TILE_PIXELS)
}

/// The class sums of contiguous tensors.
pub(super) fn sums(
    features: &CubeTensor,
    labels: &CubeTensor,
    taps: &CubeTensor,
    of: Sums,
) -> CubeTensor {
    use memory_write_sums::{CHANNELS_PER_WORKGROUP, CLASSES_PER_WORKGROUP, SHADER};

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        channels: u32,
        classes: u32,
        height: u32,
        width: u32,
        label_height: u32,
        label_width: u32,
        block_pixels: u32,
        normalize: u32,
    }

    let Sums { channels, classes, height, width, label_height, label_width, normalize, .. } = of;
    let pixels = of.pixels();
    let columns = channels + 1;
    if pixels == 0 {
        let shape = Shape::new([classes as usize, columns as usize]);
        return zeros_client(features.client.clone(), features.device.clone(), shape, DType::F32);
    }
    let block_pixels = block_pixels(pixels);
    let blocks = pixels.div_ceil(block_pixels);
    let block_sums = empty(features, sizes([blocks, classes, columns]), DType::F32);
    launch(
        &SHADER,
        &[features, labels, taps, &block_sums],
        &Parameters {
            pixels,
            channels,
            classes,
            height,
            width,
            label_height,
            label_width,
            block_pixels,
            normalize,
        },
        [
            blocks,
            channels.div_ceil(CHANNELS_PER_WORKGROUP),
            classes.div_ceil(CLASSES_PER_WORKGROUP),
        ],
    );
    sum_blocks(&block_sums, sizes([classes, columns]))
}

#[derive(Clone, Copy, NoUninit)]
#[repr(C)]
struct SlotParameters {
    channels: u32,
    normalize_slots: u32,
    momentum: f32,
}

impl SlotRule {
    fn parameters(self, channels: u32) -> SlotParameters {
        let Self { momentum, normalize_slots } = self;
        SlotParameters { channels, normalize_slots, momentum }
    }
}

/// The memory after the sums moved it.
pub(super) fn written(sums: &CubeTensor, memory: &CubeTensor, rule: SlotRule) -> CubeTensor {
    let [classes, channels] = dims(memory);
    let output = empty(memory, sizes([classes, channels]), DType::F32);
    launch(
        &memory_write_slots::SHADER,
        &[sums, memory, &output],
        &rule.parameters(channels),
        [classes, 1, 1],
    );
    output
}

/// The gradient of the sums, `[K, C]`, given that of the written memory.
pub(super) fn slot_gradient(
    sums: &CubeTensor,
    memory: &CubeTensor,
    of_written: CubeTensor,
    rule: SlotRule,
) -> CubeTensor {
    let [classes, channels] = dims(memory);
    let output = empty(memory, sizes([classes, channels]), DType::F32);
    launch(
        &memory_write_slot_gradient::SHADER,
        &[sums, memory, &into_contiguous(of_written), &output],
        &rule.parameters(channels),
        [classes, 1, 1],
    );
    output
}

/// The gradient of the features, given that of the sums, `[K, C]`.
pub(super) fn feature_gradient(
    [features, labels, taps]: [&CubeTensor; 3],
    of_sums: &CubeTensor,
    of: Sums,
) -> CubeTensor {
    use memory_write_feature_gradient::{PIXELS_PER_WORKGROUP, SHADER};

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        channels: u32,
        classes: u32,
        height: u32,
        width: u32,
        label_height: u32,
        label_width: u32,
        normalize: u32,
    }

    let Sums { batch, channels, classes, height, width, label_height, label_width, normalize } = of;
    let pixels = of.pixels();
    let output = empty(features, sizes([batch, channels, height, width]), DType::F32);
    if pixels > 0 {
        launch(
            &SHADER,
            &[features, labels, taps, of_sums, &output],
            &Parameters {
                pixels,
                channels,
                classes,
                height,
                width,
                label_height,
                label_width,
                normalize,
            },
            [pixels.div_ceil(PIXELS_PER_WORKGROUP), 1, 1],
        );
    }
    output
}

/// Checked by `Sums::new` before the first launch.
fn dims(memory: &CubeTensor) -> [u32; 2] {
    let shape = memory.shape();
    [shape[0] as u32, shape[1] as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelWeights;

    fn fits(features: [usize; 4], labels: [usize; 3], classes: usize) -> bool {
        let rule = SumRule { classes, label_weights: LabelWeights::Soft, normalize: true };
        Sums::new(features, labels, rule).is_some()
    }

    #[test]
    fn sizes_beyond_a_dispatch_a_loop_or_an_index_are_left_to_burn() {
        assert!(fits([16, 256, 96, 96], [16, 768, 768], 19));
        assert!(fits([0, 256, 96, 96], [0, 768, 768], 255));
        // Eight pixels to a workgroup of the gradient.
        assert!(fits([8, 16, 65_535, 1], [8, 1, 1], 2));
        assert!(!fits([8, 16, 65_536, 1], [8, 1, 1], 2));
        // 2048 pixels of a block are 256 tiles of 100 rounds and one for every 32 channels.
        assert!(fits([8, 28 * 32, 65_535, 1], [8, 1, 1], 2));
        assert!(!fits([8, 28 * 32 + 1, 65_535, 1], [8, 1, 1], 2));
        // The sums of 256 blocks, and the bytes of the labels.
        assert!(!fits([1, 1 << 12, 1, 1], [1, 1, 1], 1 << 12));
        assert!(!fits([1, 1, 1, 1], [1, 1 << 16, 1 << 16], 2));
        assert!(!fits([1, usize::MAX, 1, 1], [1, 1, 1], 1));
    }
}
