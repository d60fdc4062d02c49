//! Declaration and reference of `memory_read.wgsl`.

use crate::{
    Shader, read,
    vectors::{inner_product, norm_divisor},
    write,
};

/// Pixels of one workgroup.
pub const PIXELS_PER_WORKGROUP: u32 = 32;

/// `memory_read.wgsl`.
pub const SHADER: Shader = Shader {
    name: "memory_read",
    source: include_str!("memory_read.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[
        read("features"),
        read("memory"),
        read("noise"),
        write("joined"),
        write("scores"),
        write("weights"),
        write("squared_norms"),
        read("parameters"),
    ],
    constants: &[
        ("PIXELS", PIXELS_PER_WORKGROUP),
        ("SLOTS", SLOTS_AT_A_TIME as u32),
        ("CHANNELS", CHANNELS_AT_A_TIME as u32),
    ],
};

/// Slots of one tile of the memory.
pub const SLOTS_AT_A_TIME: usize = 20;

/// Channels of one tile of the memory.
pub const CHANNELS_AT_A_TIME: usize = 64;

/// Number `index` of the stream `key`: standard Gumbel, `-ln(-ln(1 - u))` of a uniform `u`.
///
/// Source: splitmix64 (Steele, Lea and Flood 2014); `torch.nn.functional.gumbel_softmax`.
pub fn gumbel(key: u64, index: u64) -> f64 {
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let z = key.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let bits = z ^ (z >> 31);
    // The top 53 bits, exactly representable.
    let uniform = (bits >> 11) as f64 * (-53f64).exp2();
    let exponential = -(-uniform).ln_1p();
    -exponential.max(f64::MIN_POSITIVE).ln()
}

/// What a memory read starts from.
///
/// Shapes, row-major: `features` [N, C], `memory` [K, C], `noise` [N, K].
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// C.
    pub channels: usize,
    /// One row per pixel.
    pub features: &'a [f64],
    /// One row per slot.
    pub memory: &'a [f64],
    /// Added to the scores before the temperature divides them.
    pub noise: Option<&'a [f64]>,
    /// Divides the scores before the softmax.
    pub temperature: f64,
}

impl Inputs<'_> {
    /// N.
    pub fn pixels(&self) -> usize {
        self.features.len() / self.channels
    }

    /// K.
    pub fn slots(&self) -> usize {
        self.memory.len() / self.channels
    }
}

/// What a memory read gives, or the gradients of its four results.
///
/// Shapes, row-major: `normalized` and `readout` [N, C], `scores` and `weights` [N, K].
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// The features with unit norm.
    pub normalized: Vec<f64>,
    /// The inner products of normalised features and slots.
    pub scores: Vec<f64>,
    /// The softmax over the slots.
    pub weights: Vec<f64>,
    /// The slots averaged with these weights.
    pub readout: Vec<f64>,
}

/// Reads the memory at every pixel.
pub fn reference(inputs: &Inputs<'_>) -> Outputs {
    let (channels, slots) = (inputs.channels, inputs.slots());
    let mut outputs =
        Outputs { normalized: vec![], scores: vec![], weights: vec![], readout: vec![] };
    for pixel in 0..inputs.pixels() {
        let feature = &inputs.features[pixel * channels..][..channels];
        let norm = norm_divisor(feature);
        let normalized: Vec<f64> = feature.iter().map(|value| value / norm).collect();

        let scores: Vec<f64> = inputs
            .memory
            .chunks_exact(channels)
            .map(|slot| inner_product(&normalized, slot))
            .collect();

        let mut logits = scores.clone();
        for (slot, logit) in logits.iter_mut().enumerate() {
            *logit += inputs.noise.map_or(0.0, |noise| noise[pixel * slots + slot]);
            *logit /= inputs.temperature;
        }
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exponentials: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        let weights: Vec<f64> = exponentials.iter().map(|value| value / sum).collect();

        let mut readout = vec![0.0; channels];
        for (slot, weight) in inputs.memory.chunks_exact(channels).zip(&weights) {
            for (sum, value) in readout.iter_mut().zip(slot) {
                *sum += weight * value;
            }
        }

        outputs.normalized.extend(normalized);
        outputs.scores.extend(scores);
        outputs.weights.extend(weights);
        outputs.readout.extend(readout);
    }
    outputs
}
