// Backward of the divergence losses of the memory.
//
//   dM_i = 2 a g_0 sum_j k_0ij M_j + b g_1 sum_j k_1ij W_j
//   dW_j = b g_1 sum_i k_1ij M_i,   dv_j = b g_1 sum_i k_1ij
//
// with M, W, k, a and b as in `memory_divergence`; k_0 is symmetric, hence the 2.
//
// Buffers, row-major: memory [K, C] = M, weight [K, C] = W, kept [2, K, K] = k, loss_gradient [2]
// = g, memory_gradient [K, C] = dM, weight_gradient [K, C] = dW, bias_gradient [K] = dv.
//
// One workgroup computes LANES channels of one row i of dM and of dW; one lane holds one channel of
// both and goes through the slots in order. The lane past the last channel adds up dv_i.
//
// Dispatch: x = K, y = ceil((C + 1) / LANES). Limits: x, y <= 65535; K * C and 2 * K * K < 2^32.

const LANES = 64u;

struct Parameters {
    slots: u32,
    channels: u32,
    divergence_scale: f32,
    classification_scale: f32,
}

@group(0) @binding(0) var<storage, read_write> memory: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> kept: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> memory_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> weight_gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> bias_gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> parameters: Parameters;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slots = parameters.slots;
    let channels = parameters.channels;
    let row = workgroup.x;
    let channel = workgroup.y * LANES + lane;
    let errors = slots * slots; // where k_1 begins
    var alike = 0.0;
    var of_scores = 0.0;
    var of_weight = 0.0;
    if channel < channels {
        for (var other = 0u; other < slots; other++) {
            let value = memory[other * channels + channel];
            alike += kept[row * slots + other] * value;
            of_scores += kept[errors + row * slots + other] * weight[other * channels + channel];
            of_weight += kept[errors + other * slots + row] * value;
        }
        let of_cosine = 2.0 * parameters.divergence_scale * loss_gradient[0];
        let of_score = parameters.classification_scale * loss_gradient[1];
        let at = row * channels + channel;
        memory_gradient[at] = of_cosine * alike + of_score * of_scores;
        weight_gradient[at] = of_score * of_weight;
    }
    if channel == channels {
        for (var other = 0u; other < slots; other++) {
            of_weight += kept[errors + other * slots + row];
        }
        bias_gradient[row] = parameters.classification_scale * loss_gradient[1] * of_weight;
    }
}
