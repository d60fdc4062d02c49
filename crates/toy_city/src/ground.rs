//! Label and colour of each place on the ground: asphalt and its markings, paving, terrain, track.

use crate::labels::Label;
use crate::looks::GroundLook;
use crate::street::{Ground, Street};
use crate::texture::{Paint, Pattern, Rgb, blend, detail, noise, scaled};

const LINE_HALF_WIDTH: f32 = 0.09;

/// What a ray that ends at (`x`, `z`) sees; a pixel covers `footprint` metres there.
pub(crate) fn surface(
    street: &Street,
    look: &GroundLook,
    [x, z]: [f32; 2],
    footprint: f32,
    grain: u32,
) -> (Label, Rgb) {
    let u = street.u_at(x, z);
    let blotch = (noise(x / 2.7, z / 2.7, grain) - 0.5) * detail(2.7, footprint)
        + 0.6 * (noise(x / 0.35, z / 0.35, grain ^ 1) - 0.5) * detail(0.35, footprint);
    let worn = 1.0 + 2.0 * look.mottling * blotch;
    match street.ground_at(u, z) {
        Ground::Road if is_marked(street, u, z) => (Label::LaneMarking, scaled(look.marking, worn)),
        Ground::Road => (Label::Road, scaled(look.asphalt, worn * tracks_of_tyres(street, u))),
        Ground::Sidewalk => {
            let at_curb = u.abs() - street.side_at(u).edge < 0.2;
            let base = if at_curb { look.curb } else { look.paving };
            let stone = look.paving_stone;
            let pattern = Pattern::Courses { stone: [stone, stone], amount: 0.12 };
            let colour = Paint::with(base, pattern).colour(x, z, footprint, grain);
            (Label::Sidewalk, scaled(colour, worn))
        }
        Ground::Terrain => {
            let share = noise(x / 4.0, z / 4.0, grain ^ 2);
            let tufts =
                1.0 + 0.5 * (noise(x / 0.15, z / 0.25, grain ^ 3) - 0.5) * detail(0.25, footprint);
            (Label::Terrain, scaled(blend(look.terrain[0], look.terrain[1], share), worn * tufts))
        }
        Ground::Track => (Label::RailTrack, track_bed(street, u, z, footprint, worn)),
    }
}

fn is_marked(street: &Street, u: f32, z: f32) -> bool {
    if let Some(crossing) = street.crossing {
        if (crossing.start..crossing.end).contains(&z) {
            return false;
        }
        let before = crossing.start - z;
        if (0.8..3.8).contains(&before) {
            return (u / 1.1).rem_euclid(1.0) < 0.5; // zebra
        }
        if (4.6..5.1).contains(&before) {
            return u * street.drive > 0.0; // stop line
        }
    }
    if !street.marked {
        return false;
    }
    let lanes_end = street.lanes as f32 * street.lane_width;
    let in_lanes = u / street.lane_width;
    let nearest = in_lanes.round();
    let on_line = (in_lanes - nearest).abs() * street.lane_width < LINE_HALF_WIDTH;
    if !on_line || u.abs() > lanes_end + LINE_HALF_WIDTH {
        return false;
    }
    let solid = nearest == 0.0 && street.lanes > 1 || nearest.abs() as usize == street.lanes;
    solid || z.rem_euclid(6.0) < 3.2
}

/// Asphalt is a little darker where wheels run.
fn tracks_of_tyres(street: &Street, u: f32) -> f32 {
    let across = (u / street.lane_width).rem_euclid(1.0);
    let wheel = ((across - 0.28).abs()).min((across - 0.72).abs());
    1.0 - 0.07 * (1.0 - (wheel * 9.0).min(1.0))
}

fn track_bed(street: &Street, u: f32, z: f32, footprint: f32, worn: f32) -> Rgb {
    let middle = street.side_at(u).track.unwrap_or(0.0);
    if ((u.abs() - middle).abs() - 0.75).abs() < 0.08 {
        return [0.5, 0.47, 0.45]; // rail
    }
    let sleeper = (z / 0.7).rem_euclid(1.0) < 0.4;
    let dark = if sleeper { 0.3 * detail(0.7, footprint) } else { 0.0 };
    scaled([0.4, 0.36, 0.32], worn * (1.0 - dark))
}
