// Backward of the memory read, first of two: the gradients that reach scores and features.
//
//   dW_nk = dw_nk + <dr_n, M_k>                           the weights' gradient, readout included
//   dS_nk = ds_nk + w_nk (dW_nk - sum_j w_nj dW_nj) / T   the softmax backwards
//   dQ_n  = dq_n + sum_k dS_nk M_k
//   df_n  = (dQ_n - q_n <q_n, dQ_n>) / |f_n|      where |f_n| >= 1e-12
//   df_n  = dQ_n / 1e-12                          elsewhere: the clamped norm is a constant
//
// where <q_n, dQ_n> = <q_n, dq_n> + sum_k dS_nk s_nk.
//
// Buffers, row-major: memory [K, C], joined [B, 2C, h, w] = q, then r; squared_norms [N] = |f_n|^2,
// N = B h w; scores, weights, score_gradient and weight_gradient [B, K, h, w] = s, w, ds and dw,
// joined_gradient [B, 2C, h, w] = dq, then dr; total [B, K, h, w] = dS, feature_gradient
// [B, C, h, w] = df. A gradient whose has_ flag is 0 counts as zero and its buffer is not read.
//
// One workgroup takes PIXELS consecutive pixels for all slots and channels, with lanes that hold
// pixels, channels and slots as in memory_read.wgsl: sums of dr over the channels, the softmax
// backwards, then the features' gradient, whose operands still lie in a cache. Beyond SLOTS slots
// feature_gradient keeps dQ meanwhile. Every sum has one fixed order.
//
// Dispatch: x = ceil(N / PIXELS). Limits: N <= 65535 * PIXELS, N * max(2C, K) < 2^32.
//
// Eleven storage buffers are bound, where WebGPU's default limit is 8: it takes a device opened with
// the limits of its adapter, as Burn opens every one.

const LANES = 64u;
const PIXEL_LANES = 8u;
const CHANNEL_GROUPS = 8u; // LANES / PIXEL_LANES
const SUMMED_GROUPS = 4u; // CHANNEL_GROUPS / 2: the upper half hands its sums to the lower
const PIXELS = 32u; // 4 * PIXEL_LANES
const SLOTS = 20u;
const SLOT_QUADS = 5u; // SLOTS / 4
const ROWS = 21u; // SLOTS, and <q, dq>
const CHANNELS = 64u; // of the memory's tile
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    pixels: u32,
    plane: u32, // h w
    channels: u32,
    slots: u32,
    has_score_gradient: u32,
    has_weight_gradient: u32,
    has_joined_gradient: u32,
    temperature: f32,
}

@group(0) @binding(0) var<storage, read_write> memory: array<f32>;
@group(0) @binding(1) var<storage, read_write> joined: array<f32>;
@group(0) @binding(2) var<storage, read_write> squared_norms: array<f32>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> score_gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> weight_gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> joined_gradient: array<f32>;
@group(0) @binding(8) var<storage, read_write> total: array<f32>;
@group(0) @binding(9) var<storage, read_write> feature_gradient: array<f32>;
@group(0) @binding(10) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> memory_tile: array<vec4<f32>, CHANNELS * SLOT_QUADS>; // [channel][quad of slots]
var<workgroup> partials: array<vec4<f32>, SUMMED_GROUPS * ROWS * PIXEL_LANES>; // of four pixels

fn memory_at(slot: u32, channel: u32, shape: Parameters) -> f32 {
    if slot < shape.slots {
        return memory[slot * shape.channels + channel];
    }
    return 0.0;
}

// Slots first_slot.. of channels first_channel.. of the memory; beyond the last slot, 0.
fn fill_memory_tile(first_slot: u32, first_channel: u32, lane: u32, shape: Parameters) {
    for (var i = lane; i < CHANNELS * SLOT_QUADS; i += LANES) {
        let channel = min(first_channel + i % CHANNELS, shape.channels - 1u);
        let slot = first_slot + 4u * (i / CHANNELS);
        memory_tile[(i % CHANNELS) * SLOT_QUADS + i / CHANNELS] = vec4<f32>(
            memory_at(slot, channel, shape),
            memory_at(slot + 1u, channel, shape),
            memory_at(slot + 2u, channel, shape),
            memory_at(slot + 3u, channel, shape),
        );
    }
}

// The sums' four columns, a slot each.
fn put(at: u32, sums: mat4x4<f32>) {
    partials[at] = sums[0];
    partials[at + PIXEL_LANES] = sums[1];
    partials[at + 2u * PIXEL_LANES] = sums[2];
    partials[at + 3u * PIXEL_LANES] = sums[3];
}

fn found(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        partials[at],
        partials[at + PIXEL_LANES],
        partials[at + 2u * PIXEL_LANES],
        partials[at + 3u * PIXEL_LANES],
    );
}

// One row of the sums, of all groups.
fn summed(row: u32, pixel_lane: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var group = 0u; group < SUMMED_GROUPS; group++) {
        sum += partials[(group * ROWS + row) * PIXEL_LANES + pixel_lane];
    }
    return sum;
}

