//! Vehicles with four wheels or more: on the lanes, parked, and on rails.

use crate::labels::Label;
use crate::rng::{Draws, Purpose};
use crate::scene::Scene;
use crate::sketches::vehicles;

/// Vehicles stand between these distances ahead, in metres.
const NEAREST: f32 = 7.5;
const FARTHEST: f32 = 75.0;
/// How much farther the nearest vehicle in the camera's own lane is, so that it leaves a view.
const HEADWAY: f32 = 4.0;

pub(crate) fn drive(scene: &mut Scene) {
    let mut draws = scene.draws(Purpose::Traffic);
    rail(scene, &mut draws);
    let mix = &scene.look.mix;
    let large = [(Label::Bus, mix.buses, 5.4), (Label::Truck, mix.trucks, 3.9)];
    for (label, expected, half_length) in large {
        for _ in 0..scene.count(label, expected, &mut draws) {
            place_large(scene, label, half_length, &mut draws);
        }
    }
    for _ in 0..scene.count(Label::Autorickshaw, mix.autorickshaws, &mut draws) {
        if let Some((u, z, direction)) =
            lane_place(scene, [0.7, 2.2], [NEAREST + 2.0, 40.0], &mut draws)
        {
            let pose = scene.pose(u, z, direction);
            vehicles::autorickshaw(&mut scene.stage, &pose);
        }
    }
    for _ in 0..scene.count(Label::Car, mix.cars, &mut draws) {
        if let Some((u, z, direction)) =
            lane_place(scene, [1.0, 3.4], [NEAREST, FARTHEST], &mut draws)
        {
            place_car(scene, [u, z], direction, &mut draws);
        }
    }
    parked(scene, &mut draws);
}

fn place_large(scene: &mut Scene, label: Label, half_length: f32, draws: &mut Draws) {
    let reach = [NEAREST + half_length + 2.0, 42.0];
    let Some((u, z, direction)) = lane_place(scene, [1.3, half_length + 1.5], reach, draws) else {
        return;
    };
    let pose = scene.pose(u, z, direction);
    let paints = &scene.look.paints;
    if label == Label::Bus {
        vehicles::bus(&mut scene.stage, &pose, draws.pick(paints.buses));
    } else {
        let (cab, load) = (draws.pick(paints.trucks), draws.pick(paints.trucks));
        vehicles::truck(&mut scene.stage, &pose, cab, load);
    }
}

fn place_car(scene: &mut Scene, [u, z]: [f32; 2], direction: f32, draws: &mut Draws) {
    let pose = scene.pose(u, z, direction);
    let colour = draws.pick(scene.look.paints.cars);
    vehicles::car(&mut scene.stage, &pose, colour, draws.chance(0.2));
}

/// A free place on a lane: `u`, `z` and whether it leads away (1) or toward the camera (-1).
fn lane_place(
    scene: &mut Scene,
    half: [f32; 2],
    [nearest, farthest]: [f32; 2],
    draws: &mut Draws,
) -> Option<(f32, f32, f32)> {
    for _ in 0..8 {
        let lane = draws.below(scene.street.lanes) as f32 + 0.5;
        let direction = draws.sign();
        let u = scene.street.drive * direction * lane * scene.street.lane_width;
        let is_ahead = (u - scene.camera.position.x).abs() < 1.8;
        let gap = if is_ahead { HEADWAY } else { 0.0 };
        let first = scene.camera.first_seen(u).max(nearest + gap);
        // Near places come more often than far ones, which show few pixels.
        let share = draws.unit();
        let z = first + (farthest - first) * share * share;
        if first < farthest && scene.claim([u, z], half) {
            return Some((u, z, direction));
        }
    }
    None
}

fn parked(scene: &mut Scene, draws: &mut Draws) {
    for place in 0..2 {
        if !scene.street.sides[place].parking {
            continue;
        }
        let side = scene.street.sides[place].clone();
        let u = side.sign * (side.edge - 1.1);
        let mut z = draws.range([5.0, 9.0]);
        while z < 60.0 {
            let taken = draws.chance(scene.look.mix.parked);
            if taken
                && scene.street.beside_road(z - 6.0, z + 6.0)
                && scene.claim([u, z], [0.95, 2.5])
            {
                let direction = side.sign * scene.street.drive;
                place_car(scene, [u, z], direction, draws);
            }
            z += 5.6;
        }
    }
}

/// A train of carriages on the track, where the street has one.
fn rail(scene: &mut Scene, draws: &mut Draws) {
    let Some((sign, track)) =
        scene.street.sides.iter().find_map(|side| side.track.map(|track| (side.sign, track)))
    else {
        return;
    };
    let u = sign * track;
    let half_length = 5.6;
    let start = scene.camera.first_seen(u).max(9.0) + draws.range([-2.0, 14.0]);
    let carriages = 2 + draws.below(3);
    let colour = draws.pick(scene.look.paints.trains);
    let train = scene.stage.thing(Label::Train);
    for carriage in 0..carriages {
        let z = start + half_length + carriage as f32 * 2.0 * (half_length + 0.15);
        let pose = scene.pose(u, z, 1.0);
        scene.claim([u, z], [1.6, half_length + 0.5]);
        vehicles::carriage(&mut scene.stage, &pose, colour, half_length, train);
    }
}
