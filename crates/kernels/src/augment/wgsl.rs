//! Colour augmentation as shader launches.

use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Cube, DType,
    autodiff::checkpoint::strategy::CheckpointStrategy,
    backend_extension,
    tensor::{FloatTensor, IntTensor},
};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use bytemuck::NoUninit;
use shaders::{
    augment_blur,
    augment_jitter::{self, Jitter, Operation},
};

use super::ColourParameters;
use crate::launch::{WORKGROUPS_MAX, empty, is_u32, launch, sizes};

/// Workgroups that share one sample's jitter, at most: enough for a GPU with a batch of a few
/// samples, few enough that every lane can add up all their sums.
const PARTS_MAX: u32 = 64;

/// The colour augmentation on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait AugmentOps: Backend {
    /// See [`crate::augment`]; the first three tensors are what [`packed`], [`draw`] and [`kernel`]
    /// give.
    fn augment(
        levels: IntTensor<Self>,
        draws: IntTensor<Self>,
        kernels: IntTensor<Self>,
        values: FloatTensor<Self>,
        sizes: Sizes,
        has_jitter: bool,
    ) -> FloatTensor<Self>;
}

/// The sizes of a batch of byte images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    batch: u32,
    height: u32,
    width: u32,
    /// Of four levels each, in one plane.
    words: u32,
}

impl Sizes {
    /// The sizes of a batch that [`fits`].
    pub(super) fn of(shape: [usize; 3]) -> Self {
        let [batch, height, width] = shape.map(|size| size as u32);
        Self { batch, height, width, words: (height * width).div_ceil(4) }
    }
}

/// Whether the shaders can take this batch: every index fits `u32`, every dispatch its limit, every
/// sum of grey levels `u32`, and every blur the workgroup memory.
pub(super) fn fits([batch, height, width]: [usize; 3], colours: &[ColourParameters]) -> bool {
    let [tile_width, tile_height] = augment_blur::TILE.map(|size| size as usize);
    let workgroups = [width.div_ceil(tile_width), height.div_ceil(tile_height), 3 * batch];
    let radius_max = augment_blur::RADIUS_MAX as usize;
    batch * height * width > 0
        && is_u32(&[255, height, width])
        // A plane's words take less than four bytes more than its pixels.
        && is_u32(&[3, batch, height * width + 3])
        && workgroups.iter().all(|&count| count <= WORKGROUPS_MAX as usize)
        && colours.iter().all(|colours| colours.blur_weights.len() <= radius_max + 1)
}

/// Four levels to a word, the first in the lowest byte, each plane filled up to whole words.
pub(super) fn packed(levels: &[u8], pixels: usize) -> Vec<u32> {
    let mut words = Vec::with_capacity(levels.len().div_ceil(pixels) * pixels.div_ceil(4));
    for plane in levels.chunks_exact(pixels) {
        let (whole, rest) = plane.as_chunks::<4>();
        words.extend(whole.iter().map(|&quad| u32::from_le_bytes(quad)));
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            words.push(u32::from_le_bytes(last));
        }
    }
    words
}

/// One `Draw` of `augment_jitter.wgsl`; without a jitter, one of no operations.
pub(super) fn draw(jitter: Option<&Jitter>) -> [u32; 9] {
    let Some(jitter) = jitter else {
        return [0, 0, 0, 0, 4, 0, 0, 0, 0];
    };
    let [first, second, third, fourth] = jitter.order.map(|operation| match operation {
        Operation::Hue if jitter.hue_step.is_none() => 0,
        _ => operation as u32,
    });
    let before_contrast =
        jitter.order.iter().take_while(|&&operation| operation != Operation::Contrast);
    [
        first,
        second,
        third,
        fourth,
        before_contrast.count() as u32,
        jitter.brightness.to_bits(),
        jitter.contrast.to_bits(),
        jitter.saturation.to_bits(),
        u32::from(jitter.hue_step.unwrap_or(0)),
    ]
}

/// One `Kernel` of `augment_blur.wgsl`; without weights, the one that changes nothing.
pub(super) fn kernel(weights: &[f32]) -> [u32; augment_blur::RADIUS_MAX as usize + 2] {
    let weights = if weights.is_empty() { &[1.0] } else { weights };
    let mut words = [0; augment_blur::RADIUS_MAX as usize + 2];
    words[0] = weights.len() as u32 - 1;
    for (word, weight) in words[1..].iter_mut().zip(weights) {
        *word = weight.to_bits();
    }
    words
}

impl AugmentOps for Cube {
    fn augment(
        levels: CubeTensor,
        draws: CubeTensor,
        kernels: CubeTensor,
        values: CubeTensor,
        sizes: Sizes,
        has_jitter: bool,
    ) -> CubeTensor {
        let [levels, draws, kernels, values] =
            [levels, draws, kernels, values].map(into_contiguous);
        let levels = if has_jitter { jittered(levels, &draws, sizes) } else { levels };
        blurred(&levels, &kernels, &values, sizes)
    }
}

impl<C: CheckpointStrategy> AugmentOps for Autodiff<Cube, C> {
    fn augment(
        levels: IntTensor<Self>,
        draws: IntTensor<Self>,
        kernels: IntTensor<Self>,
        values: FloatTensor<Self>,
        sizes: Sizes,
        has_jitter: bool,
    ) -> FloatTensor<Self> {
        // An image is a constant: no gradient goes through it.
        let values = values.into_primitive();
        Self::from_inner(Cube::augment(levels, draws, kernels, values, sizes, has_jitter))
    }
}

fn jittered(levels: CubeTensor, draws: &CubeTensor, of: Sizes) -> CubeTensor {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        words: u32,
        parts: u32,
        last_pass: u32,
        zero: u32,
    }

    let Sizes { batch, height, width, words } = of;
    let parts = words.div_ceil(augment_jitter::QUADS_PER_WORKGROUP).min(PARTS_MAX);
    // The first pass does not read its sums: any tensor takes their place.
    let (mut levels, mut sums) = (levels, draws.clone());
    for last_pass in [0, 1] {
        let jittered = empty(&levels, sizes([batch, 3, words]), DType::U32);
        let next_sums = empty(&levels, sizes([batch, parts]), DType::U32);
        launch(
            &augment_jitter::SHADER,
            &[&levels, draws, &sums, &jittered, &next_sums],
            &Parameters { pixels: height * width, words, parts, last_pass, zero: 0 },
            [parts, batch, 1],
        );
        (levels, sums) = (jittered, next_sums);
    }
    levels
}

fn blurred(
    levels: &CubeTensor,
    kernels: &CubeTensor,
    values: &CubeTensor,
    Sizes { batch, height, width, words }: Sizes,
) -> CubeTensor {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        height: u32,
        width: u32,
        words: u32,
    }

    let [tile_width, tile_height] = augment_blur::TILE;
    let output = empty(levels, sizes([batch, 3, height, width]), DType::F32);
    launch(
        &augment_blur::SHADER,
        &[levels, kernels, values, &output],
        &Parameters { height, width, words },
        [width.div_ceil(tile_width), height.div_ceil(tile_height), 3 * batch],
    );
    output
}
