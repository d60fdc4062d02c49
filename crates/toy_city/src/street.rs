//! The lie of the land: a road, bent or straight, what runs along it, and a crossing road.
//!
//! Places are given by `u`, metres to the right of the road's middle line, and `z`, metres ahead.

use crate::geometry::{Vec3, vec3};
use crate::looks::StreetLook;
use crate::rng::Draws;

const PARKING_WIDTH: f32 = 2.2;
const TRACK_WIDTH: f32 = 3.2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Road,
    Sidewalk,
    Terrain,
    Track,
}

/// A strip along the road up to `outer` metres from its middle line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    pub(crate) ground: Ground,
    pub(crate) outer: f32,
}

/// One side of the road; distances are from the middle line, never negative.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// -1 left, 1 right.
    pub(crate) sign: f32,
    pub(crate) parking: bool,
    /// Where the road ends.
    pub(crate) edge: f32,
    pub(crate) bands: Vec<Band>,
    /// Middle of the rail track.
    pub(crate) track: Option<f32>,
    /// Where people walk.
    pub(crate) walk: [f32; 2],
    /// Where posts and trees stand.
    pub(crate) posts: f32,
    /// Where the lots begin.
    pub(crate) facade: f32,
}

/// A road across, between `start` and `end` metres ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crossing {
    pub(crate) start: f32,
    pub(crate) end: f32,
}

pub(crate) struct Street {
    pub(crate) sides: [Side; 2],
    /// Lanes per direction.
    pub(crate) lanes: usize,
    pub(crate) lane_width: f32,
    /// 1 where traffic keeps to the right, -1 to the left.
    pub(crate) drive: f32,
    pub(crate) crossing: Option<Crossing>,
    pub(crate) marked: bool,
    /// 1 / radius in metres, positive to the right.
    bend: f32,
}

impl Street {
    pub(crate) fn draw(look: &StreetLook, with_track: bool, draws: &mut Draws) -> Self {
        let lanes = look.lanes[0] + draws.below(look.lanes[1] - look.lanes[0] + 1);
        let lane_width = look.lane_width;
        let track_side = draws.below(2);
        let sides = [0, 1].map(|side| {
            Side::draw(
                look,
                side,
                lanes as f32 * lane_width,
                with_track && side == track_side,
                draws,
            )
        });
        let crossing = draws.chance(look.crossing_chance).then(|| {
            let start = draws.range([16.0, 40.0]);
            Crossing { start, end: start + draws.range([7.0, 11.0]) }
        });
        let straight = draws.chance(0.35);
        let bend = if straight { 0.0 } else { draws.range([-look.bend, look.bend]) };
        Self {
            sides,
            lanes,
            lane_width,
            drive: if look.drives_left { -1.0 } else { 1.0 },
            crossing,
            marked: draws.chance(look.marked),
            bend,
        }
    }

    /// The point on the ground.
    pub(crate) fn point(&self, u: f32, z: f32) -> Vec3 {
        vec3(u + self.middle(z), 0.0, z)
    }

    /// The direction of the road.
    pub(crate) fn heading(&self, z: f32) -> Vec3 {
        vec3(self.bend * z, 0.0, 1.0).direction()
    }

    pub(crate) fn u_at(&self, x: f32, z: f32) -> f32 {
        x - self.middle(z)
    }

    pub(crate) fn side_at(&self, u: f32) -> &Side {
        &self.sides[usize::from(u >= 0.0)]
    }

    pub(crate) fn ground_at(&self, u: f32, z: f32) -> Ground {
        let side = self.side_at(u);
        let from_middle = u.abs();
        if from_middle < side.edge {
            return Ground::Road;
        }
        if let Some(crossing) = self.crossing {
            if (crossing.start..crossing.end).contains(&z) {
                return Ground::Road;
            }
            if from_middle > side.facade && (crossing.start - 3.0..crossing.end + 3.0).contains(&z)
            {
                return Ground::Sidewalk;
            }
        }
        let band = side.bands.iter().find(|band| from_middle < band.outer);
        band.map_or(Ground::Terrain, |band| band.ground)
    }

    /// Whether a stretch of the roadside stays clear of the crossing road.
    pub(crate) fn beside_road(&self, start: f32, end: f32) -> bool {
        self.crossing.is_none_or(|crossing| end < crossing.start || start > crossing.end)
    }

    fn middle(&self, z: f32) -> f32 {
        0.5 * self.bend * z * z
    }
}

impl Side {
    fn draw(
        look: &StreetLook,
        side: usize,
        lanes_end: f32,
        track: bool,
        draws: &mut Draws,
    ) -> Self {
        let parking = !track && draws.chance(look.parking_chance);
        let edge = lanes_end + if parking { PARKING_WIDTH } else { 0.25 };
        let mut bands: Vec<Band> = Vec::new();
        let mut outer = edge;
        let mut add = |ground, width: f32| {
            outer += width;
            bands.push(Band { ground, outer });
            outer
        };
        if track {
            add(Ground::Terrain, 0.6);
            add(Ground::Track, TRACK_WIDTH);
            add(Ground::Terrain, 0.6);
        }
        let paved = draws.chance(look.sidewalk_chance);
        let green = !paved || draws.chance(look.verge_chance);
        let green_first = draws.chance(0.5);
        let (verge, walk_width) = (draws.range(look.verge), draws.range(look.sidewalk));
        if green && green_first {
            add(Ground::Terrain, verge);
        }
        if paved {
            add(Ground::Sidewalk, walk_width);
        }
        if green && !green_first {
            add(Ground::Terrain, verge);
        }
        let facade = add(Ground::Terrain, 0.15);
        let walk = bands.iter().position(|band| band.ground == Ground::Sidewalk);
        let walk = walk.map_or([edge + 0.5, facade - 0.4], |place| {
            let inner = if place == 0 { edge } else { bands[place - 1].outer };
            [inner + 0.5, bands[place].outer - 0.35]
        });
        let track = track.then_some(edge + 0.6 + TRACK_WIDTH / 2.0);
        let posts = if track.is_some() { walk[0] } else { edge + 0.55 };
        let sign = if side == 0 { -1.0 } else { 1.0 };
        Self { sign, parking, edge, bands, track, walk, posts, facade }
    }
}
