//! What stands behind the sidewalks: buildings, walls, fences, open lots, and the far skyline.

use crate::geometry::{Vec3, vec3};
use crate::labels::Label;
use crate::rng::{Draws, Purpose};
use crate::scene::Scene;
use crate::sketches::plants;
use crate::stage::Style;
use crate::street::Side;
use crate::texture::{Paint, Pattern, Rgb, scaled};

/// Lots reach this far ahead, in metres; the skyline stands behind.
const REACH: f32 = 125.0;
const SKYLINE: f32 = 138.0;

/// A lot beside the road: `u` from its front to its back, `z` from near to far.
#[derive(Clone, Copy)]
struct Plot {
    front: f32,
    back: f32,
    near: f32,
    far: f32,
}

pub(crate) fn build(scene: &mut Scene) {
    let mut draws = scene.draws(Purpose::Facades);
    for place in 0..2 {
        let side = scene.street.sides[place].clone();
        // The first lots in view: walls and fences keep steady turns, as rare things do.
        let wall = scene.count(Label::Wall, 0.3, &mut draws) > 0;
        let fence = scene.count(Label::Fence, 0.3, &mut draws) > 0;
        let mut near = draws.range([-4.0, 4.0]);
        let first_seen = scene.camera.first_seen(side.sign * side.facade);
        let mut promised: Vec<usize> = [(wall, 1), (fence, 2)]
            .into_iter()
            .filter(|(due, _)| *due)
            .map(|(_, kind)| kind)
            .collect();
        while near < REACH {
            let far = near + draws.range(scene.look.streets.lot_width);
            if let Some(crossing) = scene
                .street
                .crossing
                .filter(|crossing| near < crossing.end + 3.0 && far > crossing.start - 3.0)
            {
                if crossing.start - 3.0 - near > 5.0 {
                    lot(scene, &side, [near, crossing.start - 3.0], 0, &mut draws);
                }
                near = crossing.end + 3.0;
                continue;
            }
            let drawn = draws.weighted(&scene.look.streets.lots);
            let kind = if far > first_seen + 2.0 { promised.pop().unwrap_or(drawn) } else { drawn };
            lot(scene, &side, [near, far], kind, &mut draws);
            near = far;
        }
    }
    skyline(scene);
}

fn lot(scene: &mut Scene, side: &Side, [near, far]: [f32; 2], kind: usize, draws: &mut Draws) {
    let plot =
        Plot { front: side.sign * side.facade, back: side.sign * (side.facade + 14.0), near, far };
    let look = scene.look;
    match kind {
        0 => building(scene, plot, draws),
        1 => {
            let height = draws.range([1.5, 2.6]);
            let colour = draws.pick(look.paints.walls);
            let pattern = Pattern::Courses { stone: [0.8, 0.4], amount: 0.22 };
            barrier(scene, plot, height, Label::Wall, Paint::with(colour, pattern));
            yard(scene, plot, draws);
        }
        2 => {
            let height = draws.range([1.2, 2.0]);
            let colour = draws.pick(look.paints.fences);
            let paint = Paint::with(colour, Pattern::Bars { spacing: 0.32 });
            barrier(scene, plot, height, Label::Fence, paint);
            yard(scene, plot, draws);
        }
        _ => {
            yard(scene, plot, draws);
            if draws.chance(0.5) {
                let z = draws.range([near, far]);
                let u = plot.front + side.sign * draws.range([1.0, 3.0]);
                let (plane, leaf) = (scene.upright(u, z), draws.pick(look.paints.leaves));
                plants::bush(&mut scene.stage, plane, [draws.range([2.0, 4.0]), 1.4], leaf);
            }
        }
    }
}

fn building(scene: &mut Scene, plot: Plot, draws: &mut Draws) {
    let look = scene.look;
    let storey = look.paints.storey;
    let storeys = (draws.range(look.streets.building_height) / storey).round().max(1.0);
    let height = storeys * storey + 0.5;
    let shop = draws.chance(0.45).then(|| draws.pick(look.paints.shops));
    let colour = scaled(draws.pick(look.paints.facades), draws.range([0.85, 1.1]));
    let pattern = Pattern::Windows {
        bay: draws.range(look.paints.bay),
        storey,
        glass: look.paints.glass,
        shop,
        brick: draws.chance(look.paints.brick_share),
    };
    let style = scene.stage.thing(Label::Building).painted(Paint::with(colour, pattern));
    walls(scene, plot, height, style);
    let corner = |u: f32, z: f32, y: f32| scene.street.point(u, z) + vec3(0.0, y, 0.0);
    if let Some(tiles) = look.paints.roofs.filter(|_| draws.chance(0.7)) {
        let ridge_u = plot.front + 0.45 * (plot.back - plot.front);
        let ridge = height + draws.range([2.0, 4.0]);
        let (near, far) = (plot.near, plot.far);
        let slope = [
            corner(plot.front, near, height),
            corner(plot.front, far, height),
            corner(ridge_u, far, ridge),
            corner(ridge_u, near, ridge),
        ];
        let gable = [
            corner(plot.front, near, height),
            corner(plot.back, near, height),
            corner(ridge_u, near, ridge),
            corner(ridge_u, near, ridge),
        ];
        let pattern = Pattern::Courses { stone: [0.6, 0.4], amount: 0.2 };
        scene.stage.quad(slope, style.painted(Paint::with(tiles, pattern)));
        scene.stage.quad(gable, style.painted(Paint::plain(scaled(colour, 0.9))));
    } else {
        let parapet = style.painted(Paint::plain(scaled(colour, 0.75)));
        let edge = [
            corner(plot.front, plot.near, height),
            corner(plot.front, plot.far, height),
            corner(plot.front, plot.far, height + 0.35),
            corner(plot.front, plot.near, height + 0.35),
        ];
        scene.stage.quad(edge, parapet);
    }
}

