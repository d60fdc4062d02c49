// Sums of rows, the last step of a reduction without atomics.
//
//   total_r = scale sum_i rows_ri
//
// Buffers, row-major: rows [R, L], total [R].
//
// One workgroup adds one row: each lane every LANES-th element in ascending order, then the lanes
// as a tree. Every sum has one fixed order.
//
// Dispatch: x = R. Limits: R <= 65535, R * L + LANES < 2^32.

const LANES = 256u;

struct Parameters {
    elements: u32, // L
    scale: f32,
}

@group(0) @binding(0) var<storage, read_write> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: Parameters;

var<workgroup> lane_sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let elements = parameters.elements;
    var sum = 0.0;
    for (var i = lane; i < elements; i += LANES) {
        sum += rows[workgroup.x * elements + i];
    }
    lane_sums[lane] = sum;
    for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if lane < reach {
            lane_sums[lane] += lane_sums[lane + reach];
        }
    }
    if lane == 0u {
        total[workgroup.x] = parameters.scale * lane_sums[0];
    }
}
