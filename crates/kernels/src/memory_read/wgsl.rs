//! The memory read and its gradients as shader launches.

use burn::backend::{
    Backend, Cube, DType, Shape, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn_cubecl::{
    kernel::{into_contiguous, untile},
    ops::numeric::zeros_client,
    tensor::CubeTensor,
};
use bytemuck::NoUninit;
use shaders::{memory_read, memory_read_gradient, memory_read_memory_gradient, sum_blocks};

use crate::{
    block_sums,
    launch::{ITERATIONS_MAX, WORKGROUPS_MAX, empty, is_u32, launch, sizes, strides},
};

/// Blocks of pixels whose memory gradients are summed separately, at most: with the channels' and
/// slots' workgroups enough to fill a GPU, few enough that the blocks' gradients stay small.
const BLOCKS_MAX: u32 = 64;

/// Pixels of one block, at least.
const BLOCK_PIXELS_MIN: u32 = 128;

/// The memory read on a backend's own tensors.
#[backend_extension(Autodiff, Cube)]
pub(crate) trait MemoryReadOps: Backend {
    /// Normalised features with the readout, scores and weights; see [`crate::memory_read`].
    fn memory_read(
        features: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        source: NoiseSource,
        temperature: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
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

/// Whether every index fits `u32`, every dispatch its limit and the loops of every lane theirs.
pub(super) fn fits([batch, channels, height, width]: [usize; 4], [slots, _]: [usize; 2]) -> bool {
    use memory_read::{CHANNELS_AT_A_TIME, PIXELS_PER_WORKGROUP, SLOTS_AT_A_TIME};
    use memory_read_memory_gradient::{CHANNELS_PER_WORKGROUP, TILE_PIXELS};

    if !is_u32(&[batch, height, width, slots.max(channels.saturating_mul(2))]) {
        return false;
    }
    let pixels = batch * height * width;
    let workgroups = [
        pixels.div_ceil(PIXELS_PER_WORKGROUP as usize),
        channels.div_ceil(CHANNELS_PER_WORKGROUP as usize),
        slots.div_ceil(memory_read_memory_gradient::SLOTS_PER_WORKGROUP as usize),
        slots.saturating_mul(channels).div_ceil(sum_blocks::ELEMENTS_PER_WORKGROUP as usize),
    ];
    // A tile of the memory is filled in 5 rounds and used in 8, before and after the weights; a
    // lane then takes a few slots of its own. A tile of pixels is filled in 3 and used in 4.
    let slot_tiles = slots.div_ceil(SLOTS_AT_A_TIME);
    let features = slot_tiles * (28 * channels.div_ceil(CHANNELS_AT_A_TIME) + 20);
    let memory = 8 * (block_pixels(pixels as u32) / TILE_PIXELS) as usize;
    workgroups.into_iter().all(|count| count <= WORKGROUPS_MAX as usize)
        && features.max(memory) <= ITERATIONS_MAX
        && is_u32(&[slots, BLOCKS_MAX as usize, channels])
}

/// Pixels of one block.
fn block_pixels(pixels: u32) -> u32 {
    let tile = memory_read_memory_gradient::TILE_PIXELS;
    pixels.div_ceil(BLOCKS_MAX).max(BLOCK_PIXELS_MIN).next_multiple_of(tile)
}

impl MemoryReadOps for Cube {
    fn memory_read(
        features: CubeTensor,
        memory: CubeTensor,
        noise: CubeTensor,
        source: NoiseSource,
        temperature: f32,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let (features, [memory, noise]) = (untile(features), [memory, noise].map(into_contiguous));
        let found = forward(&features, &memory, &noise, source, temperature);
        (found.joined, found.scores, found.weights)
    }
}

/// What a read computes, all contiguous.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// `[B, 2C, h, w]`.
    pub(super) joined: CubeTensor,
    /// `[B, K, h, w]`.
    pub(super) scores: CubeTensor,
    /// `[B, K, h, w]`.
    pub(super) weights: CubeTensor,
    /// `[N]`.
    pub(super) squared_norms: CubeTensor,
}

/// The read of features of any strides and a contiguous memory and noise.
pub(super) fn forward(
    features: &CubeTensor,
    memory: &CubeTensor,
    noise: &CubeTensor,
    source: NoiseSource,
    temperature: f32,
) -> Found {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        plane: u32,
        width: u32,
        channels: u32,
        slots: u32,
        strides: [u32; 4],
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
    let read_sizes = Sizes::of(features, memory);
    let Sizes { batch, channels, height, width, slots } = read_sizes;
    let float = |dims| empty(features, sizes(dims), DType::F32);
    let found = Found {
        joined: float([batch, 2 * channels, height, width]),
        scores: float([batch, slots, height, width]),
        weights: float([batch, slots, height, width]),
        squared_norms: empty(features, [read_sizes.pixels() as usize], DType::F32),
    };
    if read_sizes.pixels() > 0 {
        let Found { joined, scores, weights, squared_norms } = &found;
        launch(
            &memory_read::SHADER,
            &[features, memory, noise, joined, scores, weights, squared_norms],
            &Parameters {
                pixels: read_sizes.pixels(),
                plane: read_sizes.plane(),
                width,
                channels,
                slots,
                strides: strides(features),
                noise_kind,
                key_low: key as u32,
                key_high: (key >> 32) as u32,
                temperature,
            },
            [read_sizes.pixels().div_ceil(memory_read::PIXELS_PER_WORKGROUP), 1, 1],
        );
    }
    found
}

/// What the backward pass needs of the forward one; the memory is contiguous.
#[derive(Clone, Debug)]
pub(super) struct ReadState {
    pub(super) memory: CubeTensor,
    pub(super) found: Found,
    pub(super) sizes: Sizes,
    pub(super) temperature: f32,
}

/// Gradients of the three results, absent where nothing depends on one.
#[derive(Debug, Default)]
pub(super) struct ReadGradients {
    pub(super) joined: Option<CubeTensor>,
    pub(super) scores: Option<CubeTensor>,
    pub(super) weights: Option<CubeTensor>,
}

impl ReadGradients {
    pub(super) fn is_empty(&self) -> bool {
        self.joined.is_none() && self.scores.is_none() && self.weights.is_none()
    }
}

/// Gradients of features and, if `of_memory`, memory.
pub(super) fn backward(
    state: &ReadState,
    gradients: ReadGradients,
    of_memory: bool,
) -> (CubeTensor, Option<CubeTensor>) {
    let Sizes { batch, channels, height, width, slots } = state.sizes;
    if state.sizes.pixels() == 0 {
        let of_features = empty(&state.memory, sizes([batch, channels, height, width]), DType::F32);
        let of_memory = of_memory.then(|| zeros(&state.memory, sizes([slots, channels])));
        return (of_features, of_memory);
    }
    // After the case without pixels, as a copy of nothing cannot be bound.
    let ReadGradients { joined, scores, weights } = gradients;
    let gradients = [joined, scores, weights].map(|gradient| gradient.map(into_contiguous));
    let [of_scores, of_features] = feature_gradient(state, &gradients);
    let of_memory = of_memory.then(|| memory_gradient(state, &of_scores, gradients[0].as_ref()));
    (of_features, of_memory)
}

/// B, C, h, w and K.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    slots: u32,
}

impl Sizes {
    pub(super) fn of(features: &CubeTensor, memory: &CubeTensor) -> Self {
        let (features, memory) = (features.shape(), memory.shape());
        // Checked by `fits` before the first launch.
        let [batch, channels, height, width, slots] =
            [features[0], features[1], features[2], features[3], memory[0]].map(|size| size as u32);
        Self { batch, channels, height, width, slots }
    }

    fn plane(self) -> u32 {
        self.height * self.width
    }

    fn pixels(self) -> u32 {
        self.batch * self.plane()
    }
}

/// What reaches the scores, and the features' gradient.
fn feature_gradient(
    state: &ReadState,
    [joined, scores, weights]: &[Option<CubeTensor>; 3],
) -> [CubeTensor; 2] {
    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        plane: u32,
        channels: u32,
        slots: u32,
        has_score_gradient: u32,
        has_weight_gradient: u32,
        has_joined_gradient: u32,
        temperature: f32,
    }

    let ReadState { memory, found, sizes: read_sizes, temperature } = state;
    let Sizes { batch, channels, height, width, slots } = *read_sizes;
    let total = empty(memory, sizes([batch, slots, height, width]), DType::F32);
    let of_features = empty(memory, sizes([batch, channels, height, width]), DType::F32);
    // An absent gradient's buffer is not read: any tensor takes its place.
    let buffer = |gradient: &'_ Option<CubeTensor>| gradient.clone().unwrap_or(memory.clone());
    launch(
        &memory_read_gradient::SHADER,
        &[
            memory,
            &found.joined,
            &found.squared_norms,
            &found.scores,
            &found.weights,
            &buffer(scores),
            &buffer(weights),
            &buffer(joined),
            &total,
            &of_features,
        ],
        &Parameters {
            pixels: read_sizes.pixels(),
            plane: read_sizes.plane(),
            channels,
            slots,
            has_score_gradient: u32::from(scores.is_some()),
            has_weight_gradient: u32::from(weights.is_some()),
            has_joined_gradient: u32::from(joined.is_some()),
            temperature: *temperature,
        },
        [read_sizes.pixels().div_ceil(memory_read_gradient::PIXELS_PER_WORKGROUP), 1, 1],
    );
    [total, of_features]
}

