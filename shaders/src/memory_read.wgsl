// Memory read: how much each pixel resembles each memory slot, and what the slots answer.
//
//   q_n  = f_n / max(|f_n|, 1e-12)
//   s_nk = <q_n, M_k>
//   w_n  = softmax_k((s_nk + g_nk) / T)
//   r_n  = sum_k w_nk M_k
//
// The noise g is 0 where noise_kind is 0, given where it is 1, and drawn where it is 2: number
// i = n K + k of a stream is bits_i = mix(key + (i + 1) gamma) in 64 bits (splitmix64),
// u_i = floor(bits_i / 2^11) / 2^53 and g = -ln(-ln(1 - u_i)), to a few roundings of f32.
//
// Buffers: features [B, C, h, w] = f in any layout, by its four strides; row-major: memory [K, C],
// noise [N, K], N = B h w (any buffer, unread, unless noise_kind is 1), joined [B, 2C, h, w] = q,
// then r; scores [B, K, h, w] = s, weights [B, K, h, w] = w, squared_norms [N] = |f_n|^2.
//
// One workgroup reads PIXELS consecutive pixels for all slots and channels. A lane holds four
// pixels, PIXEL_LANES apart so that neighbouring lanes load neighbouring numbers, and every
// CHANNEL_GROUPS-th channel; each number of the memory, which goes through workgroup memory, meets
// four pixels. Three steps:
//   scores   a lane sums four pixels against SLOTS slots and their squares; then the groups' sums
//            are added in one order
//   weights  a lane takes every CHANNEL_GROUPS-th slot of its pixels
//   results  a lane scales its pixels' channels, whose features still lie in a cache, and adds the
//            slots; beyond SLOTS slots the readout is added to, tile of slots after tile
// Every sum has one fixed order, so equal inputs give equal bits.
//
// Dispatch: x = ceil(N / PIXELS). Limits: N <= 65535 * PIXELS, N * max(2C, K) < 2^32, and so the
// place of every feature in its buffer.

const LANES = 64u;
const PIXEL_LANES = 8u;
const CHANNEL_GROUPS = 8u; // LANES / PIXEL_LANES
const SUMMED_GROUPS = 4u; // CHANNEL_GROUPS / 2: the upper half hands its sums to the lower
const PIXELS = 32u; // 4 * PIXEL_LANES
const SLOTS = 20u; // the 19 Cityscapes classes take one tile
const SLOT_QUADS = 5u; // SLOTS / 4
const ROWS = 21u; // SLOTS, and the squared norm
const CHANNELS = 64u; // of the memory's tile
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    pixels: u32,
    plane: u32, // h w
    width: u32,
    channels: u32,
    slots: u32,
    image_stride: u32,
    channel_stride: u32,
    row_stride: u32,
    column_stride: u32,
    noise_kind: u32,
    key_low: u32,
    key_high: u32,
    temperature: f32,
}

@group(0) @binding(0) var<storage, read_write> features: array<f32>;
@group(0) @binding(1) var<storage, read_write> memory: array<f32>;
@group(0) @binding(2) var<storage, read_write> noise: array<f32>;
@group(0) @binding(3) var<storage, read_write> joined: array<f32>;
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> squared_norms: array<f32>;
@group(0) @binding(7) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> memory_tile: array<vec4<f32>, CHANNELS * SLOT_QUADS>; // [channel][quad of slots]
var<workgroup> partials: array<vec4<f32>, SUMMED_GROUPS * ROWS * PIXEL_LANES>; // of four pixels

// Numbers of 64 bits: the low word, then the high word.

fn sum64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn product64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    // The low words' product in halves of 16 bits, whose products fit a word.
    let a0 = a.x & 0xffffu;
    let a1 = a.x >> 16u;
    let b0 = b.x & 0xffffu;
    let b1 = b.x >> 16u;
    let middle = ((a0 * b0) >> 16u) + ((a0 * b1) & 0xffffu) + ((a1 * b0) & 0xffffu);
    let low = ((a0 * b0) & 0xffffu) | (middle << 16u);
    let carried = ((a0 * b1) >> 16u) + ((a1 * b0) >> 16u) + (middle >> 16u);
    return vec2<u32>(low, a1 * b1 + carried + a.x * b.y + a.y * b.x);
}

// z ^ (z >> count), count in 1..32.
fn folded64(z: vec2<u32>, count: u32) -> vec2<u32> {
    return z ^ vec2<u32>((z.x >> count) | (z.y << (32u - count)), z.y >> count);
}

