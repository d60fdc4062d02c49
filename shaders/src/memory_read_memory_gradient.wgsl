// Backward of the memory read, second of two: the gradient that reaches the memory, summed over
// each block of block_pixels pixels; `sum_blocks` adds the blocks.
//
//   dM_bkc = sum over the pixels n of block b of dS_nk q_nc + w_nk dr_nc
//
// Buffers, row-major: joined [B, 2C, h, w] = q, then r; score_gradient and weights [B, K, h, w] =
// dS and w, joined_gradient [B, 2C, h, w] = dq, then dr (counts as zero and is not read where
// has_joined_gradient is 0), block_gradients [ceil(N / block_pixels), K, C] = dM, N = B h w.
//
// One workgroup sums one block for CHANNELS channels and SLOTS slots: a lane holds four channels
// and takes every PIXEL_GROUPS-th pixel, so that neighbouring lanes load neighbouring numbers; dS
// and w go through workgroup memory, TILE_PIXELS pixels at a time. Then the groups' sums are added.
// Without atomics, in one fixed order.
//
// Dispatch: x = ceil(N / block_pixels), y = ceil(C / CHANNELS), z = ceil(K / SLOTS).
// Limits: block_pixels a multiple of TILE_PIXELS; x, y, z <= 65535; N * max(2C, K) < 2^32;
// x * K * C < 2^32.

const LANES = 64u;
const PIXEL_GROUPS = 8u;
const SUMMED_GROUPS = 4u; // PIXEL_GROUPS / 2: the upper half hands its sums to the lower
const CHANNEL_LANES = 8u; // LANES / PIXEL_GROUPS
const CHANNELS = 32u; // 4 * CHANNEL_LANES
const TILE_PIXELS = 32u;
const SLOTS = 20u;
const SLOT_QUADS = 5u; // SLOTS / 4

struct Parameters {
    pixels: u32,
    plane: u32, // h w
    channels: u32,
    slots: u32,
    block_pixels: u32,
    has_joined_gradient: u32,
}

@group(0) @binding(0) var<storage, read_write> joined: array<f32>;
@group(0) @binding(1) var<storage, read_write> score_gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> joined_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> block_gradients: array<f32>;
@group(0) @binding(5) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> score_tile: array<vec4<f32>, TILE_PIXELS * SLOT_QUADS>; // [pixel][quad of slots]
var<workgroup> weight_tile: array<vec4<f32>, TILE_PIXELS * SLOT_QUADS>; // [pixel][quad of slots]
var<workgroup> partials: array<vec4<f32>, SUMMED_GROUPS * SLOTS * CHANNEL_LANES>; // of channels

// The sums' four columns, a slot each.
fn put(at: u32, sums: mat4x4<f32>) {
    partials[at] = sums[0];
    partials[at + CHANNEL_LANES] = sums[1];
    partials[at + 2u * CHANNEL_LANES] = sums[2];
    partials[at + 3u * CHANNEL_LANES] = sums[3];
}

fn found(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        partials[at],
        partials[at + CHANNEL_LANES],
        partials[at + 2u * CHANNEL_LANES],
        partials[at + 3u * CHANNEL_LANES],
    );
}

// Four channels against four slots: a column is a slot.
fn outer(channels: vec4<f32>, slots: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        channels * slots.x,
        channels * slots.y,
        channels * slots.z,
        channels * slots.w,
    );
}

fn joined_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(joined[at.x], joined[at.y], joined[at.z], joined[at.w]);
}

fn joined_gradient_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(joined_gradient[at.x], joined_gradient[at.y], joined_gradient[at.z], joined_gradient[at.w]);
}

fn score_gradient_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        score_gradient[at.x],
        score_gradient[at.y],
        score_gradient[at.z],
        score_gradient[at.w],
    );
}