fn memory_gradient(
    state: &ReadState,
    of_scores: &CubeTensor,
    of_joined: Option<&CubeTensor>,
) -> CubeTensor {
    use memory_read_memory_gradient::{CHANNELS_PER_WORKGROUP, SHADER, SLOTS_PER_WORKGROUP};

    #[derive(Clone, Copy, NoUninit)]
    #[repr(C)]
    struct Parameters {
        pixels: u32,
        plane: u32,
        channels: u32,
        slots: u32,
        block_pixels: u32,
        has_joined_gradient: u32,
    }

    let ReadState { memory, found, sizes: read_sizes, .. } = state;
    let Sizes { channels, slots, .. } = *read_sizes;
    let pixels = read_sizes.pixels();
    let block_pixels = block_pixels(pixels);
    let blocks = pixels.div_ceil(block_pixels);
    let block_gradients = empty(memory, sizes([blocks, slots, channels]), DType::F32);
    let joined_gradient = of_joined.unwrap_or(&found.weights);
    launch(
        &SHADER,
        &[&found.joined, of_scores, &found.weights, joined_gradient, &block_gradients],
        &Parameters {
            pixels,
            plane: read_sizes.plane(),
            channels,
            slots,
            block_pixels,
            has_joined_gradient: u32::from(of_joined.is_some()),
        },
        [blocks, channels.div_ceil(CHANNELS_PER_WORKGROUP), slots.div_ceil(SLOTS_PER_WORKGROUP)],
    );
    block_sums::sum_blocks(&block_gradients, sizes([slots, channels]))
}

fn zeros(like: &CubeTensor, dims: [usize; 2]) -> CubeTensor {
    zeros_client(like.client.clone(), like.device.clone(), Shape::new(dims), DType::F32)
}
