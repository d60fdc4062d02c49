//! People: riders with their cycles, parked cycles, and walkers.

use crate::labels::Label;
use crate::rng::{Draws, Purpose};
use crate::scene::Scene;
use crate::sketches::cycles;
use crate::sketches::people::{self, Dress, Saddle};
use crate::stage::Sketch;
use crate::texture::Rgb;

const PAINTS: [Rgb; 5] =
    [[0.6, 0.1, 0.1], [0.1, 0.1, 0.12], [0.15, 0.25, 0.55], [0.55, 0.55, 0.57], [0.15, 0.4, 0.3]];

#[derive(Clone, Copy, PartialEq)]
enum Cycle {
    Motor,
    Pedal,
}

/// Riders on the road, then cycles parked at its side.
pub(crate) fn ride(scene: &mut Scene) {
    let mut draws = scene.draws(Purpose::Cycles);
    let mix = &scene.look.mix;
    // Parked and ridden cycles take turns of their own, under the keys of cycle and rider.
    let ridden = [
        (Cycle::Motor, scene.count(Label::Rider, mix.motorcyclists, &mut draws)),
        (Cycle::Pedal, scene.count(Label::Person, mix.cyclists, &mut draws)),
    ];
    for (cycle, count) in ridden {
        for _ in 0..count {
            let across = draws.chance(0.22);
            let Some([u, z]) = riding_place(scene, across, &mut draws) else { continue };
            let side = across.then(|| draws.sign());
            place_cycle(scene, [u, z], cycle, side, true, &mut draws);
        }
    }
    let parked = [
        (Cycle::Motor, scene.count(Label::Motorcycle, mix.motorcycles, &mut draws)),
        (Cycle::Pedal, scene.count(Label::Bicycle, mix.bicycles, &mut draws)),
    ];
    for (cycle, count) in parked {
        for _ in 0..count {
            let Some([u, z]) = walking_place(scene, [0.9, 0.4], [8.0, 28.0], &mut draws) else {
                continue;
            };
            let side = draws.chance(0.8).then(|| draws.sign());
            place_cycle(scene, [u, z], cycle, side, false, &mut draws);
        }
    }
}

/// People on foot: on sidewalks, at the zebra crossing, and on the road.
pub(crate) fn walk(scene: &mut Scene) {
    let mut draws = scene.draws(Purpose::People);
    let mix = &scene.look.mix;
    let expected = mix.walkers;
    let walkers = (expected * draws.range([0.6, 1.4]) + draws.unit()) as u32;
    for _ in 0..walkers {
        let on_road = draws.chance(mix.jaywalkers);
        let place = if on_road {
            road_place(scene, &mut draws)
        } else {
            walking_place(scene, [0.4, 0.3], [7.0, 42.0], &mut draws)
        };
        let Some([u, z]) = place else { continue };
        let paints = &scene.look.paints;
        let dress = Dress::draw(paints.clothes, paints.skin, &mut draws);
        let child = draws.chance(0.1);
        let height = if child { draws.range([1.1, 1.4]) } else { draws.range([1.58, 1.88]) };
        let stride = draws.range([0.05, 0.15]) * height;
        let plane = scene.upright(u, z);
        people::walker(&mut scene.stage, plane, height, stride, &dress);
        scene.shade_round(plane.origin, 0.25, height);
    }
}

fn place_cycle(
    scene: &mut Scene,
    [u, z]: [f32; 2],
    cycle: Cycle,
    side: Option<f32>,
    ridden: bool,
    draws: &mut Draws,
) {
    let plane = scene.upright(u, z);
    let colour = draws.pick(&PAINTS);
    let paints = &scene.look.paints;
    let dress = Dress::draw(paints.clothes, paints.skin, draws);
    let helmet_colour = draws.pick(&PAINTS);
    let (label, seat, helmets) = match cycle {
        Cycle::Motor => (Label::Motorcycle, 0.85, 0.75),
        Cycle::Pedal => (Label::Bicycle, 0.95, 0.3),
    };
    let style = scene.stage.thing(label);
    let mut sketch = Sketch::new(&mut scene.stage, plane, style);
    match cycle {
        Cycle::Motor => cycles::motorcycle(&mut sketch, side, colour),
        Cycle::Pedal => cycles::bicycle(&mut sketch, side, colour),
    }
    if ridden {
        let helmet = draws.chance(helmets).then_some(helmet_colour);
        people::rider(&mut sketch, &Saddle { seat, side, helmet }, &dress);
    }
    let reach = if side.is_some() { 0.8 } else { 0.35 };
    let height = if ridden { 1.6 } else { 0.9 };
    scene.shade_round(plane.origin, reach, height);
}

/// A free place near the edge of a lane, or anywhere on the road for those who cross it.
fn riding_place(scene: &mut Scene, across: bool, draws: &mut Draws) -> Option<[f32; 2]> {
    for _ in 0..8 {
        let reach = scene.street.lanes as f32 * scene.street.lane_width - 0.5;
        let u = if across {
            draws.range([-reach, reach])
        } else {
            draws.sign() * draws.range([0.35 * reach, reach])
        };
        let first = scene.camera.first_seen(u).max(6.5);
        let share = draws.unit();
        let z = first + (36.0 - first) * share * share;
        if first < 36.0 && scene.claim([u, z], [0.5, 1.0]) {
            return Some([u, z]);
        }
    }
    None
}

/// A free place where people walk, in view.
fn walking_place(
    scene: &mut Scene,
    half: [f32; 2],
    [nearest, farthest]: [f32; 2],
    draws: &mut Draws,
) -> Option<[f32; 2]> {
    for _ in 0..8 {
        let side = &scene.street.sides[draws.below(2)];
        let u = side.sign * draws.range(side.walk);
        let first = scene.camera.first_seen(u).max(nearest);
        let share = draws.unit();
        let z = first + (farthest - first) * share * share;
        if first < farthest && scene.street.beside_road(z, z) && scene.claim([u, z], half) {
            return Some([u, z]);
        }
    }
    None
}

/// A free place on the road: on the zebra crossing if there is one.
fn road_place(scene: &mut Scene, draws: &mut Draws) -> Option<[f32; 2]> {
    for _ in 0..8 {
        let side = &scene.street.sides[draws.below(2)];
        let u = side.sign * side.edge * draws.unit().sqrt();
        let z = match scene.street.crossing {
            Some(crossing) if draws.chance(0.7) => crossing.start - draws.range([1.0, 3.6]),
            _ => scene.camera.first_seen(u).max(8.0) + draws.range([0.0, 25.0]),
        };
        if scene.claim([u, z], [0.4, 0.4]) {
            return Some([u, z]);
        }
    }
    None
}
