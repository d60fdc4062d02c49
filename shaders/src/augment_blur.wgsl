// Gaussian blur of a batch of byte images, and the value of each blurred level for the network.
//
//   column_yx = sum_d w_d image(y + d, x), row_yx = sum_d w_d column(y, x + d),  |d| <= radius
//   output_yx = values[channel][trunc(row_yx + 1/2048)]
//
// Beyond an edge the edge's own pixel stands in. The small addition keeps rounding errors from
// taking a flat area one level down. Radius 0 with weight 1 leaves an image as it is.
//
// Buffers, row-major: levels [B, 3, Q], four levels to a word, the first in the lowest byte, each
// plane filled up to Q whole words; kernels [B]; values [3, 256]; output [B, 3, H, W].
//
// One workgroup takes a tile of one plane: it loads the tile with a margin of radius rows and
// RADIUS_MAX columns, blurs along the columns into workgroup memory, and along the rows from there.
// Each sum takes distance 0 first, then the pairs at distance 1, 2, ...
//
// Dispatch: x = ceil(W / TILE_WIDTH), y = ceil(H / TILE_HEIGHT), z = 3 B.
// Limits: 65535 workgroups along each axis, B * 3 * H * W < 2^32.

const LANES = 128u;
const TILE_WIDTH = 32u;
const TILE_HEIGHT = 16u;
const RADIUS_MAX = 8u;
const WEIGHTS = 9u; // RADIUS_MAX + 1
const STRIDE = 48u; // TILE_WIDTH + 2 RADIUS_MAX
const MARGINED_PIXELS = 1536u; // STRIDE * (TILE_HEIGHT + 2 RADIUS_MAX)
const COLUMN_PIXELS = 768u; // STRIDE * TILE_HEIGHT

// Rounding what lies this much lower is truncation of what lies 1/2048 higher.
const ROUNDING_SHIFT = 0.49951171875;

struct Kernel {
    radius: u32,
    weights: array<f32, WEIGHTS>, // at distance 0, 1, ...
}

struct Parameters {
    height: u32,
    width: u32,
    words: u32, // Q
}

@group(0) @binding(0) var<storage, read_write> levels: array<u32>;
@group(0) @binding(1) var<storage, read_write> kernels: array<Kernel>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> parameters: Parameters;

var<workgroup> image: array<f32, MARGINED_PIXELS>;
var<workgroup> column_sums: array<f32, COLUMN_PIXELS>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    let plane = workgroup.z;
    let sample = plane / 3u;
    let left = workgroup.x * TILE_WIDTH;
    let top = workgroup.y * TILE_HEIGHT;
    let radius = kernels[sample].radius;

    for (var i = lane; i < STRIDE * (TILE_HEIGHT + 2u * radius); i += LANES) {
        // Clamped before the margin is taken off, so that nothing is negative.
        let x = clamp(left + i % STRIDE, RADIUS_MAX, RADIUS_MAX + shape.width - 1u) - RADIUS_MAX;
        let y = clamp(top + i / STRIDE, radius, radius + shape.height - 1u) - radius;
        let pixel = y * shape.width + x;
        let word = levels[plane * shape.words + pixel / 4u];
        image[i] = f32((word >> (8u * (pixel % 4u))) & 255u);
    }
    workgroupBarrier();

    for (var i = lane; i < COLUMN_PIXELS; i += LANES) {
        let centre = i + radius * STRIDE;
        var sum = kernels[sample].weights[0] * image[centre];
        for (var distance = 1u; distance <= radius; distance++) {
            let step = distance * STRIDE;
            let pair = image[centre - step] + image[centre + step];
            sum += kernels[sample].weights[distance] * pair;
        }
        column_sums[i] = sum;
    }
    workgroupBarrier();

    for (var i = lane; i < TILE_WIDTH * TILE_HEIGHT; i += LANES) {
        let row = i / TILE_WIDTH;
        let column = i % TILE_WIDTH;
        let centre = row * STRIDE + RADIUS_MAX + column;
        var sum = kernels[sample].weights[0] * column_sums[centre];
        for (var distance = 1u; distance <= radius; distance++) {
            let pair = column_sums[centre - distance] + column_sums[centre + distance];
            sum += kernels[sample].weights[distance] * pair;
        }
        let level = u32(clamp(round(sum - ROUNDING_SHIFT), 0.0, 255.0));
        let x = left + column;
        let y = top + row;
        if x < shape.width && y < shape.height {
            let at = (plane * shape.height + y) * shape.width + x;
            output[at] = values[256u * (plane % 3u) + level];
        }
    }
}
