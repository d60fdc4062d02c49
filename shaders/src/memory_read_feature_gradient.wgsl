// Backward of the memory read, second of three: the gradient that reaches the features.
//
//   dQ_n = dq_n + sum_k dS_nk M_k
//   df_n = (dQ_n - q_n <q_n, dQ_n>) / |f_n|      where |f_n| >= 1e-12
//   df_n = dQ_n / 1e-12                          elsewhere: the clamped norm is a constant
//
// Buffers, row-major: features [N, C] = f, memory [K, C], score_gradient [N, K] = dS,
// normalized_gradient [N, C] = dq (counts as zero and is not read where
// has_normalized_gradient is 0), feature_gradient [N, C] = df, inverse_norms [N] =
// 1 / max(|f_n|, 1e-12), for the memory's gradient.
//
// One workgroup takes PIXELS consecutive pixels for all channels: 16 lanes share a pixel for its
// norm; then one lane accumulates one channel of all PIXELS pixels, slot after slot, and the
// lanes' parts of <q, dQ> are added in lane order. Every sum has one fixed order.
//
// Dispatch: x = ceil(N / PIXELS). Limits: N <= 65535 * PIXELS, N * max(C, K) < 2^32.

const LANES = 64u;
const PIXELS = 16u;
const PIXEL_QUADS = 4u; // PIXELS / 4
const SLOTS = 20u;
const NORM_LANES = 16u;
const LANE_STRIDE = 65u; // LANES + 1, so that the rows of partials start in different banks
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    pixels: u32,
    channels: u32,
    slots: u32,
    has_normalized_gradient: u32,
}

@group(0) @binding(0) var<storage, read_write> features: array<f32>;
@group(0) @binding(1) var<storage, read_write> memory: array<f32>;
@group(0) @binding(2) var<storage, read_write> score_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> normalized_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> feature_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> inverse_norms: array<f32>;
@group(0) @binding(6) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> partials: array<f32, PIXELS * LANE_STRIDE>;
var<workgroup> row_inverse_norms: array<f32, PIXELS>;
var<workgroup> norm_is_clamped: array<u32, PIXELS>;
var<workgroup> projections: array<f32, PIXELS>;
var<workgroup> score_tile: array<vec4<f32>, SLOTS * PIXEL_QUADS>; // [slot][quad of pixels]

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

    // Norms, summed in the forward shader's order.
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
        partials[row * LANE_STRIDE + lane % NORM_LANES] = sum;
    }
    workgroupBarrier();
    if lane < PIXELS {
        var sum = 0.0;
        for (var i = 0u; i < NORM_LANES; i++) {
            sum += partials[lane * LANE_STRIDE + i];
        }
        let inverse_norm = 1.0 / sqrt(max(sum, SMALLEST_SQUARED_NORM));
        row_inverse_norms[lane] = inverse_norm;
        norm_is_clamped[lane] = select(0u, 1u, sum < SMALLEST_SQUARED_NORM);
        if first_pixel + lane < shape.pixels {
            inverse_norms[first_pixel + lane] = inverse_norm;
        }
    }
    workgroupBarrier();

    // dQ, kept in `feature_gradient`; each lane's part of <q, dQ> meanwhile.
    var own_projections = array<f32, PIXELS>();
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
                        quad[j] = score_gradient[pixel * shape.slots + slot];
                    }
                }
                score_tile[i] = quad;
            }
            workgroupBarrier();
            if channel < shape.channels {
                for (var j = 0u; j < min(SLOTS, shape.slots - first_slot); j++) {
                    let value = memory[(first_slot + j) * shape.channels + channel];
                    for (var quad = 0u; quad < PIXEL_QUADS; quad++) {
                        sums[quad] += score_tile[j * PIXEL_QUADS + quad] * value;
                    }
                }
            }
        }
        for (var row = 0u; row < PIXELS; row++) {
            let pixel = first_pixel + row;
            if pixel < shape.pixels && channel < shape.channels {
                let at = pixel * shape.channels + channel;
                var gradient = sums[row / 4u][row % 4u];
                if shape.has_normalized_gradient != 0u {
                    gradient += normalized_gradient[at];
                }
                feature_gradient[at] = gradient;
                own_projections[row] += features[at] * row_inverse_norms[row] * gradient;
            }
        }
    }
    for (var row = 0u; row < PIXELS; row++) {
        partials[row * LANE_STRIDE + lane] = own_projections[row];
    }
    workgroupBarrier();
    if lane < PIXELS {
        var sum = 0.0;
        for (var i = 0u; i < LANES; i++) {
            sum += partials[lane * LANE_STRIDE + i];
        }
        projections[lane] = select(sum, 0.0, norm_is_clamped[lane] != 0u);
    }
    workgroupBarrier();

    // df. A lane overwrites the channels it wrote itself.
    for (var channel = lane; channel < shape.channels; channel += LANES) {
        for (var row = 0u; row < PIXELS; row++) {
            let pixel = first_pixel + row;
            if pixel < shape.pixels {
                let at = pixel * shape.channels + channel;
                let inverse_norm = row_inverse_norms[row];
                let along = features[at] * inverse_norm * projections[row];
                feature_gradient[at] = (feature_gradient[at] - along) * inverse_norm;
            }
        }
    }
}
