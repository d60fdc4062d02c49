// Backward of the memory write, second of two: the gradient that reaches the features.
//
//   dz_n = sum_k w_nk dS_k                              w as in `memory_write_sums`
//   df_n = (dz_n - q_n <q_n, dz_n>) / |f_n|,   q_n = f_n / |f_n|   the normalisation backwards,
//          dz_n / 1e-12 below that norm, or dz_n where normalize is 0
//
// Buffers, row-major: features [B, C, h, w] (not read where normalize is 0), labels: bytes
// [B, H, W], four to a word, the first in the lowest byte; taps [h + w, 4]: low, high, and the bits
// of their f32 weights; sum_gradient [K, C] = dS, feature_gradient [B, C, h, w] = df.
//
// One workgroup takes PIXELS pixels with all channels: CHANNEL_LANES lanes share a pixel, each
// looks its four labels up itself and keeps its channels of dz in feature_gradient until <q, dz> is
// known; partial sums are added in lane order.
//
// Dispatch: x = ceil(N / PIXELS), N = B h w. Limits: x <= 65535; N * C, B H W and K * C < 2^32.

const LANES = 256u;
const PIXELS = 8u;
const CHANNEL_LANES = 32u; // LANES / PIXELS
const SMALLEST_SQUARED_NORM = 1e-24;

struct Parameters {
    pixels: u32,
    channels: u32,
    classes: u32,
    height: u32,
    width: u32,
    label_height: u32,
    label_width: u32,
    normalize: u32,
}

@group(0) @binding(0) var<storage, read_write> features: array<f32>;
@group(0) @binding(1) var<storage, read_write> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> taps: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> sum_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> feature_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> parameters: Parameters;

var<workgroup> partials: array<vec2<f32>, LANES>; // [pixel][channel lane]: |f|^2 and <f, dz>

// The gradient of one normalised value: the gradients of the classes at its labels, weighed.
fn gathered(class_ids: vec4<u32>, weights: vec4<f32>, channel: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < 4u; i++) {
        if weights[i] != 0.0 {
            sum += weights[i] * sum_gradient[class_ids[i] * parameters.channels + channel];
        }
    }
    return sum;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    let plane = shape.height * shape.width;
    let row = lane % PIXELS;
    let pixel = workgroup.x * PIXELS + row;
    let first_channel = lane / PIXELS;
    let base = (pixel / plane) * shape.channels * plane + pixel % plane;

    var class_ids = vec4<u32>();
    var weights = vec4<f32>();
    if pixel < shape.pixels {
        let image = (pixel / plane) * shape.label_height * shape.label_width;
        let row_tap = taps[(pixel % plane) / shape.width];
        let column_tap = taps[shape.height + pixel % shape.width];
        let row_weights = bitcast<vec2<f32>>(row_tap.zw);
        let column_weights = bitcast<vec2<f32>>(column_tap.zw);
        for (var i = 0u; i < 4u; i++) {
            let weight = row_weights[i / 2u] * column_weights[i % 2u];
            let label_row = image + row_tap[i / 2u] * shape.label_width;
            let index = label_row + column_tap[i % 2u];
            let class_id = (labels[index / 4u] >> (8u * (index % 4u))) & 255u;
            // Neighbouring labels are mostly equal, and an equal one is gathered once.
            var place = i;
            for (var j = 0u; j < i; j++) {
                if class_ids[j] == class_id && place == i {
                    place = j;
                }
            }
            class_ids[i] = class_id;
            if class_id < shape.classes {
                weights[place] += weight;
            }
        }
    }

    var own = vec2<f32>();
    if pixel < shape.pixels {
        for (var channel = first_channel; channel < shape.channels; channel += CHANNEL_LANES) {
            let at = base + channel * plane;
            let gradient = gathered(class_ids, weights, channel);
            feature_gradient[at] = gradient;
            if shape.normalize != 0u {
                let value = features[at];
                own += value * vec2<f32>(value, gradient);
            }
        }
    }
    partials[row * CHANNEL_LANES + first_channel] = own;
    workgroupBarrier();
    var both = vec2<f32>();
    for (var i = 0u; i < CHANNEL_LANES; i++) {
        both += partials[row * CHANNEL_LANES + i];
    }
    // As `max`, which could take a number for one that is none.
    let squared_norm = both.x + max(SMALLEST_SQUARED_NORM - both.x, 0.0);
    let inverse_norm = 1.0 / sqrt(squared_norm);
    // q <q, dz> = f <f, dz> / |f|^2 without the square's overflow; a norm that is too small counts
    // as constant.
    let along = select(both.y * inverse_norm * inverse_norm, 0.0, both.x < SMALLEST_SQUARED_NORM);

    if pixel < shape.pixels && shape.normalize != 0u {
        for (var channel = first_channel; channel < shape.channels; channel += CHANNEL_LANES) {
            let at = base + channel * plane;
            feature_gradient[at] = (feature_gradient[at] - features[at] * along) * inverse_norm;
        }
    }
}
