// Sum over blocks, the second half of a reduction without atomics.
//
//   total_i = sum_b blocks_bi, b in ascending order
//
// Buffers, row-major: blocks [B, L], total [L].
//
// One lane adds one element of all blocks.
//
// Dispatch: x = ceil(L / LANES). Limits: L <= 65535 * LANES, B * L < 2^32.

const LANES = 64u;

struct Parameters {
    blocks: u32,
    elements: u32,
}

@group(0) @binding(0) var<storage, read_write> blocks: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: Parameters;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let element = invocation.x;
    let elements = parameters.elements;
    if element < elements {
        var sum = 0.0;
        for (var block = 0u; block < parameters.blocks; block++) {
            sum += blocks[block * elements + element];
        }
        total[element] = sum;
    }
}