// At least SMALLEST_SQUARED_NORM, in a sum that keeps what is no number.
fn divisor(squared: vec4<f32>) -> vec4<f32> {
    return squared + max(SMALLEST_SQUARED_NORM - squared, vec4<f32>());
}

// Four pixels against four slots: a column is a slot.
fn outer(pixels: vec4<f32>, slots: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(pixels * slots.x, pixels * slots.y, pixels * slots.z, pixels * slots.w);
}

fn joined_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(joined[at.x], joined[at.y], joined[at.z], joined[at.w]);
}

fn joined_gradient_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(joined_gradient[at.x], joined_gradient[at.y], joined_gradient[at.z], joined_gradient[at.w]);
}

fn feature_gradient_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(feature_gradient[at.x], feature_gradient[at.y], feature_gradient[at.z], feature_gradient[at.w]);
}

fn total_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(total[at.x], total[at.y], total[at.z], total[at.w]);
}

fn store_feature_gradient(at: vec4<u32>, is_inside: vec4<bool>, values: vec4<f32>) {
    if is_inside.x {
        feature_gradient[at.x] = values.x;
    }
    if is_inside.y {
        feature_gradient[at.y] = values.y;
    }
    if is_inside.z {
        feature_gradient[at.z] = values.z;
    }
    if is_inside.w {
        feature_gradient[at.w] = values.w;
    }
}

fn total_of(pixel_at: vec4<u32>, slot: u32, shape: Parameters) -> vec4<f32> {
    if slot < shape.slots {
        return total_from(pixel_at + slot * shape.plane);
    }
    return vec4<f32>();
}

// dS of four pixels for four slots: a column is a slot.
fn total_columns(pixel_at: vec4<u32>, first_slot: u32, shape: Parameters) -> mat4x4<f32> {
    return mat4x4<f32>(
        total_of(pixel_at, first_slot, shape),
        total_of(pixel_at, first_slot + 1u, shape),
        total_of(pixel_at, first_slot + 2u, shape),
        total_of(pixel_at, first_slot + 3u, shape),
    );
}

fn scores_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(scores[at.x], scores[at.y], scores[at.z], scores[at.w]);
}

fn weights_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(weights[at.x], weights[at.y], weights[at.z], weights[at.w]);
}

fn score_gradient_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(score_gradient[at.x], score_gradient[at.y], score_gradient[at.z], score_gradient[at.w]);
}

fn weight_gradient_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(weight_gradient[at.x], weight_gradient[at.y], weight_gradient[at.z], weight_gradient[at.w]);
}

fn squared_norms_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(squared_norms[at.x], squared_norms[at.y], squared_norms[at.z], squared_norms[at.w]);
}

fn store_total(at: vec4<u32>, is_inside: vec4<bool>, values: vec4<f32>) {
    if is_inside.x {
        total[at.x] = values.x;
    }
    if is_inside.y {
        total[at.y] = values.y;
    }
    if is_inside.z {
        total[at.z] = values.z;
    }
    if is_inside.w {
        total[at.w] = values.w;
    }
}

