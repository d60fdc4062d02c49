// Colour jitter of a batch of byte images: one span of each sample's order of operations.
//
//   brightness  v = blend(0, v)
//   contrast    v = blend(m, v)               m: the mean grey level of the sample as it is by then
//   saturation  v = blend(grey(r, g, b), v)
//   hue         a step on the byte-valued hue, there and back through HSV
//
//   blend(n, v) = trunc(clamp(n + f (v - n), 0, 255))     f: the operation's factor
//   grey(r, g, b) = floor((19595 r + 38470 g + 7471 b + 32768) / 65536)
//   m = floor(sum of grey levels / pixels + 1/2)
//
// Two launches do a whole jitter. Pass 0 takes the operations before contrast and sums up the grey
// levels that they leave; pass 1 takes contrast, with these sums, and the operations after it.
//
// Buffers, row-major: levels and jittered [B, 3, Q], four levels to a word, the first in the lowest
// byte, each plane filled up with 0 to Q whole words; draws [B]; sums_before and sums [B, parts],
// where sums_before is not read in pass 0.
//
// One lane takes four neighbouring pixels at a time; a workgroup takes LANES such quads of one
// sample, then those parts * LANES further on. Sums are of integers, so their order is free.
//
// Every result is that of IEEE single precision with a rounding after each operation, bit for bit:
// the hue is computed in integers, since a GPU's division is not exact, and blend keeps its product
// apart from its sum, since a compiler may fuse them.
//
// Dispatch: x = parts, y = B. Limits: pixels * 255 < 2^32, B * 3 * Q < 2^32.

const LANES = 256u;

const BRIGHTNESS = 1u;
const CONTRAST = 2u;
const SATURATION = 3u;
const HUE = 4u; // any other operation leaves a pixel as it is

// The hues whose exact value is a whole number, but which a rounding of single precision puts just
// below it, so that truncation takes them one lower: hue h is bit h % 32 of word h / 32.
const LOWERED_HUES = array<u32, 8>(
    0xfffffffeu, 0u, 0x11000000u, 0x00000111u, 0x222aaaaau, 0x23232222u, 0x00022222u, 0u,
);

struct Draw {
    operations: array<u32, 4>,
    contrast_place: u32, // in operations; 4 where contrast is not among them
    brightness: f32,
    contrast: f32,
    saturation: f32,
    hue_step: u32,
}

struct Parameters {
    pixels: u32,
    words: u32, // Q
    parts: u32,
    last_pass: u32, // 0 or 1
    zero: u32, // always 0, which no compiler knows
}

@group(0) @binding(0) var<storage, read_write> levels: array<u32>;
@group(0) @binding(1) var<storage, read_write> draws: array<Draw>;
@group(0) @binding(2) var<storage, read_write> sums_before: array<u32>;
@group(0) @binding(3) var<storage, read_write> jittered: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;
@group(0) @binding(5) var<storage, read_write> parameters: Parameters;

var<workgroup> grey_sum: atomic<u32>;

fn grey(pixel: vec3<u32>) -> u32 {
    return (19595u * pixel.r + 38470u * pixel.g + 7471u * pixel.b + 32768u) >> 16u;
}

fn blend(neutral: u32, pixel: vec3<u32>, factor: f32) -> vec3<u32> {
    let start = f32(neutral);
    let product = factor * (vec3<f32>(pixel) - start);
    let rounded = bitcast<vec3<f32>>(bitcast<vec3<u32>>(product) ^ vec3<u32>(parameters.zero));
    return vec3<u32>(clamp(start + rounded, vec3<f32>(0.0), vec3<f32>(255.0)));
}

fn mean_grey(sample: u32, shape: Parameters) -> u32 {
    var sum = 0u;
    for (var part = 0u; part < shape.parts; part++) {
        sum += sums_before[sample * shape.parts + part];
    }
    let rest = sum % shape.pixels;
    return sum / shape.pixels + select(0u, 1u, 2u * rest >= shape.pixels);
}