fn gumbel(index: u32, key: vec2<u32>) -> f32 {
    let gamma = vec2<u32>(0x7f4a7c15u, 0x9e3779b9u);
    var z = sum64(key, product64(gamma, vec2<u32>(index + 1u, 0u)));
    z = product64(folded64(z, 30u), vec2<u32>(0x1ce4e5b9u, 0xbf58476du));
    z = product64(folded64(z, 27u), vec2<u32>(0x133111ebu, 0x94d049bbu));
    z = folded64(z, 31u);
    // u in units of 2^-53: 21 high and 32 low bits.
    let low = (z.x >> 11u) | (z.y << 21u);
    let high = z.y >> 11u;
    if low == 0u && high == 0u {
        return 708.39642; // -ln of the smallest normal f64, where the f64 rule stops
    }
    var exponential: f32;
    if high < 0x100000u {
        // -ln(1 - u) = 2 artanh(u / (2 - u)) for u < 1/2, as ln itself is inexact near 1.
        let u = f32(high) * 0x1p-21f + f32(low) * 0x1p-53f;
        let t = u / (2.0 - u);
        let s = t * t;
        let inner = 1.0 / 7.0 + s * (1.0 / 9.0 + s * (1.0 / 11.0 + s * (1.0 / 13.0)));
        exponential = 2.0 * t * (1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * inner)));
    } else {
        // 1 - u in the same units, exactly.
        let rest_high = 0x200000u - high - select(0u, 1u, low != 0u);
        exponential = -log(f32(rest_high) * 0x1p-21f + f32(0u - low) * 0x1p-53f);
    }
    return -log(exponential);
}

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

fn features_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(features[at.x], features[at.y], features[at.z], features[at.w]);
}

fn joined_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(joined[at.x], joined[at.y], joined[at.z], joined[at.w]);
}

fn weights_from(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(weights[at.x], weights[at.y], weights[at.z], weights[at.w]);
}

fn store_joined(at: vec4<u32>, is_inside: vec4<bool>, values: vec4<f32>) {
    if is_inside.x {
        joined[at.x] = values.x;
    }
    if is_inside.y {
        joined[at.y] = values.y;
    }
    if is_inside.z {
        joined[at.z] = values.z;
    }
    if is_inside.w {
        joined[at.w] = values.w;
    }
}

fn weights_of(pixel_at: vec4<u32>, slot: u32, shape: Parameters) -> vec4<f32> {
    if slot < shape.slots {
        return weights_from(pixel_at + slot * shape.plane);
    }
    return vec4<f32>();
}

// The weights of four pixels for four slots: a column is a slot.
fn weights_columns(pixel_at: vec4<u32>, first_slot: u32, shape: Parameters) -> mat4x4<f32> {
    return mat4x4<f32>(
        weights_of(pixel_at, first_slot, shape),
        weights_of(pixel_at, first_slot + 1u, shape),
        weights_of(pixel_at, first_slot + 2u, shape),
        weights_of(pixel_at, first_slot + 3u, shape),
    );
}

fn store_scores(at: vec4<u32>, is_inside: vec4<bool>, values: vec4<f32>) {
    if is_inside.x {
        scores[at.x] = values.x;
    }
    if is_inside.y {
        scores[at.y] = values.y;
    }
    if is_inside.z {
        scores[at.z] = values.z;
    }
    if is_inside.w {
        scores[at.w] = values.w;
    }
}

fn store_weights(at: vec4<u32>, is_inside: vec4<bool>, values: vec4<f32>) {
    if is_inside.x {
        weights[at.x] = values.x;
    }
    if is_inside.y {
        weights[at.y] = values.y;
    }
    if is_inside.z {
        weights[at.z] = values.z;
    }
    if is_inside.w {
        weights[at.w] = values.w;
    }
}

fn store_squared_norms(at: vec4<u32>, is_inside: vec4<bool>, values: vec4<f32>) {
    if is_inside.x {
        squared_norms[at.x] = values.x;
    }
    if is_inside.y {
        squared_norms[at.y] = values.y;
    }
    if is_inside.z {
        squared_norms[at.z] = values.z;
    }
    if is_inside.w {
        squared_norms[at.w] = values.w;
    }
}

// The first slot from first_slot on that a group's lanes own: every CHANNEL_GROUPS-th.
fn first_owned(first_slot: u32, group: u32) -> u32 {
    return first_slot + ((group - first_slot) & (CHANNEL_GROUPS - 1u));
}

