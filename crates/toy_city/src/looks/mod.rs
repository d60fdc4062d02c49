//! What each city looks like: lens, weather, streets, paints, object mix and sensor.
//!
//! A further city is one more file here and one line in [`look_of`].

mod cityscapes;
mod gtav;
mod idd;
mod synthia;

use crate::City;
use crate::texture::Rgb;

/// From, to.
pub(crate) type Span = [f32; 2];

/// Everything that sets one city apart from another.
pub(crate) struct Look {
    pub(crate) lens: Lens,
    pub(crate) hood: Option<Hood>,
    /// Each frame has one of these.
    pub(crate) weathers: &'static [Weather],
    pub(crate) ground: GroundLook,
    pub(crate) streets: StreetLook,
    pub(crate) paints: Paints,
    pub(crate) mix: Mix,
    pub(crate) sensor: Sensor,
}

pub(crate) struct Lens {
    /// Metres above the ground.
    pub(crate) height: Span,
    /// Degrees downward.
    pub(crate) pitch: Span,
    /// Degrees to either side.
    pub(crate) yaw: f32,
    /// Focal length in picture widths.
    pub(crate) focal: Span,
}

/// The front of the camera's own car.
pub(crate) struct Hood {
    pub(crate) chance: f32,
    /// Share of the picture's height.
    pub(crate) height: Span,
    pub(crate) colour: Rgb,
}

#[derive(Clone, Copy)]
pub(crate) struct Weather {
    /// Degrees from straight ahead, to the right.
    pub(crate) sun_azimuth: Span,
    /// Degrees above the horizon.
    pub(crate) sun_elevation: Span,
    pub(crate) sun: Rgb,
    pub(crate) ambient: Rgb,
    /// Share of the light left in cast shadows.
    pub(crate) shade: f32,
    /// Shadow length as a share of what the sun's elevation gives: less under clouds.
    pub(crate) shadow_reach: f32,
    pub(crate) zenith: Rgb,
    pub(crate) horizon: Rgb,
    pub(crate) cloud: Rgb,
    /// 0 clear to 1 closed.
    pub(crate) cloud_cover: f32,
    pub(crate) haze: Rgb,
    pub(crate) haze_per_metre: Span,
}

pub(crate) struct GroundLook {
    pub(crate) asphalt: Rgb,
    pub(crate) marking: Rgb,
    pub(crate) paving: Rgb,
    /// Size of a paving stone in metres; 0 for poured concrete.
    pub(crate) paving_stone: f32,
    pub(crate) curb: Rgb,
    pub(crate) terrain: [Rgb; 2],
    /// How blotched all ground is.
    pub(crate) mottling: f32,
}

pub(crate) struct StreetLook {
    /// Lanes per direction: least, most.
    pub(crate) lanes: [usize; 2],
    pub(crate) lane_width: f32,
    pub(crate) drives_left: bool,
    /// Share of lane markings that are there.
    pub(crate) marked: f32,
    pub(crate) parking_chance: f32,
    pub(crate) sidewalk: Span,
    pub(crate) sidewalk_chance: f32,
    pub(crate) verge: Span,
    pub(crate) verge_chance: f32,
    pub(crate) crossing_chance: f32,
    /// Strongest bend, 1 / radius in metres.
    pub(crate) bend: f32,
    /// How often a lot holds a building, a wall, a fence, or is open.
    pub(crate) lots: [f32; 4],
    pub(crate) lot_width: Span,
    pub(crate) building_height: Span,
    pub(crate) backdrop_height: Span,
    /// How much of the far view is trees.
    pub(crate) backdrop_trees: f32,
}

pub(crate) struct Paints {
    pub(crate) facades: &'static [Rgb],
    pub(crate) brick_share: f32,
    /// Width of a window bay and height of a storey.
    pub(crate) bay: Span,
    pub(crate) storey: f32,
    pub(crate) glass: Rgb,
    pub(crate) shops: &'static [Rgb],
    pub(crate) roofs: Option<Rgb>,
    pub(crate) walls: &'static [Rgb],
    pub(crate) fences: &'static [Rgb],
    pub(crate) leaves: &'static [Rgb],
    pub(crate) bark: Rgb,
    pub(crate) posts: Rgb,
    pub(crate) cars: &'static [Rgb],
    pub(crate) trucks: &'static [Rgb],
    pub(crate) buses: &'static [Rgb],
    pub(crate) trains: &'static [Rgb],
    pub(crate) clothes: &'static [Rgb],
    pub(crate) skin: &'static [Rgb],
    pub(crate) sign: Rgb,
}

/// Things per frame on average; a tree or lamp row has its spacing in metres.
pub(crate) struct Mix {
    pub(crate) cars: f32,
    /// Share of parking places taken.
    pub(crate) parked: f32,
    pub(crate) trucks: f32,
    pub(crate) buses: f32,
    pub(crate) trains: f32,
    pub(crate) autorickshaws: f32,
    pub(crate) motorcyclists: f32,
    pub(crate) cyclists: f32,
    pub(crate) motorcycles: f32,
    pub(crate) bicycles: f32,
    pub(crate) walkers: f32,
    /// Share of walkers who walk on the road.
    pub(crate) jaywalkers: f32,
    pub(crate) lamp_spacing: Span,
    pub(crate) traffic_lights: f32,
    pub(crate) signs: f32,
    pub(crate) tree_spacing: Span,
    pub(crate) tree_chance: f32,
    pub(crate) palms: f32,
    pub(crate) tree_height: Span,
}

pub(crate) struct Sensor {
    pub(crate) exposure: Span,
    pub(crate) contrast: f32,
    pub(crate) saturation: f32,
    pub(crate) gamma: f32,
    pub(crate) tint: Rgb,
    /// Standard deviation in pixels of a picture 256 wide.
    pub(crate) blur: Span,
    /// Standard deviation, 1 being white.
    pub(crate) noise: Span,
    /// How much darker the corners are.
    pub(crate) vignette: f32,
}

pub(crate) fn look_of(city: City) -> &'static Look {
    match city {
        City::Gtav => &gtav::LOOK,
        City::Synthia => &synthia::LOOK,
        City::Idd => &idd::LOOK,
        City::Cityscapes => &cityscapes::LOOK,
    }
}
