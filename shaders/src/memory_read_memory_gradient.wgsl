// Backward of the memory read, third of three: the gradient that reaches the memory, summed over
// each block of block_pixels pixels; `sum_blocks` adds the blocks.
//
//   dM_bkc = sum over the pixels n of block b of dS_nk q_nc + w_nk dr_nc,   q_n = f_n / |f_n|
//
// Buffers, row-major: features [N, C] = f, inverse_norms [N] = 1 / max(|f_n|, 1e-12),
// score_gradient [N, K] = dS, weights [N, K] = w, readout_gradient [N, C] = dr (counts as zero and
// is not read where has_readout_gradient is 0), block_gradients [B, K, C] = dM, B = ceil(N /
// block_pixels).
//
// One workgroup sums one block for LANES channels and SLOTS slots: one lane holds one channel of
// all SLOTS slots and goes through the pixels in order, TILE_PIXELS at a time through workgroup
// memory. Without atomics, in one fixed order.
//
// Dispatch: x = B, y = ceil(C / LANES), z = ceil(K / SLOTS).
// Limits: block_pixels a multiple of TILE_PIXELS; B, y, z <= 65535; N * max(C, K) < 2^32;
// B * K * C < 2^32.

const LANES = 64u;
const TILE_PIXELS = 16u;
const SLOTS = 20u;
const SLOT_QUADS = 5u; // SLOTS / 4

struct Parameters {
    pixels: u32,
    channels: u32,
    slots: u32,
    block_pixels: u32,
    has_readout_gradient: u32,
}

@group(0) @binding(0) var<storage, read_write> features: array<f32>;
@group(0) @binding(1) var<storage, read_write> inverse_norms: array<f32>;
@group(0) @binding(2) var<storage, read_write> score_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> readout_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> block_gradients: array<f32>;
@group(0) @binding(6) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> score_tile: array<vec4<f32>, TILE_PIXELS * SLOT_QUADS>; // [pixel][quad of slots]
var<workgroup> weight_tile: array<vec4<f32>, TILE_PIXELS * SLOT_QUADS>; // [pixel][quad of slots]

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane == 0u {
        uniform_parameters = parameters;
    }
    let shape = workgroupUniformLoad(&uniform_parameters);
    let first_pixel = workgroup.x * shape.block_pixels;
    let channel = workgroup.y * LANES + lane;
    let first_slot = workgroup.z * SLOTS;

    var sums = array<vec4<f32>, SLOT_QUADS>();
    for (var tile_start = 0u; tile_start < shape.block_pixels; tile_start += TILE_PIXELS) {
        let first_tile_pixel = first_pixel + tile_start;
        workgroupBarrier();
        for (var i = lane; i < TILE_PIXELS * SLOT_QUADS; i += LANES) {
            let pixel = first_tile_pixel + i / SLOT_QUADS;
            var score = vec4<f32>();
            var weight = vec4<f32>();
            for (var j = 0u; j < 4u; j++) {
                let slot = first_slot + (i % SLOT_QUADS) * 4u + j;
                if pixel < shape.pixels && slot < shape.slots {
                    let at = pixel * shape.slots + slot;
                    // The norm is folded in here, once for all channels.
                    score[j] = score_gradient[at] * inverse_norms[pixel];
                    weight[j] = weights[at];
                }
            }
            score_tile[i] = score;
            weight_tile[i] = weight;
        }
        workgroupBarrier();
        for (var row = 0u; row < TILE_PIXELS; row++) {
            let pixel = first_tile_pixel + row;
            if pixel < shape.pixels && channel < shape.channels {
                let feature = features[pixel * shape.channels + channel];
                var gradient = 0.0;
                if shape.has_readout_gradient != 0u {
                    gradient = readout_gradient[pixel * shape.channels + channel];
                }
                for (var quad = 0u; quad < SLOT_QUADS; quad++) {
                    sums[quad] += score_tile[row * SLOT_QUADS + quad] * feature
                        + weight_tile[row * SLOT_QUADS + quad] * gradient;
                }
            }
        }
    }
    for (var j = 0u; j < SLOTS; j++) {
        let slot = first_slot + j;
        if slot < shape.slots && channel < shape.channels {
            let at = (workgroup.x * shape.slots + slot) * shape.channels + channel;
            block_gradients[at] = sums[j / 4u][j % 4u];
        }
    }
}
