//! Lamp posts, signs and traffic lights, flat toward the camera.

use crate::labels::Label;
use crate::stage::{Plane, Sketch, Stage};
use crate::texture::{Paint, Rgb, scaled};

const WHITE: Rgb = [0.9, 0.9, 0.88];
const RED: Rgb = [0.78, 0.08, 0.08];

/// A lamp post whose arm reaches `arm` metres toward the road.
pub(crate) fn lamp(
    stage: &mut Stage,
    plane: Plane,
    [height, width]: [f32; 2],
    arm: f32,
    colour: Rgb,
) {
    let style = stage.thing(Label::Pole);
    let mut sketch = Sketch::new(stage, plane, style);
    let paint = Paint::plain(colour);
    sketch.rect([-0.5 * width, 0.5 * width], [0.0, height], paint);
    sketch.rect([-0.8 * width, 0.8 * width], [0.0, 0.8], Paint::plain(scaled(colour, 0.8)));
    sketch.bar([0.0, height], [arm, height + 0.35], 0.7 * width, paint);
    sketch.bar(
        [arm, height + 0.3],
        [arm * 1.35, height + 0.35],
        1.3 * width,
        Paint::plain(scaled(colour, 0.7)),
    );
}

/// The face of a sign.
#[derive(Clone, Copy)]
pub(crate) enum SignKind {
    Prohibition,
    Warning,
    Stop,
    Parking,
    Board,
}

/// A sign on a post; its middle is `height` metres up.
pub(crate) fn sign(
    stage: &mut Stage,
    plane: Plane,
    kind: SignKind,
    [height, width]: [f32; 2],
    paints: [Rgb; 2],
) {
    let [post, board] = paints;
    let style = stage.thing(Label::Pole);
    let mut sketch = Sketch::new(stage, plane, style);
    sketch.rect([-0.5 * width, 0.5 * width], [0.0, height], Paint::plain(post));
    sketch.label(Label::TrafficSign);
    let (white, red) = (Paint::plain(WHITE), Paint::plain(RED));
    match kind {
        SignKind::Prohibition => {
            sketch.ellipse([0.0, height], [0.48, 0.48], red);
            sketch.ellipse([0.0, height], [0.33, 0.33], white);
        }
        SignKind::Warning => {
            sketch
                .polygon(&[[-0.58, height - 0.4], [0.58, height - 0.4], [0.0, height + 0.62]], red);
            sketch.polygon(
                &[[-0.33, height - 0.26], [0.33, height - 0.26], [0.0, height + 0.32]],
                white,
            );
        }
        SignKind::Stop => {
            let eighth = std::f32::consts::FRAC_PI_4;
            let corners: Vec<[f32; 2]> = (0..8)
                .map(|corner| (corner as f32 + 0.5) * eighth)
                .map(|angle| [0.5 * angle.cos(), height + 0.5 * angle.sin()])
                .collect();
            sketch.polygon(&corners, red);
            sketch.rect([-0.34, 0.34], [height - 0.1, height + 0.12], white);
        }
        SignKind::Parking => {
            sketch.rect(
                [-0.42, 0.42],
                [height - 0.45, height + 0.45],
                Paint::plain([0.12, 0.28, 0.68]),
            );
            sketch.rect([-0.12, 0.14], [height - 0.25, height + 0.28], white);
        }
        SignKind::Board => {
            sketch.rect([-1.1, 1.1], [height - 0.45, height + 0.55], white);
            sketch.rect([-1.03, 1.03], [height - 0.38, height + 0.48], Paint::plain(board));
            sketch.rect([-0.75, 0.35], [height + 0.12, height + 0.27], white);
            sketch.rect([-0.75, 0.6], [height - 0.22, height - 0.07], white);
        }
    }
}

/// A traffic light on a post, or at the end of an arm over the road if `arm` is not zero.
pub(crate) fn traffic_light(
    stage: &mut Stage,
    plane: Plane,
    width: f32,
    arm: f32,
    lit: usize,
    post: Rgb,
) {
    let style = stage.thing(Label::Pole);
    let mut sketch = Sketch::new(stage, plane, style);
    let paint = Paint::plain(post);
    let top = if arm == 0.0 { 2.5 } else { 5.2 };
    sketch.rect([-0.5 * width, 0.5 * width], [0.0, top], paint);
    if arm != 0.0 {
        sketch.bar([0.0, top - 0.1], [arm, top - 0.1], width, paint);
    }
    sketch.label(Label::TrafficLight);
    let heads: &[(f32, f32)] = if arm == 0.0 { &[(0.0, 2.4)] } else { &[(arm, 4.5), (0.0, 2.4)] };
    for &(s, bottom) in heads {
        sketch.rect([s - 0.27, s + 0.27], [bottom, bottom + 1.2], Paint::plain([0.06, 0.07, 0.06]));
        let lamps = [[0.95, 0.12, 0.08], [0.95, 0.65, 0.1], [0.15, 0.85, 0.45]];
        for (place, colour) in lamps.into_iter().enumerate() {
            let center = [s, bottom + 0.98 - 0.37 * place as f32];
            let lamp = if place == lit {
                Paint::glowing(colour)
            } else {
                Paint::plain(scaled(colour, 0.2))
            };
            sketch.ellipse(center, [0.16, 0.16], lamp);
        }
    }
}
