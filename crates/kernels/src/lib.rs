//! Operations that run as our own WGSL shaders on a GPU, each with a twin in plain Burn operations
//! or plain Rust, and the choice of the device everything runs on.
#![forbid(unsafe_code)]

mod augment;
mod block_sums;
mod conv2d;
pub mod device;
mod l2_norm;
mod labels;
mod launch;
mod memory_divergence;
mod memory_read;
mod memory_write;
mod pixel_ids;
pub mod resize;
mod shader_note;
mod upsampled_argmax;
mod upsampled_cross_entropy;

pub use augment::{BLUR_RADIUS_MAX, ColourParameters, Jitter, Operation, augment, augment_plain};
pub use conv2d::{COLUMN_BYTES, conv2d, conv2d_within};
pub use l2_norm::{SMALLEST_NORM, l2_normalize, l2_normalize_pair};
pub use labels::{LabelMaps, LabelWeights};
pub use launch::{binding_bytes, compiles_wgsl};
pub use memory_divergence::{
    MemoryDivergence, SlotSum, memory_divergence, memory_divergence_plain, pair_scale,
};
pub use memory_read::{MemoryRead, Noise, gumbel, memory_read, memory_read_plain};
pub use memory_write::{
    ClassSums, SumRule, WriteRule, class_sums, class_sums_plain, memory_write, memory_write_pair,
    memory_write_plain,
};
pub use pixel_ids::{PixelIds, PixelLabels};
pub use upsampled_argmax::{NO_CLASS, add_confusion, upsampled_argmax, upsampled_argmax_plain};
pub use upsampled_cross_entropy::{
    upsampled_cross_entropy, upsampled_cross_entropy_pair, upsampled_cross_entropy_pair_plain,
    upsampled_cross_entropy_plain,
};
