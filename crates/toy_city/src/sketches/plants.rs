//! Trees, palms and bushes: trunks and leafy ellipses; all of it counts as vegetation.

use crate::labels::Label;
use crate::rng::Draws;
use crate::stage::{Plane, Sketch, Stage};
use crate::texture::{Paint, Pattern, Rgb, scaled};

fn leaves(colour: Rgb, scale: f32) -> Paint {
    Paint::with(colour, Pattern::Leaves { scale })
}

/// A broad-leaved tree.
pub(crate) fn tree(
    stage: &mut Stage,
    plane: Plane,
    height: f32,
    [leaf, bark]: [Rgb; 2],
    draws: &mut Draws,
) {
    let style = stage.thing(Label::Vegetation);
    let mut sketch = Sketch::new(stage, plane, style);
    let crown = height * draws.range([0.26, 0.36]);
    let foot = height * 0.03;
    let rough = Paint::with(bark, Pattern::Mottled { scale: 0.25, amount: 0.25 });
    sketch.polygon(
        &[[-foot, 0.0], [foot, 0.0], [0.6 * foot, 0.6 * height], [-0.6 * foot, 0.6 * height]],
        rough,
    );
    let middle = height - crown;
    for (s, t, size, light) in [
        (0.0, -0.1, 1.0, 0.72),
        (-0.55, -0.3, 0.65, 0.85),
        (0.55, -0.25, 0.65, 0.95),
        (0.05, 0.3, 0.75, 1.15),
    ] {
        let center = [s * crown + draws.range([-0.15, 0.15]) * crown, middle + t * crown];
        let radii = [size * crown, 0.85 * size * crown];
        sketch.tuft(center, radii, 0.45, leaves(scaled(leaf, light), 0.35));
    }
}

/// A palm: a slim trunk under a fan of fronds.
pub(crate) fn palm(
    stage: &mut Stage,
    plane: Plane,
    height: f32,
    [leaf, bark]: [Rgb; 2],
    draws: &mut Draws,
) {
    let style = stage.thing(Label::Vegetation);
    let mut sketch = Sketch::new(stage, plane, style);
    let lean = draws.range([-0.6, 0.6]);
    sketch.bar(
        [0.0, 0.0],
        [lean, height],
        0.3,
        Paint::with(bark, Pattern::Courses { stone: [9.0, 0.3], amount: 0.2 }),
    );
    let reach = draws.range([1.5, 2.1]);
    for step in 0..7 {
        let angle = -0.45 + step as f32 * 0.67;
        let tip = [lean + reach * angle.cos(), height + 0.2 + 0.75 * reach * angle.sin()];
        let light = 0.75 + 0.3 * angle.sin().max(0.0);
        sketch.bar([lean, height], tip, 0.32, leaves(scaled(leaf, light), 0.2));
        let drop = [tip[0] + 0.35 * angle.cos(), tip[1] - 0.6];
        sketch.bar(tip, drop, 0.28, leaves(scaled(leaf, light * 0.9), 0.2));
    }
    sketch.tuft([lean, height], [0.6, 0.6], 0.3, leaves(leaf, 0.2));
}

/// A bush or a piece of hedge.
pub(crate) fn bush(stage: &mut Stage, plane: Plane, [width, height]: [f32; 2], leaf: Rgb) {
    let style = stage.thing(Label::Vegetation);
    let mut sketch = Sketch::new(stage, plane, style);
    let radii = [0.5 * width, 0.62 * height];
    sketch.tuft([0.0, 0.4 * height], radii, 0.3, leaves(leaf, 0.25));
    sketch.tuft(
        [-0.25 * width, 0.35 * height],
        [0.6 * radii[0], 0.8 * radii[1]],
        0.3,
        leaves(scaled(leaf, 1.15), 0.25),
    );
}
