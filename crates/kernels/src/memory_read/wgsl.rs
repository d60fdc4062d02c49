//! The memory read and its gradients as shader launches.

use burn::backend::{
    Backend, Cube, DType, Shape, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn_cubecl::{
    kernel::into_contiguous,
    ops::numeric::{empty_device_contiguous_dtype, zeros_client},
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{
    memory_read, memory_read_feature_gradient, memory_read_memory_gradient,
    memory_read_score_gradient, sum_blocks,
};

use crate::launch::{WORKGROUPS_MAX, launch};

/// Blocks of pixels whose memory gradients are summed separately, at most: enough to fill a GPU,
/// few enough that the blocks' gradients stay small.
const BLOCKS_MAX: u32 = 256;

/// Pixels of one block, at least.
const BLOCK_PIXELS_MIN: u32 = 128;

/// The memory read on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait MemoryReadOps: Backend {
    /// Normalised features, scores, weights and readout; see [`crate::memory_read`].
    fn memory_read(
        features: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        source: NoiseSource,
        temperature: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Where the noise of a read comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoiseSource {
    /// There is none.
    None,
    /// The noise's buffer.
    Given,
    /// The stream of this key.
    Drawn(u64),
}

/// Whether every index fits `u32` and every dispatch its limit.
pub(super) fn fits([pixels, channels]: [usize; 2], [slots, _]: [usize; 2]) -> bool {
    let workgroup_pixels = memory_read::PIXELS_PER_WORKGROUP as usize;
    let elements_fit = |rows: usize, columns: usize| {
        rows.checked_mul(columns).is_some_and(|elements| u32::try_from(elements).is_ok())
    };
    pixels.div_ceil(workgroup_pixels) <= WORKGROUPS_MAX as usize
        && elements_fit(pixels, channels.max(slots))
        && elements_fit(slots * BLOCKS_MAX as usize, channels)
        && (slots * channels).div_ceil(sum_blocks::ELEMENTS_PER_WORKGROUP as usize)
            <= WORKGROUPS_MAX as usize
}

impl MemoryReadOps for Cube {
    fn memory_read(
        features: CubeTensor,
        memory: CubeTensor,
        noise: CubeTensor,
        source: NoiseSource,
        temperature: f32,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        #[derive(Clone, Copy, NoUninit)]
        #[repr(C)]
        struct Parameters {
            pixels: u32,
            channels: u32,
            slots: u32,
            noise_kind: u32,
            key_low: u32,
            key_high: u32,
            temperature: f32,
        }

        let (noise_kind, key) = match source {
            NoiseSource::None => (0, 0),
            NoiseSource::Given => (1, 0),
            NoiseSource::Drawn(key) => (2, key),
        };
        let Sizes { pixels, channels, slots } = Sizes::of(&features, &memory);
        let [features, memory, noise] = [features, memory, noise].map(into_contiguous);
        let normalized = empty(&features, [pixels, channels]);
        let scores = empty(&features, [pixels, slots]);
        let weights = empty(&features, [pixels, slots]);
        let readout = empty(&features, [pixels, channels]);
        if pixels > 0 {
            launch(
                &memory_read::SHADER,
                &[&features, &memory, &noise, &normalized, &scores, &weights, &readout],
                &Parameters {
                    pixels,
                    channels,
                    slots,
                    noise_kind,
                    key_low: key as u32,
                    key_high: (key >> 32) as u32,
                    temperature,
                },
                [pixels.div_ceil(memory_read::PIXELS_PER_WORKGROUP), 1, 1],
            );
        }
        (normalized, scores, weights, readout)
    }
}

/// What the backward pass needs of the forward one: contiguous tensors.
#[derive(Clone, Debug)]
pub(super) struct ReadState {
    pub(super) features: CubeTensor,
    pub(super) memory: CubeTensor,
    pub(super) weights: CubeTensor,
    pub(super) temperature: f32,
}

/// Gradients of the four results, absent where nothing depends on one.
#[derive(Debug, Default)]
pub(super) struct ReadGradients {
    pub(super) normalized: Option<CubeTensor>,
    pub(super) scores: Option<CubeTensor>,
    pub(super) weights: Option<CubeTensor>,
    pub(super) readout: Option<CubeTensor>,
}

impl ReadGradients {
    pub(super) fn is_empty(&self) -> bool {
        self.normalized.is_none()
            && self.scores.is_none()
            && self.weights.is_none()
            && self.readout.is_none()
    }
}

/// Gradients of features and, if `of_memory`, memory.
pub(super) fn backward(
    state: &ReadState,
    gradients: ReadGradients,
    of_memory: bool,
) -> (CubeTensor, Option<CubeTensor>) {
    let ReadGradients { normalized, scores, weights, readout } = gradients;
    let [normalized, scores, weights, readout] =
        [normalized, scores, weights, readout].map(|gradient| gradient.map(into_contiguous));
    let sizes = Sizes::of(&state.features, &state.memory);
    if sizes.pixels == 0 {
        let of_features = empty(&state.features, [0, sizes.channels]);
        let of_memory = of_memory.then(|| zeros(&state.memory, [sizes.slots, sizes.channels]));
        return (of_features, of_memory);
    }
    let of_scores = score_gradient(state, sizes, [&scores, &weights, &readout]);
    let (of_features, inverse_norms) =
        feature_gradient(state, sizes, &of_scores, normalized.as_ref());
    let of_memory = of_memory
        .then(|| memory_gradient(state, sizes, &of_scores, &inverse_norms, readout.as_ref()));
    (of_features, of_memory)
}

#[derive(Clone, Copy)]
struct Sizes {
    pixels: u32,
    channels: u32,
    slots: u32,
}

impl Sizes {
    fn of(features: &CubeTensor, memory: &CubeTensor) -> Self {
        let (features, memory) = (features.shape(), memory.shape());
        // Checked by `fits` before the first launch.
        let [pixels, channels, slots] =
            [features[0], features[1], memory[0]].map(|size| size as u32);
        Self { pixels, channels, slots }
    }
}

fn score_gradient(
    state: &ReadState,
    Sizes { pixels, channels, slots }: Sizes,
    [scores, weights, readout]: [&Option<CubeTensor>; 3],
) -> CubeTensor {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        channels: u32,
        slots: u32,
        has_score_gradient: u32,
        has_weight_gradient: u32,
        has_readout_gradient: u32,
        temperature: f32,
    }

    let total = empty(&state.features, [pixels, slots]);
    // An absent gradient's buffer is not read: any tensor takes its place.
    let [score_buffer, weight_buffer, readout_buffer] =
        [scores, weights, readout].map(|gradient| gradient.as_ref().unwrap_or(&state.weights));
    launch(
        &memory_read_score_gradient::SHADER,
        &[&state.memory, &state.weights, score_buffer, weight_buffer, readout_buffer, &total],
        &Parameters {
            pixels,
            channels,
            slots,
            has_score_gradient: u32::from(scores.is_some()),
            has_weight_gradient: u32::from(weights.is_some()),
            has_readout_gradient: u32::from(readout.is_some()),
            temperature: state.temperature,
        },
        [pixels.div_ceil(memory_read_score_gradient::PIXELS_PER_WORKGROUP), 1, 1],
    );
    total
}

fn feature_gradient(
    state: &ReadState,
    Sizes { pixels, channels, slots }: Sizes,
    of_scores: &CubeTensor,
    normalized: Option<&CubeTensor>,
) -> (CubeTensor, CubeTensor) {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        channels: u32,
        slots: u32,
        has_normalized_gradient: u32,
    }

    let of_features = empty(&state.features, [pixels, channels]);
    let inverse_norms = empty(&state.features, [pixels, 1]);
    let normalized_buffer = normalized.unwrap_or(&state.weights);
    launch(
        &memory_read_feature_gradient::SHADER,
        &[
            &state.features,
            &state.memory,
            of_scores,
            normalized_buffer,
            &of_features,
            &inverse_norms,
        ],
        &Parameters {
            pixels,
            channels,
            slots,
            has_normalized_gradient: u32::from(normalized.is_some()),
        },
        [pixels.div_ceil(memory_read_feature_gradient::PIXELS_PER_WORKGROUP), 1, 1],
    );
    (of_features, inverse_norms)
}

fn memory_gradient(
    state: &ReadState,
    Sizes { pixels, channels, slots }: Sizes,
    of_scores: &CubeTensor,
    inverse_norms: &CubeTensor,
    readout: Option<&CubeTensor>,
) -> CubeTensor {
    use memory_read_memory_gradient::{
        CHANNELS_PER_WORKGROUP, SHADER, SLOTS_PER_WORKGROUP, TILE_PIXELS,
    };

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        channels: u32,
        slots: u32,
        block_pixels: u32,
        has_readout_gradient: u32,
    }

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct SumParameters {
        blocks: u32,
        elements: u32,
    }

    let block_pixels =
        pixels.div_ceil(BLOCKS_MAX).max(BLOCK_PIXELS_MIN).next_multiple_of(TILE_PIXELS);
    let blocks = pixels.div_ceil(block_pixels);
    let elements = slots * channels;
    let block_gradients = empty(&state.features, [blocks, elements]);
    launch(
        &SHADER,
        &[
            &state.features,
            inverse_norms,
            of_scores,
            &state.weights,
            readout.unwrap_or(&state.weights),
            &block_gradients,
        ],
        &Parameters {
            pixels,
            channels,
            slots,
            block_pixels,
            has_readout_gradient: u32::from(readout.is_some()),
        },
        [blocks, channels.div_ceil(CHANNELS_PER_WORKGROUP), slots.div_ceil(SLOTS_PER_WORKGROUP)],
    );
    let total = empty(&state.memory, [slots, channels]);
    launch(
        &sum_blocks::SHADER,
        &[&block_gradients, &total],
        &SumParameters { blocks, elements },
        [elements.div_ceil(sum_blocks::ELEMENTS_PER_WORKGROUP), 1, 1],
    );
    total
}

fn empty(like: &CubeTensor, dims: [u32; 2]) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        Shape::new(dims.map(|dim| dim as usize)),
        DType::F32,
    )
}

fn zeros(like: &CubeTensor, dims: [u32; 2]) -> CubeTensor {
    zeros_client(
        like.client.clone(),
        like.device.clone(),
        Shape::new(dims.map(|dim| dim as usize)),
        DType::F32,
    )
}
