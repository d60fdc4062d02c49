//! Declaration and reference of `augment_jitter.wgsl`.

use crate::{Shader, read, write};

/// Quads of pixels that one workgroup takes at a time.
pub const QUADS_PER_WORKGROUP: u32 = 256;

/// `augment_jitter.wgsl`.
pub const SHADER: Shader = Shader {
    name: "augment_jitter",
    source: include_str!("augment_jitter.wgsl"),
    workgroup_size: [QUADS_PER_WORKGROUP, 1, 1],
    bindings: &[
        read("levels"),
        read("draws"),
        read("sums_before"),
        write("jittered"),
        write("sums"),
        read("parameters"),
    ],
    constants: &[
        ("LANES", QUADS_PER_WORKGROUP),
        ("BRIGHTNESS", Operation::Brightness as u32),
        ("CONTRAST", Operation::Contrast as u32),
        ("SATURATION", Operation::Saturation as u32),
        ("HUE", Operation::Hue as u32),
    ],
};

/// One draw of the colour jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// Each operation once, the first one first.
    pub order: [Operation; 4],
    /// The factor on every channel.
    pub brightness: f32,
    /// The factor on the distance from the sample's mean grey level.
    pub contrast: f32,
    /// The factor on the distance from the pixel's own grey level.
    pub saturation: f32,
    /// Added to the byte-valued hue, of which 255 are a turn; the sum wraps around at 256. `None`
    /// leaves the hue alone, while a step of 0 still rounds every pixel through HSV.
    pub hue_step: Option<u8>,
}

/// An operation of the colour jitter; its number is its code in the shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A blend with black.
    Brightness = 1,
    /// A blend with the rounded mean grey level of the sample as it is at this point.
    Contrast = 2,
    /// A blend with the pixel's own grey level.
    Saturation = 3,
    /// A turn of the hue.
    Hue = 4,
}

/// Jitters one sample in place.
///
/// Shapes: `planes` [3, H, W].
///
/// Source: torchvision's `ColorJitter` on Pillow images.
pub fn reference(jitter: &Jitter, planes: &mut [u8]) {
    let pixels = planes.len() / 3;
    for operation in jitter.order {
        let mean = if operation == Operation::Contrast { mean_grey(planes) } else { 0 };
        for at in 0..pixels {
            let pixel = [planes[at], planes[pixels + at], planes[2 * pixels + at]];
            let changed = match operation {
                Operation::Brightness => blend(0, pixel, jitter.brightness),
                Operation::Contrast => blend(mean, pixel, jitter.contrast),
                Operation::Saturation => blend(grey(pixel), pixel, jitter.saturation),
                Operation::Hue => jitter.hue_step.map_or(pixel, |step| turn_hue(pixel, step)),
            };
            for (channel, level) in changed.into_iter().enumerate() {
                planes[channel * pixels + at] = level;
            }
        }
    }
}

fn blend(neutral: u8, pixel: [u8; 3], factor: f32) -> [u8; 3] {
    let start = f32::from(neutral);
    // The conversion truncates.
    pixel.map(|level| (start + factor * (f32::from(level) - start)).clamp(0.0, 255.0) as u8)
}

fn grey([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + 32_768) >> 16) as u8
}

fn mean_grey(planes: &[u8]) -> u8 {
    let pixels = planes.len() / 3;
    let levels = (0..pixels).map(|at| [planes[at], planes[pixels + at], planes[2 * pixels + at]]);
    let sum: u64 = levels.map(|pixel| u64::from(grey(pixel))).sum();
    (sum as f64 / pixels as f64 + 0.5) as u8
}

/// There and back through HSV, in the mixture of single and double precision of Pillow.
fn turn_hue(pixel: [u8; 3], step: u8) -> [u8; 3] {
    let [red, green, blue] = pixel.map(f32::from);
    let value = red.max(green).max(blue);
    let chroma = value - red.min(green).min(blue);
    if chroma == 0.0 {
        return pixel;
    }
    // Distances from the largest channel, as parts of the chroma.
    let [to_red, to_green, to_blue] =
        [red, green, blue].map(|level| f64::from((value - level) / chroma));
    let sixths = if red == value {
        to_blue - to_green
    } else if green == value {
        2.0 + to_red - to_blue
    } else {
        4.0 + to_green - to_red
    };
    let turns = (f64::from(sixths as f32) / 6.0 + 1.0).fract() as f32;
    let hue = ((f64::from(turns) * 255.0) as u8).wrapping_add(step);
    let saturation = (f64::from(chroma / value) * 255.0) as u8;

    let sixths = f64::from(hue) * 6.0 / 255.0;
    let (place, saturation) = (sixths.fract(), f64::from(saturation) / 255.0);
    let level = |part: f64| (f64::from(value) * part).round() as u8;
    let (full, low) = (level(1.0), level(1.0 - saturation));
    let falling = level(1.0 - saturation * place);
    let rising = level(1.0 - saturation * (1.0 - place));
    match sixths as u32 % 6 {
        0 => [full, rising, low],
        1 => [falling, full, low],
        2 => [low, full, rising],
        3 => [low, falling, full],
        4 => [rising, low, full],
        _ => [full, low, falling],
    }
}