/// A wall or fence along the front of a lot.
fn barrier(scene: &mut Scene, plot: Plot, height: f32, label: Label, paint: Paint) {
    let style = scene.stage.thing(label).painted(paint);
    let thin = Plot { back: plot.front + 0.25 * plot.front.signum(), ..plot };
    walls(scene, thin, height, style);
    let corner = |u: f32, z: f32| scene.street.point(u, z) + vec3(0.0, height, 0.0);
    let top = [
        corner(thin.front, thin.near),
        corner(thin.front, thin.far),
        corner(thin.back, thin.far),
        corner(thin.back, thin.near),
    ];
    scene.stage.quad(top, style.painted(Paint::plain(scaled(paint.base, 1.1))));
}

/// Trees, and often a house set back, behind a barrier or on an open lot.
fn yard(scene: &mut Scene, plot: Plot, draws: &mut Draws) {
    let look = scene.look;
    let outward = plot.front.signum();
    if draws.chance(0.45) {
        let back =
            Plot { front: plot.front + 9.0 * outward, back: plot.back + 9.0 * outward, ..plot };
        building(scene, back, draws);
    }
    let trees = 1 + draws.below(3);
    for _ in 0..trees {
        let u = plot.front + outward * draws.range([2.0, 7.0]);
        let z = draws.range([plot.near, plot.far]);
        let height = draws.range(look.mix.tree_height);
        let paints = [draws.pick(look.paints.leaves), look.paints.bark];
        let plane = scene.upright(u, z);
        plants::tree(&mut scene.stage, plane, height, paints, draws);
    }
}

/// The four upright sides of a lot, and their shadow.
fn walls(scene: &mut Scene, plot: Plot, height: f32, style: Style) {
    let Plot { front, back, near, far } = plot;
    let foot: [Vec3; 4] = [(front, near), (front, far), (back, far), (back, near)]
        .map(|(u, z)| scene.street.point(u, z));
    let up = vec3(0.0, height, 0.0);
    for place in 0..4 {
        let (a, b) = (foot[place], foot[(place + 1) % 4]);
        scene.stage.quad([a, b, b + up, a + up], style);
    }
    scene.stage.cast(&foot, height);
}

/// A row of far buildings and trees that closes the view.
fn skyline(scene: &mut Scene) {
    let look = scene.look;
    let mut draws = scene.draws(Purpose::Backdrop);
    let mut x = -130.0;
    while x < 130.0 {
        let width = draws.range([8.0, 22.0]);
        let z = SKYLINE + draws.range([0.0, 8.0]);
        if draws.chance(look.streets.backdrop_trees) {
            let leaf: Rgb = scaled(draws.pick(look.paints.leaves), 0.9);
            let origin = vec3(x + 0.5 * width, 0.0, z);
            let plane = crate::stage::Plane {
                origin,
                s_axis: vec3(1.0, 0.0, 0.0),
                t_axis: vec3(0.0, 1.0, 0.0),
            };
            let height = draws.range([5.0, 10.0]);
            plants::bush(&mut scene.stage, plane, [1.7 * width, height], leaf);
        } else {
            let height = draws.range(look.streets.backdrop_height);
            let pattern = Pattern::Windows {
                bay: 3.0,
                storey: look.paints.storey,
                glass: look.paints.glass,
                shop: None,
                brick: false,
            };
            let paint = Paint::with(draws.pick(look.paints.facades), pattern);
            let style = scene.stage.thing(Label::Building).painted(paint);
            let (a, b) = (vec3(x, 0.0, z), vec3(x + width, 0.0, z));
            let up = vec3(0.0, height, 0.0);
            scene.stage.quad([a, b, b + up, a + up], style);
        }
        x += width * 0.9;
    }
}
