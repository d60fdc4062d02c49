// The pixels under every window of a convolution, one row per output pixel.
//
//   columns[row - first_row, tap * C + c] = input[b, y, x, c], or 0 outside the image,
//   row = (b * OH + oy) * OW + ox, tap = ky * KW + kx,
//   y = oy * stride_y + ky * dilation_y - padding_y, x = ox * stride_x + kx * dilation_x - padding_x
//
// Channels come in fours: C is a multiple of 4.
//
// Buffers, row-major: input [B, H, W, C]; columns [R, KH * KW * C] for the rows first_row up to
// first_row + R.
//
// One workgroup takes ROWS rows by 4 * QUADS columns; its lanes take neighbouring fours of columns,
// which lie side by side in both buffers, and each works out its tap once for all rows.
//
// Dispatch: x = ceil(KH * KW * C / (4 * QUADS)), y * z >= ceil(R / ROWS).
// Limits: 65535 workgroups along each axis, B * H * W * C and R * KH * KW * C < 2^32, and each
// coordinate < 2^31.

const LANES = 64u;
const ROWS = 32u;
const QUADS = 256u;

struct Parameters {
    height: u32,
    width: u32,
    quads: u32, // C / 4
    out_height: u32,
    out_width: u32,
    kernel_width: u32,
    row_quads: u32, // KH * KW * C / 4
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    first_row: u32,
    rows: u32, // R
}

@group(0) @binding(0) var<storage, read_write> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> columns: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> parameters: Parameters;

// Of each row's window: its corner, and the rows of pixels in the images before its own.
var<workgroup> tops: array<i32, ROWS>;
var<workgroup> lefts: array<i32, ROWS>;
var<workgroup> pixel_rows_before: array<u32, ROWS>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    let first_row = (workgroup.z * workgroups.y + workgroup.y) * ROWS;
    // Both are equal in all lanes of a workgroup; z * y may be more than there are rows.
    let rows = min(ROWS, shape.rows - min(first_row, shape.rows));
    if lane < rows {
        let row = shape.first_row + first_row + lane;
        let out_x = row % shape.out_width;
        let out_y = row / shape.out_width % shape.out_height;
        let sample = row / shape.out_width / shape.out_height;
        tops[lane] = i32(out_y * shape.stride_y) - i32(shape.padding_y);
        lefts[lane] = i32(out_x * shape.stride_x) - i32(shape.padding_x);
        pixel_rows_before[lane] = sample * shape.height;
    }
    workgroupBarrier();

    let last = min(shape.row_quads, (workgroup.x + 1u) * QUADS);
    for (var column = workgroup.x * QUADS + lane; column < last; column += LANES) {
        let tap = column / shape.quads;
        let quad = column % shape.quads;
        let down = i32(tap / shape.kernel_width * shape.dilation_y);
        let right = i32(tap % shape.kernel_width * shape.dilation_x);
        for (var i = 0u; i < rows; i++) {
            // A negative coordinate becomes a large one.
            let y = u32(tops[i] + down);
            let x = u32(lefts[i] + right);
            var values = vec4<f32>();
            if y < shape.height && x < shape.width {
                let pixel = (pixel_rows_before[i] + y) * shape.width + x;
                values = input[pixel * shape.quads + quad];
            }
            columns[(first_row + i) * shape.row_quads + column] = values;
        }
    }
}
