// Backward of the upsampled cross entropy, and of its derivative along a tangent, at the logits' own
// size. Notation of `upsampled_cross_entropy.wgsl`; g and g': the gradients of loss and derivative.
//
//   gradient of z_ik  = scale sum_p a_pi c_p (g (s_pk - [k = t]) + g' s_pk (v_pk - m_p))
//   gradient of z'_ik = scale sum_p a_pi c_p g' (s_pk - [k = t])
//
//   s_pk = exp(min(u_pk - log_sums_p, 0)),   m = mean_tangents
//
// Buffers: logits, tangent, labels, class_weights, log_sums, mean_tangents as forward;
// output_gradient [1 + has_tangent] = g, g'; gradient and tangent_gradient [B, h, w, K]. Where
// has_tangent is 0, tangent, mean_tangents and tangent_gradient are any buffers and untouched.
//
// The four logits around a pixel are the corners of a cell: cell (i, j) has pixel (i, j) of the
// logits at its low corner, and every label pixel lies in one cell. One lane holds four classes of
// one cell: it goes through the cell's label pixels, row after row, and sums up what each gives to
// each corner. Then it adds, through workgroup memory, what the three cells above and to the left
// give to its own low corner. A workgroup has SIDE * SIDE cells and writes (SIDE - 1)^2 pixels: its
// first row and column of cells is the last of its neighbours, computed twice. No atomics; every
// sum has one fixed order.
//
// Dispatch: x = ceil(w / (SIDE - 1)), y = ceil(h / (SIDE - 1)), z = B ceil(K / 4).
// Limits: as forward; x, y, z <= 65535; B K h w < 2^32.
//
// Ten storage buffers are bound, where WebGPU's default limit is 8: it takes a device opened with the
// limits of its adapter, as Burn opens every one.

const SIDE = 16u;
const LANES = 256u; // SIDE * SIDE

struct Parameters {
    size: vec2<u32>, // h, w
    label_size: vec2<u32>, // H, W
    strides: vec4<u32>, // of logits: B, K, h, w
    tangent_strides: vec4<u32>,
    classes: u32, // K
    has_tangent: u32,
    scale: f32,
}

// What one cell gives to its corners, in four classes: low low, low high, high low, high high.
struct Corners {
    values: array<vec4<f32>, 4>,
}

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> tangent: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> class_weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> log_sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean_tangents: array<f32>;
@group(0) @binding(6) var<storage, read_write> output_gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(8) var<storage, read_write> tangent_gradient: array<f32>;
@group(0) @binding(9) var<storage, read_write> parameters: Parameters;

var<workgroup> uniform_parameters: Parameters;
var<workgroup> shared_corners: array<array<vec4<f32>, LANES>, 3>; // all but low low

// The first label pixel of a cell, along one axis.
fn first_label(cell: u32, size: u32, label_size: u32) -> u32 {
    if cell == 0u {
        return 0u;
    }
    if cell >= size || label_size <= 1u {
        return label_size;
    }
    return (cell * (label_size - 1u) + size - 2u) / (size - 1u);
}

// Where a label pixel lies between the corners of its cell, along one axis.
fn place(label: u32, cell: u32, size: u32, label_size: u32) -> f32 {
    if label_size <= 1u {
        return 0.0;
    }
    return f32(label * (size - 1u) - cell * (label_size - 1u)) / f32(label_size - 1u);
}

fn logits_at(at: u32, stride: u32, count: u32) -> vec4<f32> {
    var quad = vec4<f32>();
    for (var j = 0u; j < count; j++) {
        quad[j] = logits[at + j * stride];
    }
    return quad;
}

fn tangent_at(at: u32, stride: u32, count: u32) -> vec4<f32> {
    var quad = vec4<f32>();
    for (var j = 0u; j < count; j++) {
        quad[j] = tangent[at + j * stride];
    }
    return quad;
}

