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
// Channels come in fours: C, P and first_channel are multiples of 4.
//
// One workgroup takes PIXELS pixels. It first finds the row of every pixel and tap; then each lane
// sums four channels of one pixel at a time, in the order of the taps: no two write one element.
//
// Dispatch: x * y >= ceil(N * H * W / PIXELS).
// Limits: 65535 workgroups along each axis, KH * KW <= TAPS, both buffers < 2^32 elements, and each
// coordinate < 2^31.

const LANES = 64u;
const PIXELS = 16u;
const TAPS = 64u;
const PLACES = 1024u; // PIXELS * TAPS
const NONE = 0xffffffffu;

struct Parameters {
    height: u32,
    width: u32,
    quads: u32, // C / 4
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
    first_quad: u32, // first_channel / 4
    part_quads: u32, // P / 4
    first_pixel: u32, // first_image * H * W
    pixels: u32, // N * H * W
}

@group(0) @binding(0) var<storage, read_write> columns: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;
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
    let first = (workgroup.y * workgroups.x + workgroup.x) * PIXELS;
    // Equal in all lanes of a workgroup; x * y may be more than there are pixels.
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

    for (var i = lane; i < pixels * shape.part_quads; i += LANES) {
        let pixel = i / shape.part_quads;
        let quad = i % shape.part_quads;
        var sum = vec4<f32>();
        for (var tap = 0u; tap < taps; tap++) {
            let row = rows[pixel * taps + tap];
            if row != NONE {
                sum += columns[(row * taps + tap) * shape.part_quads + quad];
            }
        }
        let place = shape.first_pixel + first + pixel;
        output[place * shape.quads + shape.first_quad + quad] = sum;
    }
}
