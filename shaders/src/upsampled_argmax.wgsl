// The class of the largest logit at every pixel, after a bilinear upsampling with corners aligned.
//
//   u_pk = sum over the four taps i of pixel p: a_pi z_ik
//   class_p = the lowest k whose u_pk is the largest
//   class_p = NO_CLASS, where any z_ik with a_pi > 0 is NaN or infinite
//
// What is not finite is told by the bits of the logits: WGSL lets compilers take it that no number
// is NaN or infinite.
//
// Row y of the result lies at y (h - 1) / (H - 1) in the logits, columns alike; whole and remaining
// part are exact, in integers.
//
// Buffers: logits [B, K, h, w] = z with the strides of the parameters; ids [ceil(B H W / 4)], four
// to a word, the first in the lowest byte, filled up with zeros.
//
// One lane takes the four pixels of one word, LANES * P words apart. No logit of the result's size
// is stored.
//
// Dispatch: x = P. Limits: P <= 65535, B H W + 4 LANES P < 2^32, h H and w W < 2^32, every index of
// a logit < 2^32, K <= 255.

const LANES = 64u;
const NO_CLASS = 255u;

// The bits of an exponent, all of which are set in NaN and infinity alone.
const EXPONENT = 0x7f800000u;

struct Parameters {
    size: vec2<u32>, // h, w
    output_size: vec2<u32>, // H, W
    strides: vec4<u32>, // of logits: B, K, h, w
    pixels: u32, // B H W
    classes: u32, // K
    parts: u32, // P
}

struct Tap {
    low: u32,
    high: u32,
    weight: f32, // of high
}

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> parameters: Parameters;

fn tap(output: u32, size: u32, output_size: u32) -> Tap {
    if output_size <= 1u {
        return Tap(0u, 0u, 0.0);
    }
    let place = output * (size - 1u);
    let low = place / (output_size - 1u);
    let rest = place % (output_size - 1u);
    return Tap(low, low + select(0u, 1u, rest > 0u), f32(rest) / f32(output_size - 1u));
}

fn class_of(pixel: u32, shape: Parameters) -> u32 {
    let row = pixel / shape.output_size.y;
    let image = row / shape.output_size.x;
    let down = tap(row % shape.output_size.x, shape.size.x, shape.output_size.x);
    let across = tap(pixel % shape.output_size.y, shape.size.y, shape.output_size.y);
    let rows = vec4<u32>(down.low, down.low, down.high, down.high);
    let columns = vec4<u32>(across.low, across.high, across.low, across.high);
    var at = image * shape.strides.x + rows * shape.strides.z + columns * shape.strides.w;
    var best = 0u;
    var largest = 0.0;
    var exponents = vec4<u32>(0u); // the largest of each tap
    for (var k = 0u; k < shape.classes; k++) {
        let taps = vec4<f32>(logits[at.x], logits[at.y], logits[at.z], logits[at.w]);
        exponents = max(exponents, bitcast<vec4<u32>>(taps) & vec4<u32>(EXPONENT));
        let sides = mix(taps.xz, taps.yw, across.weight);
        let value = mix(sides.x, sides.y, down.weight);
        if k == 0u || value > largest {
            best = k;
            largest = value;
        }
        at += vec4<u32>(shape.strides.y);
    }
    return select(best, NO_CLASS, any(exponents == vec4<u32>(EXPONENT)));
}

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let shape = parameters;
    let words = (shape.pixels + 3u) / 4u;
    for (var word = invocation.x; word < words; word += LANES * shape.parts) {
        var packed = 0u;
        for (var i = 0u; i < 4u; i++) {
            if word * 4u + i < shape.pixels {
                packed |= class_of(word * 4u + i, shape) << (8u * i);
            }
        }
        ids[word] = packed;
    }
}
