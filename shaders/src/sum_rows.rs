//! Declaration and reference of `sum_rows.wgsl`.

use crate::{Shader, read, write};

/// `sum_rows.wgsl`.
pub const SHADER: Shader = Shader {
    name: "sum_rows",
    source: include_str!("sum_rows.wgsl"),
    workgroup_size: [256, 1, 1],
    bindings: &[read("rows"), write("total"), read("parameters")],
    constants: &[("LANES", 256)],
};

/// The sum of each row, times `scale`.
///
/// Shapes: `rows` [R, L], result R values, where L is `elements`.
pub fn reference(rows: &[f64], elements: usize, scale: f64) -> Vec<f64> {
    rows.chunks_exact(elements).map(|row| scale * row.iter().sum::<f64>()).collect()
}
