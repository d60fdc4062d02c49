// Cross entropy of logits that are upsampled bilinearly, corners aligned, to the labels' size: one
// sum per workgroup, which `sum_rows` adds up. With a tangent also the loss's derivative along it.
//
//   u_pk = sum over the four taps i of pixel p: a_pi z_ik          the upsampled logits
//   loss = sum_p c_p (log sum_k exp(u_pk) - u_pt)                  t: the label of p, c_p = c_t
//   derivative = sum_p c_p (sum_k s_pk v_pk - v_pt)                s = softmax(u), v: z' upsampled
//
// A label of at least K counts for nothing. Row y of the labels lies at y (h - 1) / (H - 1) in the
// logits, columns alike; whole and remaining part are exact, in integers.
//
// Buffers: logits = z and tangent = z', [B, K, h, w] with the strides of the parameters (tangent is
// any buffer, unread, where has_tangent is 0); labels [ceil(B H W / 4)], four to a word, the first
// in the lowest byte; class_weights [K] = c; sums [1 + has_tangent, P]; log_sums [B, H, W] =
// log sum_k exp(u_pk) and mean_tangents [B, H, W] = sum_k s_pk v_pk (any buffer where has_tangent
// is 0), both undefined where a label counts for nothing.
//
// One lane takes one pixel of the labels at a time, LANES * P pixels apart, and goes through the
// classes once, the largest logit so far taken out of every exponential; a workgroup adds its lanes
// as a tree. No logit of the labels' size is stored. Every sum has one fixed order.
//
// Dispatch: x = P. Limits: P <= 65535, B H W + LANES P < 2^32, h H and w W < 2^32, every index of a
// logit < 2^32, K <= 255.

const LANES = 256u;
const LOWEST = -3.4028234e38; // of f32

struct Parameters {
    size: vec2<u32>, // h, w
    label_size: vec2<u32>, // H, W
    strides: vec4<u32>, // of logits: B, K, h, w
    tangent_strides: vec4<u32>,
    pixels: u32, // B H W
    classes: u32, // K
    parts: u32, // P
    has_tangent: u32,
}

struct Tap {
    low: u32,
    high: u32,
    weight: f32, // of high
}

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> tangent: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> class_weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> log_sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> mean_tangents: array<f32>;
@group(0) @binding(7) var<storage, read_write> parameters: Parameters;

var<workgroup> lane_sums: array<vec2<f32>, LANES>;

fn tap(output: u32, size: u32, output_size: u32) -> Tap {
    if output_size <= 1u {
        return Tap(0u, 0u, 0.0);
    }
    let place = output * (size - 1u);
    let low = place / (output_size - 1u);
    let rest = place % (output_size - 1u);
    return Tap(low, low + select(0u, 1u, rest > 0u), f32(rest) / f32(output_size - 1u));
}

// The loss of one pixel and its derivative, unweighted.
fn pixel_loss(pixel: u32, label: u32, shape: Parameters) -> vec2<f32> {
    let x = pixel % shape.label_size.y;
    let row = pixel / shape.label_size.y;
    let image = row / shape.label_size.x;
    let down = tap(row % shape.label_size.x, shape.size.x, shape.label_size.x);
    let across = tap(x, shape.size.y, shape.label_size.y);
    let weights = vec4<f32>(
        (1.0 - down.weight) * (1.0 - across.weight),
        (1.0 - down.weight) * across.weight,
        down.weight * (1.0 - across.weight),
        down.weight * across.weight,
    );
    let rows = vec4<u32>(down.low, down.low, down.high, down.high);
    let columns = vec4<u32>(across.low, across.high, across.low, across.high);
    var at = image * shape.strides.x + rows * shape.strides.z + columns * shape.strides.w;
    var tangent_at = image * shape.tangent_strides.x + rows * shape.tangent_strides.z
        + columns * shape.tangent_strides.w;

    var largest = LOWEST;
    var sum = 0.0; // of exp(u - largest)
    var tangent_sum = 0.0; // of exp(u - largest) v
    var own = 0.0;
    var own_tangent = 0.0;
    for (var k = 0u; k < shape.classes; k++) {
        let value = dot(
            weights,
            vec4<f32>(logits[at.x], logits[at.y], logits[at.z], logits[at.w]),
        );
        let is_larger = value > largest;
        let ratio = exp(-abs(value - largest));
        sum = select(sum + ratio, sum * ratio + 1.0, is_larger);
        if k == label {
            own = value;
        }
        if shape.has_tangent != 0u {
            let along = dot(
                weights,
                vec4<f32>(
                    tangent[tangent_at.x],
                    tangent[tangent_at.y],
                    tangent[tangent_at.z],
                    tangent[tangent_at.w],
                ),
            );
            tangent_sum = select(tangent_sum + ratio * along, tangent_sum * ratio + along, is_larger);
            if k == label {
                own_tangent = along;
            }
            tangent_at += vec4<u32>(shape.tangent_strides.y);
        }
        largest = max(largest, value);
        at += vec4<u32>(shape.strides.y);
    }
    log_sums[pixel] = largest + log(sum);
    if shape.has_tangent != 0u {
        mean_tangents[pixel] = tangent_sum / sum;
    }
    return vec2<f32>(largest - own + log(sum), tangent_sum / sum - own_tangent);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    var sum = vec2<f32>();
    for (
        var pixel = workgroup.x * LANES + lane;
        pixel < shape.pixels;
        pixel += LANES * shape.parts
    ) {
        let label = (labels[pixel / 4u] >> (8u * (pixel % 4u))) & 0xffu;
        if label < shape.classes {
            sum += class_weights[label] * pixel_loss(pixel, label, shape);
        }
    }
    lane_sums[lane] = sum;
    for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if lane < reach {
            lane_sums[lane] += lane_sums[lane + reach];
        }
    }
    if lane == 0u {
        sums[workgroup.x] = lane_sums[0].x;
        if shape.has_tangent != 0u {
            sums[shape.parts + workgroup.x] = lane_sums[0].y;
        }
    }
}
