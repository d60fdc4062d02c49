//! Declaration and reference of `col2im.wgsl`.

use crate::{Shader, im2col::Windows, read, write};

/// Pixels that one workgroup takes.
pub const PIXELS_PER_WORKGROUP: u32 = 16;

/// The most taps of a kernel that the shader's workgroup memory has room for.
pub const TAPS_MAX: u32 = 64;

/// `col2im.wgsl`.
pub const SHADER: Shader = Shader {
    name: "col2im",
    source: include_str!("col2im.wgsl"),
    workgroup_size: [64, 1, 1],
    bindings: &[read("columns"), write("output"), read("parameters")],
    constants: &[
        ("PIXELS", PIXELS_PER_WORKGROUP),
        ("TAPS", TAPS_MAX),
        ("PLACES", PIXELS_PER_WORKGROUP * TAPS_MAX),
    ],
};

/// Adds every element of the columns to the pixel that `im2col` copied it from.
///
/// Shapes: `columns` [B, OH, OW, KH, KW, C]; result [B, H, W, C].
pub fn reference(windows: &Windows, columns: &[f64]) -> Vec<f64> {
    let [height, width] = windows.image;
    let [out_height, out_width] = windows.output;
    let [kernel_height, kernel_width] = windows.kernel;
    let channels = windows.channels;
    let image_columns = out_height * out_width * windows.columns();
    let images = columns.len() / image_columns;
    let mut output = vec![0.0; images * height * width * channels];
    for (at, value) in columns.iter().enumerate() {
        let image = at / image_columns;
        let channel = at % channels;
        let tap_x = at / channels % kernel_width;
        let tap_y = at / channels / kernel_width % kernel_height;
        let window = at / windows.columns();
        let out_x = window % out_width;
        let out_y = window / out_width % out_height;
        if let (Some(y), Some(x)) = (windows.pixel(0, out_y, tap_y), windows.pixel(1, out_x, tap_x))
        {
            output[((image * height + y) * width + x) * channels + channel] += value;
        }
    }
    output
}
