// Gradient of the weight of a convolution of several groups, in blocks of output pixels.
//
//   blocks[n, tap * I + i, o] = sum over row of of_output[row, o] * input[b, y, x, o / P * I + i],
//   row = (b * OH + oy) * OW + ox in n * block_rows up to (n + 1) * block_rows, tap = ky * KW + kx,
//   y = oy * stride_y + ky * dilation_y - padding_y, x = ox * stride_x + kx * dilation_x - padding_x,
//   without the terms outside the image; a group has I input and P output channels
//
// Buffers, row-major: input [B, H, W, C]; of_output [B * OH * OW, O]; blocks [N, KH * KW * I, O].
//
// One workgroup takes LANES output channels, one tap and input channel of the group, and one block;
// each lane sums its output channel in the order of the rows. Neighbouring lanes read neighbours.
//
// Dispatch: x = ceil(O / LANES), y = KH * KW * I, z = N = ceil(B * OH * OW / block_rows).
// Limits: 65535 workgroups along each axis, each buffer < 2^32 elements, and each coordinate < 2^31.

const LANES = 64u;

struct Parameters {
    height: u32,
    width: u32,
    channels: u32, // C
    out_height: u32,
    out_width: u32,
    out_channels: u32, // O
    kernel_width: u32,
    group_inputs: u32, // I
    group_outputs: u32, // P
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    rows: u32, // B * OH * OW
    block_rows: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> of_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> blocks: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: Parameters;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    let out_channel = workgroup.x * LANES + lane;
    if out_channel >= shape.out_channels {
        return;
    }
    let tap = workgroup.y / shape.group_inputs;
    let channel = out_channel / shape.group_outputs * shape.group_inputs
        + workgroup.y % shape.group_inputs;
    let down = i32(tap / shape.kernel_width * shape.dilation_y) - i32(shape.padding_y);
    let right = i32(tap % shape.kernel_width * shape.dilation_x) - i32(shape.padding_x);

    let first = workgroup.z * shape.block_rows;
    let last = min(first + shape.block_rows, shape.rows);
    var out_x = first % shape.out_width;
    var out_y = first / shape.out_width % shape.out_height;
    var pixel_rows_before = first / shape.out_width / shape.out_height * shape.height;
    var sum = 0.0;
    for (var row = first; row < last; row++) {
        // A negative coordinate becomes a large one.
        let y = u32(i32(out_y * shape.stride_y) + down);
        let x = u32(i32(out_x * shape.stride_x) + right);
        if y < shape.height && x < shape.width {
            let pixel = (pixel_rows_before + y) * shape.width + x;
            sum += of_output[row * shape.out_channels + out_channel]
                * input[pixel * shape.channels + channel];
        }
        out_x++;
        if out_x == shape.out_width {
            out_x = 0u;
            out_y++;
            if out_y == shape.out_height {
                out_y = 0u;
                pixel_rows_before += shape.height;
            }
        }
    }
    blocks[(workgroup.z * workgroups.y + workgroup.y) * shape.out_channels + out_channel] = sum;
}