// The first slot from first_slot on that a group's lanes own: every CHANNEL_GROUPS-th.
fn first_owned(first_slot: u32, group: u32) -> u32 {
    return first_slot + ((group - first_slot) & (CHANNEL_GROUPS - 1u));
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
    let pixel_lane = lane % PIXEL_LANES;
    let group = lane / PIXEL_LANES;
    // Beyond the last pixel a lane reads the last one and writes nothing.
    let own_pixels = workgroup.x * PIXELS + pixel_lane + PIXEL_LANES * vec4<u32>(0u, 1u, 2u, 3u);
    let is_inside = own_pixels < vec4<u32>(shape.pixels);
    let pixels = min(own_pixels, vec4<u32>(shape.pixels - 1u));
    let image = pixels / shape.plane;
    let place = pixels % shape.plane;
    let joined_at = image * (2u * shape.channels * shape.plane) + place;
    let answer_at = joined_at + shape.channels * shape.plane;
    let feature_at = image * (shape.channels * shape.plane) + place;
    let score_at = image * (shape.slots * shape.plane) + place;

    // dW, which `total` keeps until the softmax is done; <q, dq>; and sum_j w_j dW_j.
    var along = vec4<f32>();
    var own_mean = vec4<f32>();
    for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
        if shape.has_joined_gradient != 0u {
            var sums0 = mat4x4<f32>();
            var sums1 = mat4x4<f32>();
            var sums2 = mat4x4<f32>();
            var sums3 = mat4x4<f32>();
            var sums4 = mat4x4<f32>();
            var projected = vec4<f32>();
            for (var first_channel = 0u; first_channel < shape.channels; first_channel += CHANNELS) {
                workgroupBarrier();
                fill_memory_tile(first_slot, first_channel, lane, shape);
                workgroupBarrier();
                let end = min(CHANNELS, shape.channels - first_channel);
                for (var c = group; c < end; c += CHANNEL_GROUPS) {
                    let tile = c * SLOT_QUADS;
                    let offset = (first_channel + c) * shape.plane;
                    let values = joined_gradient_from(answer_at + offset);
                    projected += joined_from(joined_at + offset)
                        * joined_gradient_from(joined_at + offset);
                    sums0 += outer(values, memory_tile[tile]);
                    sums1 += outer(values, memory_tile[tile + 1u]);
                    sums2 += outer(values, memory_tile[tile + 2u]);
                    sums3 += outer(values, memory_tile[tile + 3u]);
                    sums4 += outer(values, memory_tile[tile + 4u]);
                }
            }
            let own = (group % SUMMED_GROUPS) * ROWS * PIXEL_LANES + pixel_lane;
            let step = 4u * PIXEL_LANES;
            if group >= SUMMED_GROUPS {
                put(own, sums0);
                put(own + step, sums1);
                put(own + 2u * step, sums2);
                put(own + 3u * step, sums3);
                put(own + 4u * step, sums4);
                partials[own + 5u * step] = projected;
            }
            workgroupBarrier();
            if group < SUMMED_GROUPS {
                put(own, sums0 + found(own));
                put(own + step, sums1 + found(own + step));
                put(own + 2u * step, sums2 + found(own + 2u * step));
                put(own + 3u * step, sums3 + found(own + 3u * step));
                put(own + 4u * step, sums4 + found(own + 4u * step));
                partials[own + 5u * step] += projected;
            }
            workgroupBarrier();
            along = summed(SLOTS, pixel_lane);
        }
        let end = min(first_slot + SLOTS, shape.slots);
        for (var k = first_owned(first_slot, group); k < end; k += CHANNEL_GROUPS) {
            var gradient = vec4<f32>();
            if shape.has_joined_gradient != 0u {
                gradient = summed(k - first_slot, pixel_lane);
            }
            let at = score_at + k * shape.plane;
            if shape.has_weight_gradient != 0u {
                gradient += weight_gradient_from(at);
            }
            store_total(at, is_inside, gradient);
            own_mean += weights_from(at) * gradient;
        }
    }

    // dS: a lane rereads its own slots alone. The memory's tile holds what lanes exchange.
    memory_tile[lane] = own_mean;
    workgroupBarrier();
    var mean = vec4<f32>();
    for (var i = 0u; i < CHANNEL_GROUPS; i++) {
        mean += memory_tile[i * PIXEL_LANES + pixel_lane];
    }
    var own_projection = vec4<f32>();
    for (var k = first_owned(0u, group); k < shape.slots; k += CHANNEL_GROUPS) {
        let at = score_at + k * shape.plane;
        var gradient = weights_from(at) * (total_from(at) - mean) / shape.temperature;
        if shape.has_score_gradient != 0u {
            gradient += score_gradient_from(at);
        }
        store_total(at, is_inside, gradient);
        own_projection += gradient * scores_from(at);
    }
    memory_tile[LANES + lane] = own_projection;
    storageBarrier();
    workgroupBarrier();
    var projection = along;
    for (var i = 0u; i < CHANNEL_GROUPS; i++) {
        projection += memory_tile[LANES + i * PIXEL_LANES + pixel_lane];
    }

    // df.
    let squared = squared_norms_from(pixels);
    let smallest = vec4<f32>(SMALLEST_SQUARED_NORM);
    let inverse_norms = 1.0 / sqrt(divisor(squared));
    projection = select(projection, vec4<f32>(), squared < smallest);
    for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
        let columns0 = total_columns(score_at, first_slot, shape);
        let columns1 = total_columns(score_at, first_slot + 4u, shape);
        let columns2 = total_columns(score_at, first_slot + 8u, shape);
        let columns3 = total_columns(score_at, first_slot + 12u, shape);
        let columns4 = total_columns(score_at, first_slot + 16u, shape);
        for (var first_channel = 0u; first_channel < shape.channels; first_channel += CHANNELS) {
            workgroupBarrier();
            fill_memory_tile(first_slot, first_channel, lane, shape);
            workgroupBarrier();
            let end = min(CHANNELS, shape.channels - first_channel);
            for (var c = group; c < end; c += CHANNEL_GROUPS) {
                let tile = c * SLOT_QUADS;
                let offset = (first_channel + c) * shape.plane;
                var sum = vec4<f32>();
                if first_slot != 0u {
                    sum = feature_gradient_from(feature_at + offset);
                } else if shape.has_joined_gradient != 0u {
                    sum = joined_gradient_from(joined_at + offset);
                }
                sum += columns0 * memory_tile[tile];
                sum += columns1 * memory_tile[tile + 1u];
                sum += columns2 * memory_tile[tile + 2u];
                sum += columns3 * memory_tile[tile + 3u];
                sum += columns4 * memory_tile[tile + 4u];
                if first_slot + SLOTS >= shape.slots {
                    sum = (sum - joined_from(joined_at + offset) * projection) * inverse_norms;
                }
                store_feature_gradient(feature_at + offset, is_inside, sum);
            }
        }
    }
}
