// Backward of the memory read, first of three: the gradient that reaches the scores.
//
//   dW_nk = dw_nk + <dr_n, M_k>                           the weights' gradient, readout included
//   dS_nk = ds_nk + w_nk (dW_nk - sum_j w_nj dW_nj) / T   the softmax backwards
//
// Buffers, row-major: memory [K, C], weights [N, K] = w, score_gradient [N, K] = ds,
// weight_gradient [N, K] = dw, readout_gradient [N, C] = dr, total [N, K] = dS. A gradient whose
// has_ flag is 0 counts as zero and its buffer is not read.
//
// One workgroup takes PIXELS consecutive pixels for all slots and channels: tiles of CHANNELS
// channels go through workgroup memory and one lane accumulates one pixel against SLOTS_PER_LANE
// slots; then 4 lanes share a pixel for the softmax. Every sum has one fixed order.
//
// Dispatch: x = ceil(N / PIXELS). Limits: N <= 65535 * PIXELS, N * max(C, K) < 2^32.

const LANES = 64u;
const PIXELS = 16u;
const CHANNELS = 32u;
const CHANNEL_QUADS = 8u; // CHANNELS / 4
const SLOTS = 20u;
const SLOTS_PER_LANE = 5u; // PIXELS * SLOTS / LANES
const TILE_STRIDE = 9u; // CHANNEL_QUADS + 1, so that the rows of a tile start in different banks
const SOFTMAX_LANES = 4u; // LANES / PIXELS

struct Parameters {
    pixels: u32,
    channels: u32,
    slots: u32,
    has_score_gradient: u32,
    has_weight_gradient: u32,
    has_readout_gradient: u32,
    temperature: f32,
}

@group(0) @binding(0) var<storage, read_write> memory: array<f32>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> score_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> readout_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> total: array<f32>;
@group(0) @binding(6) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> readout_tile: array<vec4<f32>, PIXELS * TILE_STRIDE>; // [pixel][quad of channels]
var<workgroup> memory_tile: array<vec4<f32>, SLOTS * TILE_STRIDE>; // [slot][quad of channels]
var<workgroup> softmax_partials: array<f32, LANES>;

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
    // Without a gradient of the readout, no channel is visited.
    let channels = select(0u, shape.channels, shape.has_readout_gradient != 0u);

    // dW, kept in `total` until the softmax is done.
    for (var first_slot = 0u; first_slot < shape.slots; first_slot += SLOTS) {
        var sums = array<f32, SLOTS_PER_LANE>();
        let row = lane % PIXELS;
        let first_tile_slot = (lane / PIXELS) * SLOTS_PER_LANE;
        for (var first_channel = 0u; first_channel < channels; first_channel += CHANNELS) {
            workgroupBarrier();
            for (var i = lane; i < PIXELS * CHANNEL_QUADS; i += LANES) {
                let pixel = first_pixel + i / CHANNEL_QUADS;
                var quad = vec4<f32>();
                for (var j = 0u; j < 4u; j++) {
                    let channel = first_channel + (i % CHANNEL_QUADS) * 4u + j;
                    if pixel < shape.pixels && channel < channels {
                        quad[j] = readout_gradient[pixel * channels + channel];
                    }
                }
                readout_tile[(i / CHANNEL_QUADS) * TILE_STRIDE + i % CHANNEL_QUADS] = quad;
            }
            for (var i = lane; i < SLOTS * CHANNEL_QUADS; i += LANES) {
                let slot = first_slot + i / CHANNEL_QUADS;
                var quad = vec4<f32>();
                for (var j = 0u; j < 4u; j++) {
                    let channel = first_channel + (i % CHANNEL_QUADS) * 4u + j;
                    if slot < shape.slots && channel < channels {
                        quad[j] = memory[slot * channels + channel];
                    }
                }
                memory_tile[(i / CHANNEL_QUADS) * TILE_STRIDE + i % CHANNEL_QUADS] = quad;
            }
            workgroupBarrier();
            for (var c = 0u; c < CHANNEL_QUADS; c++) {
                let gradient = readout_tile[row * TILE_STRIDE + c];
                for (var j = 0u; j < SLOTS_PER_LANE; j++) {
                    sums[j] += dot(gradient, memory_tile[(first_tile_slot + j) * TILE_STRIDE + c]);
                }
            }
        }
        let pixel = first_pixel + row;
        for (var j = 0u; j < SLOTS_PER_LANE; j++) {
            let slot = first_slot + first_tile_slot + j;
            if pixel < shape.pixels && slot < shape.slots {
                let at = pixel * shape.slots + slot;
                var gradient = sums[j];
                if shape.has_weight_gradient != 0u {
                    gradient += weight_gradient[at];
                }
                total[at] = gradient;
            }
        }
    }
    storageBarrier();

    // The softmax backwards. A lane rereads and overwrites its own slots only.
    let softmax_row = lane / SOFTMAX_LANES;
    let softmax_pixel = first_pixel + softmax_row;
    let first_own_slot = lane % SOFTMAX_LANES;
    var own_mean = 0.0;
    if softmax_pixel < shape.pixels {
        for (var k = first_own_slot; k < shape.slots; k += SOFTMAX_LANES) {
            let at = softmax_pixel * shape.slots + k;
            own_mean += weights[at] * total[at];
        }
    }
    softmax_partials[lane] = own_mean;
    workgroupBarrier();
    var mean = 0.0;
    for (var i = 0u; i < SOFTMAX_LANES; i++) {
        mean += softmax_partials[softmax_row * SOFTMAX_LANES + i];
    }
    if softmax_pixel < shape.pixels {
        for (var k = first_own_slot; k < shape.slots; k += SOFTMAX_LANES) {
            let at = softmax_pixel * shape.slots + k;
            var gradient = weights[at] * (total[at] - mean) / shape.temperature;
            if shape.has_score_gradient != 0u {
                gradient += score_gradient[at];
            }
            total[at] = gradient;
        }
    }
}