fn logit(score: f32, pixel: u32, slot: u32, shape: Parameters) -> f32 {
    var noisy = score;
    let at = pixel * shape.slots + slot;
    if shape.noise_kind == 1u {
        noisy += noise[at];
    } else if shape.noise_kind == 2u {
        noisy += gumbel(at, vec2<u32>(shape.key_low, shape.key_high));
    }
    return noisy / shape.temperature;
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
    let feature_at = image * shape.image_stride
        + (place / shape.width) * shape.row_stride
        + (place % shape.width) * shape.column_stride;
    let joined_at = image * (2u * shape.channels * shape.plane) + place;
    let score_at = image * (shape.slots * shape.plane) + place;

    // Scores, and the logits, which the weights' buffer keeps until they are normalised.
    var inverse_norms = vec4<f32>();
    var largest = vec4<f32>(-3.4028234e38);
    for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
        var sums0 = mat4x4<f32>();
        var sums1 = mat4x4<f32>();
        var sums2 = mat4x4<f32>();
        var sums3 = mat4x4<f32>();
        var sums4 = mat4x4<f32>();
        var squares = vec4<f32>();
        for (var first_channel = 0u; first_channel < shape.channels; first_channel += CHANNELS) {
            workgroupBarrier();
            fill_memory_tile(first_slot, first_channel, lane, shape);
            workgroupBarrier();
            let end = min(CHANNELS, shape.channels - first_channel);
            for (var c = group; c < end; c += CHANNEL_GROUPS) {
                let tile = c * SLOT_QUADS;
                let values = features_from(feature_at + (first_channel + c) * shape.channel_stride);
                squares += values * values;
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
            partials[own + 5u * step] = squares;
        }
        workgroupBarrier();
        if group < SUMMED_GROUPS {
            put(own, sums0 + found(own));
            put(own + step, sums1 + found(own + step));
            put(own + 2u * step, sums2 + found(own + 2u * step));
            put(own + 3u * step, sums3 + found(own + 3u * step));
            put(own + 4u * step, sums4 + found(own + 4u * step));
            partials[own + 5u * step] += squares;
        }
        workgroupBarrier();
        let squared = summed(SLOTS, pixel_lane);
        inverse_norms = 1.0 / sqrt(divisor(squared));
        if first_slot == 0u && group == 0u {
            store_squared_norms(pixels, is_inside, squared);
        }
        let end = min(first_slot + SLOTS, shape.slots);
        for (var k = first_owned(first_slot, group); k < end; k += CHANNEL_GROUPS) {
            let found_scores = summed(k - first_slot, pixel_lane) * inverse_norms;
            let logits = vec4<f32>(
                logit(found_scores.x, pixels.x, k, shape),
                logit(found_scores.y, pixels.y, k, shape),
                logit(found_scores.z, pixels.z, k, shape),
                logit(found_scores.w, pixels.w, k, shape),
            );
            store_scores(score_at + k * shape.plane, is_inside, found_scores);
            store_weights(score_at + k * shape.plane, is_inside, logits);
            largest = max(largest, logits);
        }
    }

    // Weights: a lane rereads its own slots alone. The memory's tile holds what lanes exchange.
    memory_tile[lane] = largest;
    workgroupBarrier();
    for (var i = 0u; i < CHANNEL_GROUPS; i++) {
        largest = max(largest, memory_tile[i * PIXEL_LANES + pixel_lane]);
    }
    var own_sum = vec4<f32>();
    for (var k = first_owned(0u, group); k < shape.slots; k += CHANNEL_GROUPS) {
        let at = score_at + k * shape.plane;
        let values = exp(weights_from(at) - largest);
        store_weights(at, is_inside, values);
        own_sum += values;
    }
    memory_tile[LANES + lane] = own_sum;
    workgroupBarrier();
    var sum = vec4<f32>();
    for (var i = 0u; i < CHANNEL_GROUPS; i++) {
        sum += memory_tile[LANES + i * PIXEL_LANES + pixel_lane];
    }
    for (var k = first_owned(0u, group); k < shape.slots; k += CHANNEL_GROUPS) {
        let at = score_at + k * shape.plane;
        store_weights(at, is_inside, weights_from(at) / sum);
    }
    storageBarrier();

    // Normalised features and readout.
    let answer_offset = shape.channels * shape.plane;
    for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
        let columns0 = weights_columns(score_at, first_slot, shape);
        let columns1 = weights_columns(score_at, first_slot + 4u, shape);
        let columns2 = weights_columns(score_at, first_slot + 8u, shape);
        let columns3 = weights_columns(score_at, first_slot + 12u, shape);
        let columns4 = weights_columns(score_at, first_slot + 16u, shape);
        for (var first_channel = 0u; first_channel < shape.channels; first_channel += CHANNELS) {
            workgroupBarrier();
            fill_memory_tile(first_slot, first_channel, lane, shape);
            workgroupBarrier();
            let end = min(CHANNELS, shape.channels - first_channel);
            for (var c = group; c < end; c += CHANNEL_GROUPS) {
                let tile = c * SLOT_QUADS;
                let at = joined_at + (first_channel + c) * shape.plane;
                var sum = vec4<f32>();
                if first_slot == 0u {
                    let source = feature_at + (first_channel + c) * shape.channel_stride;
                    store_joined(at, is_inside, features_from(source) * inverse_norms);
                } else {
                    sum = joined_from(at + answer_offset);
                }
                sum += columns0 * memory_tile[tile];
                sum += columns1 * memory_tile[tile + 1u];
                sum += columns2 * memory_tile[tile + 2u];
                sum += columns3 * memory_tile[tile + 3u];
                sum += columns4 * memory_tile[tile + 4u];
                store_joined(at + answer_offset, is_inside, sum);
            }
        }
    }
}
