// Backward of the memory write, first of two: the gradient that reaches the class sums.
//
//   du_k = (dW_k - y_k <y_k, dW_k>) / |u_k|,   y_k = u_k / |u_k|    the normalisation backwards,
//          dW_k / 1e-12 below that norm, or dW_k where normalize_slots is 0
//   dS_k = (1 - m) / t_k du_k   where t_k != 0, else 0;   u and t as in `memory_write_slots`
//
// Buffers, row-major: sums [K, C + 1] with the totals in the last column, memory [K, C],
// written_gradient [K, C] = dW, sum_gradient [K, C] = dS.
//
// One workgroup takes one slot, LANES channels at a time; partial sums are added in lane order.
//
// Dispatch: x = K. Limits: K <= 65535, K * (C + 1) < 2^32.

const LANES = 64u;
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    channels: u32,
    normalize_slots: u32,
    momentum: f32,
}

@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> memory: array<f32>;
@group(0) @binding(2) var<storage, read_write> written_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> parameters: Parameters;

var<workgroup> partials: array<vec2<f32>, LANES>; // |u|^2 and <u, dW>

fn moved(slot: u32, channel: u32) -> f32 {
    let channels = parameters.channels;
    let old = memory[slot * channels + channel];
    let total = sums[slot * (channels + 1u) + channels];
    if total == 0.0 {
        return old;
    }
    let mean = sums[slot * (channels + 1u) + channel] / total;
    return parameters.momentum * old + (1.0 - parameters.momentum) * mean;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slot = workgroup.x;
    let channels = parameters.channels;
    var own = vec2<f32>();
    for (var channel = lane; channel < channels; channel += LANES) {
        let value = moved(slot, channel);
        own += value * vec2<f32>(value, written_gradient[slot * channels + channel]);
    }
    partials[lane] = own;
    workgroupBarrier();
    var both = vec2<f32>();
    for (var i = 0u; i < LANES; i++) {
        both += partials[i];
    }
    // As `max`, which could take a number for one that is none.
    let squared_norm = both.x + max(SMALLEST_SQUARED_NORM - both.x, 0.0);
    let inverse_norm = 1.0 / sqrt(squared_norm);
    // y <y, dW> = u <u, dW> / |u|^2; a norm that is too small counts as constant.
    let along = select(both.y / squared_norm, 0.0, both.x < SMALLEST_SQUARED_NORM);
    let total = sums[slot * (channels + 1u) + channels];
    for (var channel = lane; channel < channels; channel += LANES) {
        let at = slot * channels + channel;
        var gradient = written_gradient[at];
        if parameters.normalize_slots != 0u {
            gradient = (gradient - moved(slot, channel) * along) * inverse_norm;
        }
        if total == 0.0 {
            gradient = 0.0;
        } else {
            gradient = (1.0 - parameters.momentum) * gradient / total;
        }
        sum_gradient[at] = gradient;
    }
}
