//! Declaration and reference of `grouped_weight_gradient.wgsl`.

use crate::{
    Shader,
    im2col::{self, Windows},
    read, write,
};

/// Output channels that one workgroup takes.
pub const CHANNELS_PER_WORKGROUP: u32 = 64;

/// `grouped_weight_gradient.wgsl`.
pub const SHADER: Shader = Shader {
    name: "grouped_weight_gradient",
    source: include_str!("grouped_weight_gradient.wgsl"),
    workgroup_size: [CHANNELS_PER_WORKGROUP, 1, 1],
    bindings: &[read("input"), read("of_output"), write("blocks"), read("parameters")],
    constants: &[("LANES", CHANNELS_PER_WORKGROUP)],
};

/// The gradient of the weight, of all blocks together.
///
/// Shapes: `input` [B, H, W, C], `of_output` [B, OH, OW, O]; result [KH, KW, C / groups, O].
pub fn reference(windows: &Windows, groups: usize, input: &[f64], of_output: &[f64]) -> Vec<f64> {
    let columns = im2col::reference(windows, input);
    let row_columns = windows.columns();
    let rows = columns.len() / row_columns;
    let out_channels = of_output.len() / rows;
    let [group_inputs, group_outputs] = [windows.channels, out_channels].map(|all| all / groups);
    let mut gradient = vec![];
    for tap in 0..windows.kernel[0] * windows.kernel[1] {
        for group_input in 0..group_inputs {
            for out_channel in 0..out_channels {
                let channel = out_channel / group_outputs * group_inputs + group_input;
                let column = tap * windows.channels + channel;
                let product = |row: usize| {
                    of_output[row * out_channels + out_channel]
                        * columns[row * row_columns + column]
                };
                gradient.push((0..rows).map(product).sum());
            }
        }
    }
    gradient
}
