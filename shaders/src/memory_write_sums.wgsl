// Class sums of the memory write: what the pixels of each class add up to.
//
//   z_n  = f_n / max(|f_n|, 1e-12)                     or f_n where normalize is 0
//   w_nk = sum of r c over the four labels k that pixel n = (b, y, x) looks at:
//          label rows low and high of tap y with r = their weights, columns of tap h + x with c
//   S_kc = sum_n w_nk z_nc,   S_kC = sum_n w_nk        summed over each block of block_pixels
//          pixels; `sum_blocks` adds the blocks
//
// A label of at least K is ignored. A weight of a tap is 0 or at least 1 / (h - 1), or 1 / (w - 1),
// so no product of two vanishes in f32: S_kC is 0 only where no pixel looks at class k.
//
// Buffers, row-major: features [B, C, h, w], labels: bytes [B, H, W], four to a word, the first in
// the lowest byte; taps [h + w, 4]: low, high, and the bits of their f32 weights;
// block_sums [ceil(N / block_pixels), K, C + 1], N = B h w.
//
// One workgroup sums one block for LANES channels and SLOTS classes: PIXELS pixels at a time, all
// channels are read for the norm and the own ones kept in workgroup memory; one lane weighs one
// pixel's labels for four classes; then one lane holds one channel of all SLOTS classes. Without
// atomics, in one fixed order.
//
// Dispatch: x = ceil(N / block_pixels), y = ceil(C / LANES), z = ceil(K / SLOTS).
// Limits: block_pixels a multiple of PIXELS; x, y, z <= 65535; N * C, B H W and
// x * K * (C + 1) < 2^32.

const LANES = 256u;
const PIXELS = 8u;
const NORM_LANES = 32u; // LANES / PIXELS
const TILE_STRIDE = 9u; // PIXELS + 1, so that the channels of a tile start in different banks
const SLOTS = 20u; // the 19 Cityscapes classes take one tile
const SLOT_QUADS = 5u; // SLOTS / 4
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    pixels: u32,
    channels: u32,
    classes: u32,
    height: u32,
    width: u32,
    label_height: u32,
    label_width: u32,
    block_pixels: u32,
    normalize: u32,
}

@group(0) @binding(0) var<storage, read_write> features: array<f32>;
@group(0) @binding(1) var<storage, read_write> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> taps: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> block_sums: array<f32>;
@group(0) @binding(4) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> tile: array<f32, LANES * TILE_STRIDE>; // [channel][pixel]
var<workgroup> norm_partials: array<f32, LANES>; // [pixel][norm lane]
var<workgroup> scales: array<f32, PIXELS>;
var<workgroup> weight_tile: array<vec4<f32>, PIXELS * SLOT_QUADS>; // [pixel][quad of classes]

fn label_at(index: u32) -> u32 {
    return (labels[index / 4u] >> (8u * (index % 4u))) & 255u;
}

// The label weights of a pixel for four classes from first_class on.
fn weights_at(pixel: u32, first_class: u32, shape: Parameters) -> vec4<f32> {
    let plane = shape.height * shape.width;
    let image = (pixel / plane) * shape.label_height * shape.label_width;
    let row_tap = taps[(pixel % plane) / shape.width];
    let column_tap = taps[shape.height + pixel % shape.width];
    let row_weights = bitcast<vec2<f32>>(row_tap.zw);
    let column_weights = bitcast<vec2<f32>>(column_tap.zw);
    let class_ids = first_class + vec4<u32>(0u, 1u, 2u, 3u);
    var sum = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        let label_row = image + row_tap[i / 2u] * shape.label_width;
        let class_id = label_at(label_row + column_tap[i % 2u]);
        let weight = vec4<f32>(row_weights[i / 2u] * column_weights[i % 2u]);
        sum += select(vec4<f32>(), weight, class_ids == vec4<u32>(class_id));
    }
    return sum;
}

// `max` could take a number for one that is none.
fn clamped(squared_norm: f32) -> f32 {
    return squared_norm + max(SMALLEST_SQUARED_NORM - squared_norm, 0.0);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane == 0u {
        uniform_parameters = parameters;
    }
    let shape = workgroupUniformLoad(&uniform_parameters);
    let plane = shape.height * shape.width;
    let first_pixel = workgroup.x * shape.block_pixels;
    let first_channel = workgroup.y * LANES;
    let first_slot = workgroup.z * SLOTS;

    var sums = array<vec4<f32>, SLOT_QUADS>();
    var totals = vec4<f32>();
    for (var tile_start = 0u; tile_start < shape.block_pixels; tile_start += PIXELS) {
        workgroupBarrier();
        // Channels under the norm, the own ones into the tile.
        let load_row = lane % PIXELS;
        let load_pixel = first_pixel + tile_start + load_row;
        var squares = 0.0;
        if load_pixel < shape.pixels {
            let base = (load_pixel / plane) * shape.channels * plane + load_pixel % plane;
            for (var c = lane / PIXELS; c < shape.channels; c += NORM_LANES) {
                let is_own = c - first_channel < LANES; // wraps below first_channel
                if is_own || shape.normalize != 0u {
                    let value = features[base + c * plane];
                    squares += value * value;
                    if is_own {
                        tile[(c - first_channel) * TILE_STRIDE + load_row] = value;
                    }
                }
            }
        }
        norm_partials[load_row * NORM_LANES + lane / PIXELS] = squares;
        workgroupBarrier();

        if lane < PIXELS * SLOT_QUADS {
            let pixel = first_pixel + tile_start + lane / SLOT_QUADS;
            var weights = vec4<f32>();
            if pixel < shape.pixels {
                weights = weights_at(pixel, first_slot + 4u * (lane % SLOT_QUADS), shape);
            }
            weight_tile[lane] = weights;
        }
        if lane < PIXELS {
            var squared_norm = 0.0;
            for (var i = 0u; i < NORM_LANES; i++) {
                squared_norm += norm_partials[lane * NORM_LANES + i];
            }
            let inverse_norm = 1.0 / sqrt(clamped(squared_norm));
            scales[lane] = select(1.0, inverse_norm, shape.normalize != 0u);
        }
        workgroupBarrier();

        if lane < SLOT_QUADS {
            for (var row = 0u; row < PIXELS; row++) {
                totals += weight_tile[row * SLOT_QUADS + lane];
            }
        }
        if first_channel + lane < shape.channels {
            let rows = min(PIXELS, shape.pixels - min(shape.pixels, first_pixel + tile_start));
            for (var row = 0u; row < rows; row++) {
                let value = tile[lane * TILE_STRIDE + row] * scales[row];
                for (var quad = 0u; quad < SLOT_QUADS; quad++) {
                    sums[quad] += weight_tile[row * SLOT_QUADS + quad] * value;
                }
            }
        }
    }

    let columns = shape.channels + 1u;
    let first_row = workgroup.x * shape.classes + first_slot;
    for (var j = 0u; j < SLOTS; j++) {
        if first_slot + j < shape.classes && first_channel + lane < shape.channels {
            block_sums[(first_row + j) * columns + first_channel + lane] = sums[j / 4u][j % 4u];
        }
    }
    if workgroup.y == 0u && lane < SLOT_QUADS {
        for (var j = 0u; j < 4u; j++) {
            let slot = 4u * lane + j;
            if first_slot + slot < shape.classes {
                block_sums[(first_row + slot) * columns + shape.channels] = totals[j];
            }
        }
    }
}
