//! Declaration and reference of `augment_blur.wgsl`.

use crate::{Shader, read, write};

/// Width and height of the pixels of one workgroup.
pub const TILE: [u32; 2] = [32, 16];

/// The largest radius that the shader's workgroup memory has room for: standard deviations up to
/// 2.1 at a reach of four of them.
pub const RADIUS_MAX: u32 = 8;

/// `augment_blur.wgsl`.
pub const SHADER: Shader = Shader {
    name: "augment_blur",
    source: include_str!("augment_blur.wgsl"),
    workgroup_size: [128, 1, 1],
    bindings: &[
        read("levels"),
        read("kernels"),
        read("values"),
        write("output"),
        read("parameters"),
    ],
    constants: &[
        ("TILE_WIDTH", TILE[0]),
        ("TILE_HEIGHT", TILE[1]),
        ("RADIUS_MAX", RADIUS_MAX),
        ("WEIGHTS", RADIUS_MAX + 1),
        ("STRIDE", TILE[0] + 2 * RADIUS_MAX),
        ("MARGINED_PIXELS", (TILE[0] + 2 * RADIUS_MAX) * (TILE[1] + 2 * RADIUS_MAX)),
        ("COLUMN_PIXELS", (TILE[0] + 2 * RADIUS_MAX) * TILE[1]),
    ],
};

/// Added before truncation, so that rounding errors take no flat area one level down: more than the
/// fifty roundings of both passes, each of half a unit in the last place of 255, can add up to.
const ROUNDING_SLACK: f32 = 1.0 / 2048.0;

/// Blurs one plane in place, first along the columns, then along the rows.
///
/// `weights` holds the weight at distance 0, 1, ... from the centre, at least the first.
///
/// Shapes: `plane` [H, `width`].
///
/// Source: scikit-image's `gaussian`, of which the authors' code truncates the result to bytes.
pub fn reference(weights: &[f32], width: usize, plane: &mut [u8]) {
    let height = plane.len() / width;
    let image: Vec<f32> = plane.iter().map(|&level| f32::from(level)).collect();
    let columns: Vec<f32> = (0..plane.len())
        .map(|at| {
            let (y, x) = (at / width, at % width);
            weighted_sum(weights, y, height, |y| image[y * width + x])
        })
        .collect();
    for (at, level) in plane.iter_mut().enumerate() {
        let (y, x) = (at / width, at % width);
        let sum = weighted_sum(weights, x, width, |x| columns[y * width + x]);
        // Rounding what lies half a level lower is truncation.
        *level = (sum - (0.5 - ROUNDING_SLACK)).round_ties_even() as u8;
    }
}

/// The sum around `centre`; beyond 0 and `count` the pixel at the edge stands in.
fn weighted_sum(weights: &[f32], centre: usize, count: usize, value: impl Fn(usize) -> f32) -> f32 {
    let mut sum = weights[0] * value(centre);
    for (distance, weight) in weights.iter().enumerate().skip(1) {
        let (before, after) = (centre.saturating_sub(distance), (centre + distance).min(count - 1));
        sum += weight * (value(before) + value(after));
    }
    sum
}
