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
// Buffers, row-major: features [N, C], memory [K, C], noise [N, K] (any buffer, unread, unless
// noise_kind is 1), normalized [N, C] = q, scores [N, K] = s, weights [N, K] = w,
// readout [N, C] = r.
//
// One workgroup reads PIXELS consecutive pixels for all slots and channels, in four steps:
//   norms    16 lanes share a pixel; their partial sums are added in lane order
//   scores   tiles of CHANNELS channels go through workgroup memory; one lane accumulates one
//            pixel against SLOTS_PER_LANE slots, four channels after four channels
//   weights  4 lanes share a pixel
//   readout  one lane accumulates one channel of all PIXELS pixels, slot after slot
// Every sum has one fixed order, so equal inputs give equal bits.
//
// Dispatch: x = ceil(N / PIXELS). Limits: N <= 65535 * PIXELS, N * max(C, K) < 2^32.

const LANES = 64u;
const PIXELS = 16u;
const PIXEL_QUADS = 4u; // PIXELS / 4
const CHANNELS = 32u;
const CHANNEL_QUADS = 8u; // CHANNELS / 4
const SLOTS = 20u; // the 19 Cityscapes classes take one tile
const SLOTS_PER_LANE = 5u; // PIXELS * SLOTS / LANES
const TILE_STRIDE = 9u; // CHANNEL_QUADS + 1, so that the rows of a tile start in different banks
const NORM_LANES = 16u;
const SOFTMAX_LANES = 4u; // LANES / PIXELS
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    pixels: u32,
    channels: u32,
    slots: u32,
    noise_kind: u32,
    key_low: u32,
    key_high: u32,
    temperature: f32,
}

@group(0) @binding(0) var<storage, read_write> features: array<f32>;
@group(0) @binding(1) var<storage, read_write> memory: array<f32>;
@group(0) @binding(2) var<storage, read_write> noise: array<f32>;
@group(0) @binding(3) var<storage, read_write> normalized: array<f32>;
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> readout: array<f32>;
@group(0) @binding(7) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> inverse_norms: array<f32, PIXELS>;
var<workgroup> norm_partials: array<f32, PIXELS * NORM_LANES>;
var<workgroup> query_tile: array<vec4<f32>, PIXELS * TILE_STRIDE>; // [pixel][quad of channels]
var<workgroup> memory_tile: array<vec4<f32>, SLOTS * TILE_STRIDE>; // [slot][quad of channels]
var<workgroup> softmax_partials: array<f32, LANES>;
var<workgroup> weight_tile: array<vec4<f32>, SLOTS * PIXEL_QUADS>; // [slot][quad of pixels]

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
        return -708.39642; // ln of the smallest normal f64, where the f64 rule stops
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