// The sum for the low corner of a lane's own cell.
fn gathered(lane: u32, own: Corners) -> vec4<f32> {
    workgroupBarrier();
    shared_corners[0][lane] = own.values[1];
    shared_corners[1][lane] = own.values[2];
    shared_corners[2][lane] = own.values[3];
    workgroupBarrier();
    if lane < SIDE || lane % SIDE == 0u {
        return vec4<f32>();
    }
    return own.values[0] + shared_corners[0][lane - 1u] + shared_corners[1][lane - SIDE]
        + shared_corners[2][lane - SIDE - 1u];
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
    let quads = (shape.classes + 3u) / 4u;
    let image = workgroup.z / quads;
    let first_class = (workgroup.z % quads) * 4u;
    let classes = min(4u, shape.classes - first_class);
    // Cells are counted from one before the first, which has no label pixel.
    let row = workgroup.y * (SIDE - 1u) + lane / SIDE;
    let column = workgroup.x * (SIDE - 1u) + lane % SIDE;

    var own: Corners;
    var own_tangent: Corners;
    let of_loss = output_gradient[0];
    var of_derivative = 0.0;
    if shape.has_tangent != 0u {
        of_derivative = output_gradient[1];
    }
    let is_cell = row > 0u && column > 0u && row <= shape.size.x && column <= shape.size.y;
    if is_cell {
        let cell = vec2<u32>(row - 1u, column - 1u);
        let next = min(cell + 1u, shape.size - 1u);
        let rows = vec4<u32>(cell.x, cell.x, next.x, next.x);
        let columns = vec4<u32>(cell.y, next.y, cell.y, next.y);
        let at = image * shape.strides.x + first_class * shape.strides.y
            + rows * shape.strides.z + columns * shape.strides.w;
        let along_at = image * shape.tangent_strides.x + first_class * shape.tangent_strides.y
            + rows * shape.tangent_strides.z + columns * shape.tangent_strides.w;
        var corners: array<vec4<f32>, 4>;
        var along_corners: array<vec4<f32>, 4>;
        for (var corner = 0u; corner < 4u; corner++) {
            corners[corner] = logits_at(at[corner], shape.strides.y, classes);
            if shape.has_tangent != 0u {
                along_corners[corner] =
                    tangent_at(along_at[corner], shape.tangent_strides.y, classes);
            }
        }
        let own_classes = vec4<u32>(0u, 1u, 2u, 3u) + first_class;
        let top = first_label(cell.x, shape.size.x, shape.label_size.x);
        let bottom = first_label(cell.x + 1u, shape.size.x, shape.label_size.x);
        let left = first_label(cell.y, shape.size.y, shape.label_size.y);
        let right = first_label(cell.y + 1u, shape.size.y, shape.label_size.y);
        for (var y = top; y < bottom; y++) {
            let down = place(y, cell.x, shape.size.x, shape.label_size.x);
            let low = mix(corners[0], corners[2], down);
            let high = mix(corners[1], corners[3], down);
            let along_low = mix(along_corners[0], along_corners[2], down);
            let along_high = mix(along_corners[1], along_corners[3], down);
            var sums = array<vec4<f32>, 2>(); // of this row, for the low and the high column
            var tangent_sums = array<vec4<f32>, 2>();
            for (var x = left; x < right; x++) {
                let pixel = (image * shape.label_size.x + y) * shape.label_size.y + x;
                let label = (labels[pixel / 4u] >> (8u * (pixel % 4u))) & 0xffu;
                if label < shape.classes {
                    let across = place(x, cell.y, shape.size.y, shape.label_size.y);
                    // At most 1, whatever the rounding of large logits makes of it; a difference
                    // keeps what is no number, which `min` could take for one.
                    let exponent = mix(low, high, across) - log_sums[pixel];
                    let softmax = exp(exponent - max(exponent, vec4<f32>()));
                    let is_label = own_classes == vec4<u32>(label);
                    let weight = class_weights[label];
                    let residual =
                        weight * (softmax - select(vec4<f32>(), vec4<f32>(1.0), is_label));
                    var total = of_loss * residual;
                    if shape.has_tangent != 0u {
                        let along = mix(along_low, along_high, across) - mean_tangents[pixel];
                        total += of_derivative * weight * softmax * along;
                        tangent_sums[0] += (1.0 - across) * residual;
                        tangent_sums[1] += across * residual;
                    }
                    sums[0] += (1.0 - across) * total;
                    sums[1] += across * total;
                }
            }
            own.values[0] += (1.0 - down) * sums[0];
            own.values[1] += (1.0 - down) * sums[1];
            own.values[2] += down * sums[0];
            own.values[3] += down * sums[1];
            if shape.has_tangent != 0u {
                own_tangent.values[0] += (1.0 - down) * tangent_sums[0];
                own_tangent.values[1] += (1.0 - down) * tangent_sums[1];
                own_tangent.values[2] += down * tangent_sums[0];
                own_tangent.values[3] += down * tangent_sums[1];
            }
        }
    }
    let total = shape.scale * gathered(lane, own);
    var tangent_total = vec4<f32>();
    if shape.has_tangent != 0u {
        tangent_total = shape.scale * of_derivative * gathered(lane, own_tangent);
    }
    if is_cell && lane >= SIDE && lane % SIDE != 0u {
        let pixel = (image * shape.size.x + row - 1u) * shape.size.y + column - 1u;
        let at = pixel * shape.classes + first_class;
        for (var j = 0u; j < classes; j++) {
            gradient[at + j] = total[j];
            if shape.has_tangent != 0u {
                tangent_gradient[at + j] = tangent_total[j];
            }
        }
    }
}
