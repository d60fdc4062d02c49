//! The memory write and its gradient as shader launches.

use burn::backend::{
    Backend, Cube, DType, Shape, TensorMetadata, backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn_cubecl::{
    kernel::into_contiguous,
    ops::numeric::{empty_device_contiguous_dtype, zeros_client},
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{
    memory_write_feature_gradient, memory_write_slot_gradient, memory_write_slots,
    memory_write_sums, sum_blocks,
};

use super::SumRule;
use crate::launch::{WORKGROUPS_MAX, launch};

/// Blocks of pixels whose class sums are added separately, at most: enough to fill a GPU, few
/// enough that the blocks' sums stay small.
const BLOCKS_MAX: u32 = 256;

/// Pixels of one block, at least.
const BLOCK_PIXELS_MIN: u32 = 64;

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
    /// The sizes, if every index fits `u32` and every dispatch its limit.
    pub(super) fn new(
        [batch, channels, height, width]: [usize; 4],
        [_, label_height, label_width]: [usize; 3],
        rule: SumRule,
    ) -> Option<Self> {
        let product = |factors: &[usize]| {
            let product = factors.iter().try_fold(1_usize, |all, &size| all.checked_mul(size));
            product.and_then(|product| u32::try_from(product).ok())
        };
        let pixels = product(&[batch, height, width])?;
        let elements = product(&[rule.classes, channels.checked_add(1)?])?;
        product(&[batch, height, width, channels])?;
        product(&[batch, label_height, label_width])?;
        product(&[BLOCKS_MAX as usize, elements as usize])?;
        let tile = memory_write_feature_gradient::PIXELS_PER_WORKGROUP;
        let workgroups = [
            pixels.div_ceil(tile),
            elements.div_ceil(sum_blocks::ELEMENTS_PER_WORKGROUP),
            rule.classes as u32,
        ];
        workgroups.iter().all(|&count| count <= WORKGROUPS_MAX).then_some(Self {
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

/// The class sums of contiguous tensors.
pub(super) fn sums(
    features: &CubeTensor,
    labels: &CubeTensor,
    taps: &CubeTensor,
    sizes: Sums,
) -> CubeTensor {
    use memory_write_sums::{CHANNELS_PER_WORKGROUP, CLASSES_PER_WORKGROUP, SHADER, TILE_PIXELS};

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

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct SumParameters {
        blocks: u32,
        elements: u32,
    }

    let Sums { channels, classes, height, width, label_height, label_width, normalize, .. } = sizes;
    let pixels = sizes.pixels();
    let columns = channels + 1;
    if pixels == 0 {
        let shape = Shape::new([classes as usize, columns as usize]);
        return zeros_client(features.client.clone(), features.device.clone(), shape, DType::F32);
    }
    let block_pixels =
        pixels.div_ceil(BLOCKS_MAX).max(BLOCK_PIXELS_MIN).next_multiple_of(TILE_PIXELS);
    let blocks = pixels.div_ceil(block_pixels);
    let block_sums = empty(features, [blocks, classes, columns]);
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
    let total = empty(features, [classes, columns]);
    let elements = classes * columns;
    launch(
        &sum_blocks::SHADER,
        &[&block_sums, &total],
        &SumParameters { blocks, elements },
        [elements.div_ceil(sum_blocks::ELEMENTS_PER_WORKGROUP), 1, 1],
    );
    total
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
    let output = empty(memory, [classes, channels]);
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
    let output = empty(memory, [classes, channels]);
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
    sizes: Sums,
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

    let Sums { batch, channels, classes, height, width, label_height, label_width, normalize } =
        sizes;
    let pixels = sizes.pixels();
    let output = empty(features, [batch, channels, height, width]);
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

fn empty<const D: usize>(like: &CubeTensor, dims: [u32; D]) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        Shape::new(dims.map(|dim| dim as usize)),
        DType::F32,
    )
}
