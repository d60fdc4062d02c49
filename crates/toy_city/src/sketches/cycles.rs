//! Motorcycles and bicycles, seen from the side or from the end, as flat figures.

use crate::stage::Sketch;
use crate::texture::{Paint, Pattern, Rgb, scaled};

const TYRE: Rgb = [0.07, 0.07, 0.07];
const METAL: Rgb = [0.45, 0.45, 0.46];

/// A motorcycle; `side` is the sign of `s` toward which it points when seen from the side.
pub(crate) fn motorcycle(sketch: &mut Sketch<'_>, side: Option<f32>, colour: Rgb) {
    let body = Paint::plain(colour);
    let dark = Paint::plain(TYRE);
    let Some(ahead) = side else {
        sketch.rect([-0.1, 0.1], [0.0, 0.65], dark);
        sketch.polygon(&[[-0.2, 0.3], [0.2, 0.3], [0.27, 0.85], [-0.27, 0.85]], body);
        sketch.bar([-0.42, 1.08], [0.42, 1.08], 0.09, dark);
        sketch.rect([-0.14, 0.14], [0.85, 1.1], Paint::plain(scaled(colour, 0.6)));
        sketch.rect([-0.11, 0.11], [0.62, 0.76], Paint::plain([0.8, 0.1, 0.07]));
        return;
    };
    let wheel = Paint::with(METAL, Pattern::Wheel { radius: 0.33 });
    let at = |s: f32, t: f32| [s * ahead, t];
    sketch.bar(at(0.62, 0.33), at(0.38, 1.0), 0.12, Paint::plain(METAL));
    sketch.polygon(
        &[at(-0.45, 0.25), at(0.25, 0.22), at(0.38, 0.5), at(-0.5, 0.55)],
        Paint::plain([0.2, 0.2, 0.21]),
    );
    sketch.ellipse([-0.65 * ahead, 0.33], [0.33, 0.33], wheel);
    sketch.ellipse([0.65 * ahead, 0.33], [0.33, 0.33], wheel);
    sketch.polygon(&[at(-0.9, 0.62), at(-0.1, 0.52), at(-0.05, 0.78), at(-0.85, 0.84)], dark);
    sketch.polygon(&[at(-0.15, 0.5), at(0.4, 0.52), at(0.45, 0.85), at(0.0, 0.95)], body);
    sketch.bar(at(0.3, 1.05), at(0.55, 0.95), 0.1, dark);
}

/// A bicycle; wheels count as full discs.
pub(crate) fn bicycle(sketch: &mut Sketch<'_>, side: Option<f32>, colour: Rgb) {
    let frame = Paint::plain(colour);
    let dark = Paint::plain(TYRE);
    let Some(ahead) = side else {
        sketch.rect([-0.06, 0.06], [0.0, 0.7], dark);
        sketch.polygon(&[[-0.1, 0.35], [0.1, 0.35], [0.13, 0.9], [-0.13, 0.9]], frame);
        sketch.bar([-0.32, 1.02], [0.32, 1.02], 0.08, dark);
        return;
    };
    let wheel = Paint::with([0.42, 0.43, 0.43], Pattern::Wheel { radius: 0.36 });
    let at = |s: f32, t: f32| [s * ahead, t];
    sketch.ellipse([-0.54 * ahead, 0.36], [0.36, 0.36], wheel);
    sketch.ellipse([0.54 * ahead, 0.36], [0.36, 0.36], wheel);
    sketch.polygon(&[at(-0.05, 0.3), at(0.12, 0.34), at(0.42, 0.8), at(-0.15, 0.82)], frame);
    sketch.bar(at(-0.54, 0.36), at(0.0, 0.32), 0.09, frame);
    sketch.bar(at(-0.54, 0.36), at(-0.17, 0.85), 0.09, frame);
    sketch.bar(at(0.54, 0.36), at(0.4, 1.0), 0.09, frame);
    sketch.bar(at(-0.32, 0.92), at(-0.04, 0.92), 0.11, dark);
    sketch.bar(at(0.28, 1.02), at(0.5, 1.0), 0.09, dark);
}