// The place on the hue circle in sixths, times chroma: each sixth starts at a pure or mixed colour
// and is walked by the distance of the middle channel from the largest.
fn hue_sixths(pixel: vec3<u32>, value: u32, least: u32) -> u32 {
    let chroma = value - least;
    let middle = pixel.r + pixel.g + pixel.b - value - least;
    let distance = value - middle;
    if pixel.r == value {
        return select(5u * chroma + distance, chroma - distance, pixel.b == least);
    }
    if pixel.g == value {
        return select(3u * chroma - distance, chroma + distance, pixel.b == least);
    }
    return select(5u * chroma - distance, 3u * chroma + distance, pixel.r == least);
}

fn turn_hue(pixel: vec3<u32>, step: u32) -> vec3<u32> {
    let value = max(pixel.r, max(pixel.g, pixel.b));
    let least = min(pixel.r, min(pixel.g, pixel.b));
    let chroma = value - least;
    if chroma == 0u {
        return pixel;
    }
    // hue / 255 = sixths / (6 chroma), where 255 / 6 = 85 / 2.
    let scaled = 85u * hue_sixths(pixel, value, least);
    var hue = scaled / (2u * chroma);
    if scaled == hue * 2u * chroma {
        hue -= (LOWERED_HUES[hue / 32u] >> (hue % 32u)) & 1u;
    }
    let saturation = 255u * chroma / value;

    // A sixth is 42.5 steps; in half steps the place within one is whole.
    let turned = 2u * ((hue + step) & 255u);
    let sixth = turned / 85u; // 6 for hue 255 alone, and equal to 0
    let place = turned - 85u * sixth;
    let weight = select(85u - place, place, sixth % 2u == 1u);
    // Rounded to nearest; the divisors are odd, so there are no ties.
    let low = (2u * value * (255u - saturation) + 255u) / 510u;
    let middle = (2u * value * (21675u - saturation * weight) + 21675u) / 43350u;
    switch sixth {
        case 1u: { return vec3<u32>(middle, value, low); }
        case 2u: { return vec3<u32>(low, value, middle); }
        case 3u: { return vec3<u32>(low, middle, value); }
        case 4u: { return vec3<u32>(middle, low, value); }
        case 5u: { return vec3<u32>(value, low, middle); }
        default: { return vec3<u32>(value, middle, low); }
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let shape = parameters;
    let part = workgroup.x;
    let sample = workgroup.y;
    let draw = draws[sample];
    var first = 0u;
    var end = draw.contrast_place;
    var mean = 0u;
    if shape.last_pass == 1u {
        first = draw.contrast_place;
        end = 4u;
        mean = mean_grey(sample, shape);
    }
    if lane == 0u {
        atomicStore(&grey_sum, 0u);
    }
    workgroupBarrier();

    var own_sum = 0u;
    for (var quad = part * LANES + lane; quad < shape.words; quad += shape.parts * LANES) {
        let red = sample * 3u * shape.words + quad;
        let green = red + shape.words;
        let blue = green + shape.words;
        let words = vec3<u32>(levels[red], levels[green], levels[blue]);
        var packed = vec3<u32>();
        for (var i = 0u; i < 4u; i++) {
            var pixel = (words >> vec3<u32>(8u * i)) & vec3<u32>(255u);
            for (var place = first; place < end; place++) {
                switch draw.operations[place] {
                    case BRIGHTNESS: { pixel = blend(0u, pixel, draw.brightness); }
                    case CONTRAST: { pixel = blend(mean, pixel, draw.contrast); }
                    case SATURATION: { pixel = blend(grey(pixel), pixel, draw.saturation); }
                    case HUE: { pixel = turn_hue(pixel, draw.hue_step); }
                    default: {}
                }
            }
            packed |= pixel << vec3<u32>(8u * i);
            // The filling is black, which no operation before contrast changes: it adds nothing.
            own_sum += grey(pixel);
        }
        jittered[red] = packed.r;
        jittered[green] = packed.g;
        jittered[blue] = packed.b;
    }
    atomicAdd(&grey_sum, own_sum);
    workgroupBarrier();
    if lane == 0u {
        sums[sample * shape.parts + part] = atomicLoad(&grey_sum);
    }
}