fn weights_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(weights[at.x], weights[at.y], weights[at.z], weights[at.w]);
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
    let group = lane % PIXEL_GROUPS;
    let channel_lane = lane / PIXEL_GROUPS;
    let first_pixel = workgroup.x * shape.block_pixels;
    let end_pixel = min(first_pixel + shape.block_pixels, shape.pixels);
    let first_slot = workgroup.z * SLOTS;
    let own_channels = workgroup.y * CHANNELS + channel_lane
        + CHANNEL_LANES * vec4<u32>(0u, 1u, 2u, 3u);
    // Beyond the last channel a lane sums the last one and writes nothing.
    let channel_at = min(own_channels, vec4<u32>(shape.channels - 1u)) * shape.plane;

    var sums0 = mat4x4<f32>();
    var sums1 = mat4x4<f32>();
    var sums2 = mat4x4<f32>();
    var sums3 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    for (var tile_start = first_pixel; tile_start < end_pixel; tile_start += TILE_PIXELS) {
        workgroupBarrier();
        for (var i = lane; i < TILE_PIXELS * SLOT_QUADS; i += LANES) {
            let pixel = min(tile_start + i % TILE_PIXELS, shape.pixels - 1u);
            let quad = i / TILE_PIXELS;
            let pixel_at = (pixel / shape.plane) * shape.slots * shape.plane + pixel % shape.plane;
            // Slots beyond the last read it once more; nothing is written of them.
            let slots = first_slot + 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
            let at = pixel_at + min(slots, vec4<u32>(shape.slots - 1u)) * shape.plane;
            let tile = (i % TILE_PIXELS) * SLOT_QUADS + quad;
            score_tile[tile] = score_gradient_from(at);
            weight_tile[tile] = weights_from(at);
        }
        workgroupBarrier();
        let rows = min(TILE_PIXELS, end_pixel - tile_start);
        for (var row = group; row < rows; row += PIXEL_GROUPS) {
            let pixel = tile_start + row;
            let image = pixel / shape.plane;
            let at = channel_at + 2u * image * shape.channels * shape.plane + pixel % shape.plane;
            let tile = row * SLOT_QUADS;
            let values = joined_from(at);
            if shape.has_joined_gradient != 0u {
                let answers = joined_gradient_from(at + shape.channels * shape.plane);
                sums0 += outer(values, score_tile[tile]) + outer(answers, weight_tile[tile]);
                sums1 += outer(values, score_tile[tile + 1u]) + outer(answers, weight_tile[tile + 1u]);
                sums2 += outer(values, score_tile[tile + 2u]) + outer(answers, weight_tile[tile + 2u]);
                sums3 += outer(values, score_tile[tile + 3u]) + outer(answers, weight_tile[tile + 3u]);
                sums4 += outer(values, score_tile[tile + 4u]) + outer(answers, weight_tile[tile + 4u]);
            } else {
                sums0 += outer(values, score_tile[tile]);
                sums1 += outer(values, score_tile[tile + 1u]);
                sums2 += outer(values, score_tile[tile + 2u]);
                sums3 += outer(values, score_tile[tile + 3u]);
                sums4 += outer(values, score_tile[tile + 4u]);
            }
        }
    }

    let own = (group % SUMMED_GROUPS) * SLOTS * CHANNEL_LANES + channel_lane;
    let step = 4u * CHANNEL_LANES;
    if group >= SUMMED_GROUPS {
        put(own, sums0);
        put(own + step, sums1);
        put(own + 2u * step, sums2);
        put(own + 3u * step, sums3);
        put(own + 4u * step, sums4);
    }
    workgroupBarrier();
    if group < SUMMED_GROUPS {
        put(own, sums0 + found(own));
        put(own + step, sums1 + found(own + step));
        put(own + 2u * step, sums2 + found(own + 2u * step));
        put(own + 3u * step, sums3 + found(own + 3u * step));
        put(own + 4u * step, sums4 + found(own + 4u * step));
    }
    workgroupBarrier();
    // Neighbouring lanes write neighbouring channels.
    for (var i = lane; i < SLOTS * CHANNELS; i += LANES) {
        let row = i / CHANNELS;
        let channel = workgroup.y * CHANNELS + i % CHANNELS;
        let slot = first_slot + row;
        if slot < shape.slots && channel < shape.channels {
            var sum = 0.0;
            for (var summed = 0u; summed < SUMMED_GROUPS; summed++) {
                let quad = partials[(summed * SLOTS + row) * CHANNEL_LANES + i % CHANNEL_LANES];
                sum += quad[i % CHANNELS / CHANNEL_LANES];
            }
            block_gradients[(workgroup.x * shape.slots + slot) * shape.channels + channel] = sum;
        }
    }
}
