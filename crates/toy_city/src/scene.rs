//! Puts one frame together: weather, lens and street, then everything that stands on it.

use crate::City;
use crate::camera::Camera;
use crate::geometry::{Vec3, vec3};
use crate::labels::Label;
use crate::looks::{Look, Weather, look_of};
use crate::raster::Light;
use crate::rng::{Draws, Purpose};
use crate::stage::{Plane, Pose, Stage};
use crate::street::Street;
use crate::{crowd, facades, furniture, traffic};

/// A frame under construction.
pub(crate) struct Scene {
    pub(crate) look: &'static Look,
    pub(crate) street: Street,
    pub(crate) camera: Camera,
    pub(crate) light: Light,
    pub(crate) stage: Stage,
    city: City,
    seed: u64,
    index: u32,
    taken: Vec<Lot>,
}

/// A rectangle of street that something stands on: middle and half size in `u` and `z`.
#[derive(Clone, Copy)]
struct Lot {
    middle: [f32; 2],
    half: [f32; 2],
}

impl Scene {
    pub(crate) fn compose(city: City, seed: u64, index: u32, size: [usize; 2]) -> Self {
        let look = look_of(city);
        let draws = |purpose| Draws::new(seed, city, index, purpose);
        let (light, sun_shift) = weather(look, &mut draws(Purpose::Weather));
        let trains = steady_count(phase(seed, city, Label::Train), look.mix.trains, index);
        let street = Street::draw(&look.streets, trains > 0, &mut draws(Purpose::Street));
        let camera = lens(look, &street, size, &mut draws(Purpose::Lens));
        let grain = draws(Purpose::Grain).bits();
        let stage = Stage::new(grain, sun_shift, light.weather.shade);
        let mut scene =
            Self { look, street, camera, light, stage, city, seed, index, taken: Vec::new() };
        facades::build(&mut scene);
        traffic::drive(&mut scene);
        furniture::set_up(&mut scene);
        crowd::ride(&mut scene);
        crowd::walk(&mut scene);
        scene
    }

    pub(crate) fn draws(&self, purpose: Purpose) -> Draws {
        Draws::new(self.seed, self.city, self.index, purpose)
    }

    /// How many things of a kind this frame has: `expected` on average.
    ///
    /// Rare kinds come in steady turn over the frames of a city, so that none stays away by chance.
    pub(crate) fn count(&self, label: Label, expected: f32, draws: &mut Draws) -> u32 {
        let steady = expected.min(1.0);
        let spread = 2.0 * (expected - steady) * draws.unit() + draws.unit();
        steady_count(phase(self.seed, self.city, label), steady, self.index) + spread as u32
    }

    /// Takes a place if nothing stands there yet.
    pub(crate) fn claim(&mut self, middle: [f32; 2], half: [f32; 2]) -> bool {
        let is_free = self.taken.iter().all(|lot| {
            (0..2).any(|axis| (lot.middle[axis] - middle[axis]).abs() > lot.half[axis] + half[axis])
        });
        if is_free {
            self.taken.push(Lot { middle, half });
        }
        is_free
    }

    /// The upright plane at a place that faces the camera.
    pub(crate) fn upright(&self, u: f32, z: f32) -> Plane {
        let origin = self.street.point(u, z);
        Plane { origin, s_axis: self.camera.facing(origin), t_axis: vec3(0.0, 1.0, 0.0) }
    }

    /// Something solid at a place, its front along the road or, for -1, against it.
    pub(crate) fn pose(&self, u: f32, z: f32, direction: f32) -> Pose {
        Pose { origin: self.street.point(u, z), forward: self.street.heading(z) * direction }
    }

    /// The width of a slim thing, at least one pixel so that it does not break up far away.
    pub(crate) fn slim(&self, width: f32, z: f32) -> f32 {
        width.max(1.05 * z / self.camera.focal)
    }

    /// Shades a round foot of this radius and casts a shadow of this height.
    pub(crate) fn shade_round(&mut self, origin: Vec3, radius: f32, height: f32) {
        let foot: Vec<Vec3> = (0..6)
            .map(|corner| corner as f32 * std::f32::consts::FRAC_PI_3)
            .map(|angle| origin + vec3(angle.cos() * radius, 0.0, angle.sin() * radius))
            .collect();
        self.stage.cast(&foot, height);
    }
}

fn weather(look: &Look, draws: &mut Draws) -> (Light, [f32; 2]) {
    let weather: Weather = draws.pick(look.weathers);
    let azimuth = draws.range(weather.sun_azimuth).to_radians();
    let elevation = draws.range(weather.sun_elevation).to_radians();
    let to_sun =
        vec3(azimuth.sin() * elevation.cos(), elevation.sin(), azimuth.cos() * elevation.cos());
    let reach = (weather.shadow_reach / elevation.tan()).min(2.5);
    let sun_shift = [-azimuth.sin() * reach, -azimuth.cos() * reach];
    let haze_per_metre = draws.range(weather.haze_per_metre);
    let cloud_grain = draws.bits() as u32;
    (Light { weather, to_sun, haze_per_metre, cloud_grain }, sun_shift)
}

fn lens(look: &Look, street: &Street, size: [usize; 2], draws: &mut Draws) -> Camera {
    let lens = &look.lens;
    let lane = draws.below(street.lanes) as f32;
    let u = street.drive * (lane + 0.5) * street.lane_width + draws.range([-0.4, 0.4]);
    let height = draws.range(lens.height);
    let yaw = draws.range([-lens.yaw, lens.yaw]).to_radians();
    let pitch = draws.range(lens.pitch).to_radians();
    let focal = draws.range(lens.focal) * size[0] as f32;
    Camera::new(vec3(u, height, 0.0), [yaw, pitch], focal, size)
}

/// Where in its turn a kind of thing starts, by city and seed.
fn phase(seed: u64, city: City, label: Label) -> f32 {
    Draws::new(seed, city, label as u32, Purpose::Phase).unit()
}

/// Of `expected` things per frame, those that fall to this one when they come at even distances.
fn steady_count(phase: f32, expected: f32, index: u32) -> u32 {
    let (phase, expected, index) = (f64::from(phase), f64::from(expected), f64::from(index));
    let before = (index * expected + phase).floor();
    (((index + 1.0) * expected + phase).floor() - before) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_kind_comes_in_every_window_of_its_period() {
        for start in [0, 17, 1000] {
            let count: u32 = (start..start + 8).map(|index| steady_count(0.9, 0.25, index)).sum();
            assert_eq!(count, 2);
        }
    }
}
