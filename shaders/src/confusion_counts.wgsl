// Pixels by true and predicted class.
//
//   counts_tq += the number of pixels with truth t and prediction q
//
// An id of at least K is no class: of all of these, t or q is K, so that every pixel counts once.
//
// Buffers: truth and prediction [ceil(N / 4)], four ids to a word, the first in the lowest byte;
// counts [K + 1, K + 1], row-major, which must hold numbers before.
//
// One lane takes one word at a time, LANES * P words apart, and adds to the counts one by one:
// integers, whose sum no order changes.
//
// Dispatch: x = P. Limits: P <= 65535, N + 4 LANES P < 2^32, no count beyond 2^32 - 1.

const LANES = 256u;

struct Parameters {
    pixels: u32, // N
    classes: u32, // K
    parts: u32, // P
}

@group(0) @binding(0) var<storage, read_write> truth: array<u32>;
@group(0) @binding(1) var<storage, read_write> prediction: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> parameters: Parameters;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let shape = parameters;
    let words = (shape.pixels + 3u) / 4u;
    for (var word = invocation.x; word < words; word += LANES * shape.parts) {
        for (var i = 0u; i < min(4u, shape.pixels - word * 4u); i++) {
            let row = min((truth[word] >> (8u * i)) & 0xffu, shape.classes);
            let column = min((prediction[word] >> (8u * i)) & 0xffu, shape.classes);
            atomicAdd(&counts[row * (shape.classes + 1u) + column], 1u);
        }
    }
}
