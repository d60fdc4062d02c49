// Divergence losses of the memory: how alike the slots are, and how well a classifier tells them
// apart. One row of terms per slot; `sum_blocks` adds the slots.
//
//   d_i = a sum_{j != i} max(<M_i, M_j>, 0)
//   c_i = b (log sum_j exp s_ij - s_ii),   s_ij = <M_i, W_j> + v_j
//
// with a = divergence_scale and b = classification_scale. For the backward pass it keeps, in `kept`,
//   k_0ij = 1 where <M_i, M_j> > 0 and j != i, else 0,   k_1ij = softmax_j(s_ij) - [i = j]
//
// Buffers, row-major: memory [K, C] = M, weight [K, C] = W, bias [K] = v, terms [K, 2] = (d, c),
// kept [2, K, K] = k.
//
// One workgroup takes one slot: SLOTS others at a time, CHANNEL_LANES lanes to each of them, whose
// partial sums are added in lane order; then all lanes share the softmax.
//
// Dispatch: x = K. Limits: K <= 65535; K * C and 2 * K * K < 2^32.

const LANES = 64u;
const SLOTS = 8u;
const CHANNEL_LANES = 8u; // LANES / SLOTS

struct Parameters {
    slots: u32,
    channels: u32,
    divergence_scale: f32,
    classification_scale: f32,
}

@group(0) @binding(0) var<storage, read_write> memory: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> terms: array<f32>;
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;
@group(0) @binding(5) var<storage, read_write> parameters: Parameters;

// Loop bounds around barriers must be uniform, and a read_write buffer is not: one lane copies.
var<workgroup> uniform_parameters: Parameters;
var<workgroup> products: array<vec2<f32>, LANES>; // [other slot][channel lane]
var<workgroup> partials: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane == 0u {
        uniform_parameters = parameters;
    }
    let shape = workgroupUniformLoad(&uniform_parameters);
    let slot = workgroup.x;
    let row = slot * shape.slots; // of k_0
    let scores = shape.slots * shape.slots + row; // of k_1, which holds the scores meanwhile

    var alike = 0.0;
    for (var first = 0u; first < shape.slots; first += SLOTS) {
        let loaded = first + lane / CHANNEL_LANES;
        var product = vec2<f32>();
        if loaded < shape.slots {
            for (var c = lane % CHANNEL_LANES; c < shape.channels; c += CHANNEL_LANES) {
                let at = loaded * shape.channels + c;
                product += memory[slot * shape.channels + c] * vec2<f32>(memory[at], weight[at]);
            }
        }
        products[lane] = product;
        workgroupBarrier();
        let other = first + lane;
        if lane < SLOTS && other < shape.slots {
            var sum = vec2<f32>();
            for (var i = 0u; i < CHANNEL_LANES; i++) {
                sum += products[lane * CHANNEL_LANES + i];
            }
            let is_alike = sum.x > 0.0 && other != slot;
            // The positive part by a difference, which stays no number where the product is none.
            alike += select(sum.x - min(sum.x, 0.0), 0.0, other == slot);
            kept[row + other] = select(0.0, 1.0, is_alike);
            kept[scores + other] = sum.y + bias[other];
        }
        workgroupBarrier();
    }
    storageBarrier();

    let own_score = kept[scores + slot];
    var largest = -3.4028234e38;
    for (var other = lane; other < shape.slots; other += LANES) {
        largest = max(largest, kept[scores + other]);
    }
    partials[lane] = largest;
    workgroupBarrier();
    for (var i = 0u; i < LANES; i++) {
        largest = max(largest, partials[i]);
    }
    workgroupBarrier();
    var own_sum = 0.0;
    for (var other = lane; other < shape.slots; other += LANES) {
        own_sum += exp(kept[scores + other] - largest);
    }
    partials[lane] = own_sum;
    workgroupBarrier();
    // Lane 0 has read own_score, which another lane overwrites now.
    storageBarrier();
    var sum = 0.0;
    for (var i = 0u; i < LANES; i++) {
        sum += partials[i];
    }
    for (var other = lane; other < shape.slots; other += LANES) {
        let probability = exp(kept[scores + other] - largest) / sum;
        kept[scores + other] = probability - select(0.0, 1.0, other == slot);
    }

    products[lane] = vec2<f32>(alike, 0.0);
    workgroupBarrier();
    if lane == 0u {
        var total = 0.0;
        for (var i = 0u; i < SLOTS; i++) {
            total += products[i].x;
        }
        terms[2u * slot] = shape.divergence_scale * total;
        terms[2u * slot + 1u] = shape.classification_scale * (log(sum) + largest - own_score);
    }
}
