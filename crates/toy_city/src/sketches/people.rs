//! People on foot and in the saddle, as flat figures that face the camera.

use crate::labels::Label;
use crate::rng::Draws;
use crate::stage::{Plane, Sketch, Stage};
use crate::texture::{Paint, Rgb, scaled};

/// What one person wears and looks like.
#[derive(Clone, Copy)]
pub(crate) struct Dress {
    pub(crate) skin: Rgb,
    pub(crate) hair: Rgb,
    pub(crate) top: Rgb,
    pub(crate) legs: Rgb,
}

impl Dress {
    pub(crate) fn draw(clothes: &[Rgb], skin: &[Rgb], draws: &mut Draws) -> Self {
        let hair = draws.pick(&[[0.08, 0.06, 0.05], [0.22, 0.15, 0.1], [0.3, 0.28, 0.26]]);
        let legs = scaled(draws.pick(clothes), 0.6);
        Self { skin: draws.pick(skin), hair, top: draws.pick(clothes), legs }
    }
}

/// Someone standing or walking; `stride` is half the distance between the feet.
pub(crate) fn walker(stage: &mut Stage, plane: Plane, height: f32, stride: f32, dress: &Dress) {
    let style = stage.thing(Label::Person);
    let (legs, top) = (Paint::plain(dress.legs), Paint::plain(dress.top));
    let far_leg = Paint::plain(scaled(dress.legs, 0.75));
    let h = height;
    let mut sketch = Sketch::new(stage, plane, style);
    sketch.bar([-0.05 * h, 0.5 * h], [-stride, 0.0], 0.1 * h, far_leg);
    sketch.bar([0.05 * h, 0.5 * h], [stride, 0.0], 0.1 * h, legs);
    let sleeve = Paint::plain(scaled(dress.top, 0.8));
    let swing = 0.35 * stride;
    sketch.bar([-0.13 * h, 0.8 * h], [-0.14 * h - swing, 0.45 * h], 0.07 * h, sleeve);
    sketch.bar([0.13 * h, 0.8 * h], [0.14 * h + swing, 0.45 * h], 0.07 * h, sleeve);
    sketch.polygon(
        &[[-0.11 * h, 0.45 * h], [0.11 * h, 0.45 * h], [0.14 * h, 0.83 * h], [-0.14 * h, 0.83 * h]],
        top,
    );
    sketch.ellipse([0.0, 0.915 * h], [0.07 * h, 0.085 * h], Paint::plain(dress.hair));
    sketch.ellipse([0.0, 0.895 * h], [0.055 * h, 0.065 * h], Paint::plain(dress.skin));
}

/// How a rider sits: the height of the seat and which way the cycle is seen.
#[derive(Clone, Copy)]
pub(crate) struct Saddle {
    pub(crate) seat: f32,
    /// From the side, moving toward this sign of `s`; otherwise from the end.
    pub(crate) side: Option<f32>,
    pub(crate) helmet: Option<Rgb>,
}

/// A rider upon a cycle already drawn in the same sketch.
pub(crate) fn rider(sketch: &mut Sketch<'_>, saddle: &Saddle, dress: &Dress) {
    sketch.thing(Label::Rider);
    let (legs, top, skin) =
        (Paint::plain(dress.legs), Paint::plain(dress.top), Paint::plain(dress.skin));
    let sleeve = Paint::plain(scaled(dress.top, 0.8));
    let seat = saddle.seat;
    let (lean, shoulder) = match saddle.side {
        Some(ahead) => (0.22 * ahead, seat + 0.55),
        None => (0.0, seat + 0.58),
    };
    match saddle.side {
        Some(ahead) => {
            let knee = [0.28 * ahead, seat - 0.12];
            sketch.bar([-0.1 * ahead, seat + 0.02], knee, 0.2, legs);
            sketch.bar(knee, [0.12 * ahead, seat - 0.55], 0.15, legs);
            let back = -0.16 * ahead;
            sketch.polygon(
                &[
                    [back - 0.15, seat - 0.04],
                    [back + 0.17, seat - 0.04],
                    [lean + 0.16, shoulder],
                    [lean - 0.16, shoulder],
                ],
                top,
            );
            sketch.bar([lean, shoulder - 0.08], [0.55 * ahead, seat + 0.18], 0.12, sleeve);
        }
        None => {
            sketch.bar([-0.14, seat], [-0.25, seat - 0.5], 0.16, legs);
            sketch.bar([0.14, seat], [0.25, seat - 0.5], 0.16, legs);
            sketch.bar([-0.24, shoulder - 0.08], [-0.33, seat + 0.15], 0.12, sleeve);
            sketch.bar([0.24, shoulder - 0.08], [0.33, seat + 0.15], 0.12, sleeve);
            sketch.polygon(
                &[[-0.2, seat - 0.05], [0.2, seat - 0.05], [0.25, shoulder], [-0.25, shoulder]],
                top,
            );
        }
    }
    let head = [lean * 1.15, shoulder + 0.16];
    match saddle.helmet {
        Some(colour) => sketch.ellipse(head, [0.16, 0.18], Paint::plain(colour)),
        None => {
            sketch.ellipse(head, [0.13, 0.16], Paint::plain(dress.hair));
            sketch.ellipse([head[0], head[1] - 0.04], [0.1, 0.11], skin);
        }
    }
}