fn logit(at: u32, shape: Parameters) -> f32 {
    var score = scores[at];
    if shape.noise_kind == 1u {
        score += noise[at];
    } else if shape.noise_kind == 2u {
        score += gumbel(at, vec2<u32>(shape.key_low, shape.key_high));
    }
    return score / shape.temperature;
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
    let first_pixel = workgroup.x * PIXELS;

    // Norms.
    for (var first_row = 0u; first_row < PIXELS; first_row += LANES / NORM_LANES) {
        let row = first_row + lane / NORM_LANES;
        let pixel = first_pixel + row;
        var sum = 0.0;
        if pixel < shape.pixels {
            for (var c = lane % NORM_LANES; c < shape.channels; c += NORM_LANES) {
                let value = features[pixel * shape.channels + c];
                sum += value * value;
            }
        }
        norm_partials[row * NORM_LANES + lane % NORM_LANES] = sum;
    }
    workgroupBarrier();
    if lane < PIXELS {
        var sum = 0.0;
        for (var i = 0u; i < NORM_LANES; i++) {
            sum += norm_partials[lane * NORM_LANES + i];
        }
        inverse_norms[lane] = 1.0 / sqrt(max(sum, SMALLEST_SQUARED_NORM));
    }

    // Scores. The loop's own first barrier publishes inverse_norms.
    for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
        var sums = array<f32, SLOTS_PER_LANE>();
        let row = lane % PIXELS;
        let first_tile_slot = (lane / PIXELS) * SLOTS_PER_LANE;
        for (var first_channel = 0u; first_channel < shape.channels; first_channel += CHANNELS) {
            workgroupBarrier();
            for (var i = lane; i < PIXELS * CHANNEL_QUADS; i += LANES) {
                let tile_row = i / CHANNEL_QUADS;
                let pixel = first_pixel + tile_row;
                var quad = vec4<f32>();
                for (var j = 0u; j < 4u; j++) {
                    let channel = first_channel + (i % CHANNEL_QUADS) * 4u + j;
                    if pixel < shape.pixels && channel < shape.channels {
                        let at = pixel * shape.channels + channel;
                        quad[j] = features[at] * inverse_norms[tile_row];
                        if first_slot == 0u {
                            normalized[at] = quad[j];
                        }
                    }
                }
                query_tile[tile_row * TILE_STRIDE + i % CHANNEL_QUADS] = quad;
            }
            for (var i = lane; i < SLOTS * CHANNEL_QUADS; i += LANES) {
                let slot = first_slot + i / CHANNEL_QUADS;
                var quad = vec4<f32>();
                for (var j = 0u; j < 4u; j++) {
                    let channel = first_channel + (i % CHANNEL_QUADS) * 4u + j;
                    if slot < shape.slots && channel < shape.channels {
                        quad[j] = memory[slot * shape.channels + channel];
                    }
                }
                memory_tile[(i / CHANNEL_QUADS) * TILE_STRIDE + i % CHANNEL_QUADS] = quad;
            }
            workgroupBarrier();
            for (var c = 0u; c < CHANNEL_QUADS; c++) {
                let query = query_tile[row * TILE_STRIDE + c];
                for (var j = 0u; j < SLOTS_PER_LANE; j++) {
                    sums[j] += dot(query, memory_tile[(first_tile_slot + j) * TILE_STRIDE + c]);
                }
            }
        }
        let pixel = first_pixel + row;
        for (var j = 0u; j < SLOTS_PER_LANE; j++) {
            let slot = first_slot + first_tile_slot + j;
            if pixel < shape.pixels && slot < shape.slots {
                scores[pixel * shape.slots + slot] = sums[j];
            }
        }
    }
    storageBarrier();

    // Weights. A lane writes and rereads its own slots only.
    let softmax_row = lane / SOFTMAX_LANES;
    let softmax_pixel = first_pixel + softmax_row;
    let first_own_slot = lane % SOFTMAX_LANES;
    var largest = -3.4028234e38;
    if softmax_pixel < shape.pixels {
        for (var k = first_own_slot; k < shape.slots; k += SOFTMAX_LANES) {
            let at = softmax_pixel * shape.slots + k;
            let value = logit(at, shape);
            weights[at] = value;
            largest = max(largest, value);
        }
    }
    softmax_partials[lane] = largest;
    workgroupBarrier();
    for (var i = 0u; i < SOFTMAX_LANES; i++) {
        largest = max(largest, softmax_partials[softmax_row * SOFTMAX_LANES + i]);
    }
    workgroupBarrier();
    var own_sum = 0.0;
    if softmax_pixel < shape.pixels {
        for (var k = first_own_slot; k < shape.slots; k += SOFTMAX_LANES) {
            let at = softmax_pixel * shape.slots + k;
            let value = exp(weights[at] - largest);
            weights[at] = value;
            own_sum += value;
        }
    }
    softmax_partials[lane] = own_sum;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < SOFTMAX_LANES; i++) {
        sum += softmax_partials[softmax_row * SOFTMAX_LANES + i];
    }
    if softmax_pixel < shape.pixels {
        for (var k = first_own_slot; k < shape.slots; k += SOFTMAX_LANES) {
            weights[softmax_pixel * shape.slots + k] /= sum;
        }
    }
    storageBarrier();

    // Readout.
    for (var first_channel = 0u; first_channel < shape.channels; first_channel += LANES) {
        let channel = first_channel + lane;
        var sums = array<vec4<f32>, PIXEL_QUADS>();
        for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
            workgroupBarrier();
            for (var i = lane; i < SLOTS * PIXEL_QUADS; i += LANES) {
                let slot = first_slot + i / PIXEL_QUADS;
                var quad = vec4<f32>();
                for (var j = 0u; j < 4u; j++) {
                    let pixel = first_pixel + (i % PIXEL_QUADS) * 4u + j;
                    if pixel < shape.pixels && slot < shape.slots {
                        quad[j] = weights[pixel * shape.slots + slot];
                    }
                }
                weight_tile[i] = quad;
            }
            workgroupBarrier();
            if channel < shape.channels {
                for (var j = 0u; j < min(SLOTS, shape.slots - first_slot); j++) {
                    let value = memory[(first_slot + j) * shape.channels + channel];
                    for (var quad = 0u; quad < PIXEL_QUADS; quad++) {
                        sums[quad] += weight_tile[j * PIXEL_QUADS + quad] * value;
                    }
                }
            }
        }
        for (var row = 0u; row < PIXELS; row++) {
            let pixel = first_pixel + row;
            if pixel < shape.pixels && channel < shape.channels {
                readout[pixel * shape.channels + channel] = sums[row / 4u][row % 4u];
            }
        }
    }
}
