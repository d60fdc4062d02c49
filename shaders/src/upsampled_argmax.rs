//! Declaration and reference of `upsampled_argmax.wgsl`.

use crate::{Shader, read, upsampled_cross_entropy::taps, write};

/// Words of four pixels of one workgroup.
pub const WORDS_PER_WORKGROUP: u32 = 64;

/// The id of a pixel one of whose scores is NaN or infinite.
pub const NO_CLASS: u8 = 255;

/// `upsampled_argmax.wgsl`.
pub const SHADER: Shader = Shader {
    name: "upsampled_argmax",
    source: include_str!("upsampled_argmax.wgsl"),
    workgroup_size: [WORDS_PER_WORKGROUP, 1, 1],
    bindings: &[read("logits"), write("ids"), read("parameters")],
    constants: &[("LANES", WORDS_PER_WORKGROUP), ("NO_CLASS", NO_CLASS as u32)],
};

/// The class of the largest upsampled logit at every pixel, the lowest of equal ones; [`NO_CLASS`]
/// where a logit that counts is NaN or infinite.
///
/// Shapes: `logits` [B, K, h, w], result [B, H, W].
pub fn reference(
    logits: &[f64],
    [batch, classes, height, width]: [usize; 4],
    [output_height, output_width]: [usize; 2],
) -> Vec<u8> {
    let mut ids = vec![];
    for image in 0..batch {
        for y in 0..output_height {
            for x in 0..output_width {
                let upsampled = |class: usize| {
                    let mut sum = 0.0;
                    for (row, down) in counting(taps(y, height, output_height)) {
                        for (column, across) in counting(taps(x, width, output_width)) {
                            let at = ((image * classes + class) * height + row) * width + column;
                            sum += down * across * logits[at];
                        }
                    }
                    sum
                };
                let mut best = 0;
                for class in 1..classes {
                    if upsampled(class) > upsampled(best) {
                        best = class;
                    }
                }
                let has_class = (0..classes).all(|class| upsampled(class).is_finite());
                ids.push(if has_class { best as u8 } else { NO_CLASS });
            }
        }
    }
    ids
}

/// The taps with a weight: 0 times infinity would be NaN.
fn counting(taps: [(usize, f64); 2]) -> impl Iterator<Item = (usize, f64)> {
    taps.into_iter().filter(|&(_, weight)| weight > 0.0)
}
