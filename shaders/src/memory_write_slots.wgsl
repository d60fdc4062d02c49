// The memory write's second half: each slot moves towards the mean feature of its class.
//
//   u_k = m M_k + (1 - m) S_k / t_k   where t_k != 0, else M_k,   t_k = S_kC
//   written_k = u_k / max(|u_k|, 1e-12)   where normalize_slots is 1, else u_k
//
// Buffers, row-major: sums [K, C + 1] = S with the totals in the last column, memory [K, C] = M,
// written [K, C].
//
// One workgroup writes one slot, LANES channels at a time; the norm's partial sums are added in
// lane order.
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
@group(0) @binding(2) var<storage, read_write> written: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: Parameters;

var<workgroup> partials: array<f32, LANES>;

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

// `max` could take a number for one that is none.
fn clamped(squared_norm: f32) -> f32 {
    return squared_norm + max(SMALLEST_SQUARED_NORM - squared_norm, 0.0);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slot = workgroup.x;
    let channels = parameters.channels;
    var squares = 0.0;
    for (var channel = lane; channel < channels; channel += LANES) {
        let value = moved(slot, channel);
        squares += value * value;
    }
    partials[lane] = squares;
    workgroupBarrier();
    var squared_norm = 0.0;
    for (var i = 0u; i < LANES; i++) {
        squared_norm += partials[i];
    }
    let inverse_norm = 1.0 / sqrt(clamped(squared_norm));
    for (var channel = lane; channel < channels; channel += LANES) {
        let value = moved(slot, channel);
        written[slot * channels + channel] =
            select(value, value * inverse_norm, parameters.normalize_slots != 0u);
    }
}
