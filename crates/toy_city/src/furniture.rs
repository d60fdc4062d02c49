//! What stands at the roadside: lamp posts, signs, traffic lights and trees.

use crate::labels::Label;
use crate::rng::{Draws, Purpose};
use crate::scene::Scene;
use crate::sketches::plants;
use crate::sketches::posts::{self, SignKind};

const KINDS: [SignKind; 5] =
    [SignKind::Prohibition, SignKind::Warning, SignKind::Stop, SignKind::Parking, SignKind::Board];

pub(crate) fn set_up(scene: &mut Scene) {
    let mut draws = scene.draws(Purpose::Furniture);
    traffic_lights(scene, &mut draws);
    signs(scene, &mut draws);
    lamps(scene, &mut draws);
    trees(scene);
}

fn traffic_lights(scene: &mut Scene, draws: &mut Draws) {
    let expected = scene.look.mix.traffic_lights;
    let count = scene.count(Label::TrafficLight, expected, draws);
    let lit = draws.below(3);
    let post = scene.look.paints.posts;
    for _ in 0..count {
        let side = scene.street.sides[draws.below(2)].clone();
        let u = side.sign * side.posts;
        let at_crossing = scene.street.crossing.map(|crossing| crossing.start - 0.6);
        let z = match at_crossing {
            Some(z) if draws.chance(0.7) => z,
            _ => scene.camera.first_seen(u).max(9.0) + draws.range([0.0, 16.0]),
        };
        if !scene.street.beside_road(z, z) || !scene.claim([u, z], [0.3, 0.3]) {
            continue;
        }
        let arm = if draws.chance(0.35) { -side.sign * draws.range([2.5, 4.5]) } else { 0.0 };
        let (plane, width) = (scene.upright(u, z), scene.slim(0.18, z));
        posts::traffic_light(&mut scene.stage, plane, width, arm, lit, post);
        scene.shade_round(plane.origin, 0.12, 3.0);
    }
}

fn signs(scene: &mut Scene, draws: &mut Draws) {
    for _ in 0..scene.count(Label::TrafficSign, scene.look.mix.signs, draws) {
        let side = scene.street.sides[draws.below(2)].clone();
        let u = side.sign * (side.posts + draws.range([-0.1, 0.3]));
        let z = scene.camera.first_seen(u).max(7.0) + draws.range([0.0, 22.0]);
        if !scene.street.beside_road(z, z) || !scene.claim([u, z], [0.3, 0.3]) {
            continue;
        }
        let kind = draws.pick(&KINDS);
        let height = draws.range([2.2, 2.8]);
        let (plane, width) = (scene.upright(u, z), scene.slim(0.12, z));
        let paints = [scene.look.paints.posts, scene.look.paints.sign];
        posts::sign(&mut scene.stage, plane, kind, [height, width], paints);
        scene.shade_round(plane.origin, 0.1, height);
    }
}

fn lamps(scene: &mut Scene, draws: &mut Draws) {
    let colour = scene.look.paints.posts;
    for place in 0..2 {
        let side = scene.street.sides[place].clone();
        let u = side.sign * side.posts;
        let height = draws.range([5.5, 8.5]);
        let spacing = draws.range(scene.look.mix.lamp_spacing);
        let mut z = draws.range([4.0, 4.0 + spacing]);
        while z < 90.0 {
            if scene.street.beside_road(z, z) && scene.claim([u, z], [0.25, 0.25]) {
                let (plane, width) = (scene.upright(u, z), scene.slim(0.2, z));
                posts::lamp(&mut scene.stage, plane, [height, width], -side.sign * 1.4, colour);
                scene.shade_round(plane.origin, 0.1, height);
            }
            z += spacing;
        }
    }
}

fn trees(scene: &mut Scene) {
    let mut draws = scene.draws(Purpose::Plants);
    let look = scene.look;
    for place in 0..2 {
        if !draws.chance(look.mix.tree_chance) {
            continue;
        }
        let side = scene.street.sides[place].clone();
        let u = side.sign * (side.posts + 0.25);
        let spacing = draws.range(look.mix.tree_spacing);
        let are_palms = draws.chance(look.mix.palms);
        let mut z = draws.range([6.0, 6.0 + spacing]);
        while z < 100.0 {
            if scene.street.beside_road(z - 2.0, z + 2.0) && scene.claim([u, z], [0.4, 0.4]) {
                let plane = scene.upright(u, z);
                let height = draws.range(look.mix.tree_height);
                let paints = [draws.pick(look.paints.leaves), look.paints.bark];
                if are_palms {
                    plants::palm(&mut scene.stage, plane, height, paints, &mut draws);
                    scene.shade_round(plane.origin, 0.4, height);
                } else {
                    plants::tree(&mut scene.stage, plane, height, paints, &mut draws);
                    scene.shade_round(plane.origin, 0.25 * height, height);
                }
            }
            z += spacing * draws.range([0.8, 1.2]);
        }
    }
}
