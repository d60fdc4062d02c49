// The adjoint of im2col: every pixel receives the sum of all the places that it was copied to.
//
//   output[b, y, x, first_channel + c] = sum over taps of columns[row, tap * P + c],
//   row = ((b - first_image) * OH + oy) * OW + ox, tap = ky * KW + kx,
//   y = oy * stride_y + ky * dilation_y - padding_y, x = ox * stride_x + kx * dilation_x - padding_x,
//   over the taps for which oy and ox are whole numbers in range
//
// Buffers, row-major: columns [N * OH * OW, KH * KW * P] of the images first_image up to
// first_image + N and of P channels from first_channel; output [B, H, W, C], of which the rest is
// not touched.
//
// One workgroup takes PIXELS pixels by LANES channels. It first finds the row of every pixel and
// tap, then each lane sums its channel in the order of the taps: no two lanes write one element.
//
// Dispatch: x = ceil(P / LANES), y * z >= ceil(N * H * W / PIXELS).
// Limits: 65535 workgroups along each axis, KH * KW <= TAPS, both buffers < 2^32 elements, and each
// coordinate < 2^31.

const LANES = 128u;
const PIXELS = 16u;
const TAPS = 64u;
const PLACES = 1024u; // PIXELS * TAPS
const NONE = 0xffffffffu;

struct Parameters {
    height: u32,
    width: u32,
    channels: u32, // C
    out_height: u32,
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    first_channel: u32,
    part_channels: u32, // P
    first_pixel: u32, // first_image * H * W
    pixels: u32, // N * H * W
}

@group(0) @binding(0) var<storage, read_write> columns: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: Parameters;

// The row of each pixel and tap, or NONE.
var<workgroup> rows: array<u32, PLACES>;

// The output coordinate whose tap at `offset` lies on `coordinate`, or NONE.
fn window(coordinate: u32, padding: u32, offset: u32, stride: u32, size: u32) -> u32 {
    let distance = coordinate + padding;
    if distance < offset || (distance - offset) % stride != 0u {
        return NONE;
    }
    let found = (distance - offset) / stride;
    return select(NONE, found, found < size);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    let taps = shape.kernel_height * shape.kernel_width;
    let first = (workgroup.z * workgroups.y + workgroup.y) * PIXELS;
    // Equal in all lanes of a workgroup; z * y may be more than there are pixels.
    let pixels = min(PIXELS, shape.pixels - min(first, shape.pixels));
    for (var place = lane; place < pixels * taps; place += LANES) {
        let tap = place % taps;
        let pixel = first + place / taps;
        let y = pixel / shape.width % shape.height;
        let x = pixel % shape.width;
        let image = pixel / shape.width / shape.height;
        let down = tap / shape.kernel_width * shape.dilation_y;
        let right = tap % shape.kernel_width * shape.dilation_x;
        let out_y = window(y, shape.padding_y, down, shape.stride_y, shape.out_height);
        let out_x = window(x, shape.padding_x, right, shape.stride_x, shape.out_width);
        let row = (image * shape.out_height + out_y) * shape.out_width + out_x;
        rows[place] = select(row, NONE, out_y == NONE || out_x == NONE);
    }
    workgroupBarrier();

    let channel = workgroup.x * LANES + lane;
    if channel < shape.part_channels {
        for (var i = 0u; i < pixels; i++) {
            var sum = 0.0;
            for (var tap = 0u; tap < taps; tap++) {
                let row = rows[i * taps + tap];
                if row != NONE {
                    sum += columns[(row * taps + tap) * shape.part_channels + channel];
                }
            }
            let pixel = shape.first_pixel + first + i;
            output[pixel * shape.channels + shape.first_channel + channel] = sum;
        }
    }
}
