//! Draws faces, ground and sky into picture, labels and instances at once.
//!
//! Each pixel shows what the ray through its middle meets first, so labels are exact: nothing is
//! smoothed along their edges.

use crate::camera::Camera;
use crate::geometry::{Vec3, vec3};
use crate::labels::Label;
use crate::looks::Weather;
use crate::stage::{Face, Shadow};
use crate::texture::{Rgb, blend, noise};

/// By how much each layer of a plane comes nearer, as a share of its distance.
const LAYER_STEP: f32 = 4e-4;

/// The frame while it is drawn; every buffer is row-major.
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) colour: Vec<Rgb>,
    pub(crate) label: Vec<Label>,
    pub(crate) instance: Vec<u16>,
    /// 1 / depth; 0 where nothing has been drawn.
    nearness: Vec<f32>,
    /// Share of the light that reaches the ground.
    ground_light: Vec<f32>,
}

/// Sun, sky and haze as they are in one frame.
pub(crate) struct Light {
    pub(crate) weather: Weather,
    pub(crate) to_sun: Vec3,
    pub(crate) haze_per_metre: f32,
    pub(crate) cloud_grain: u32,
}

impl Light {
    /// The colour of a surface in light and shade.
    fn lit(&self, colour: Rgb, sun_share: f32) -> Rgb {
        [0, 1, 2].map(|channel| {
            let light = self.weather.ambient[channel] + self.weather.sun[channel] * sun_share;
            colour[channel] * light
        })
    }

    fn hazy(&self, colour: Rgb, depth: f32) -> Rgb {
        blend(self.weather.haze, colour, (-self.haze_per_metre * depth).exp())
    }

    fn sky(&self, ray: Vec3) -> Rgb {
        let up = ray.y.max(0.0) / ray.length();
        let clear = blend(self.weather.horizon, self.weather.zenith, (up * 2.2).min(1.0));
        let reach = 1.0 / (up + 0.12);
        let (x, z) = (ray.x * reach, ray.z * reach);
        let billow = 0.65 * noise(x * 0.9, z * 0.6, self.cloud_grain)
            + 0.35 * noise(x * 2.7, z * 1.9, self.cloud_grain ^ 3);
        let cover = ((billow - 1.0 + self.weather.cloud_cover) * 3.0).clamp(0.0, 1.0);
        let sky = blend(clear, self.weather.cloud, cover * (up * 5.0).min(1.0));
        let glow = ray.direction().dot(self.to_sun).max(0.0).powi(24) * (1.0 - cover);
        [0, 1, 2].map(|channel| sky[channel] + 0.45 * glow * self.weather.sun[channel])
    }
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let pixels = width * height;
        Self {
            width,
            height,
            colour: vec![[0.0; 3]; pixels],
            label: vec![Label::Sky; pixels],
            instance: vec![0; pixels],
            nearness: vec![0.0; pixels],
            ground_light: vec![1.0; pixels],
        }
    }

    /// Draws all faces; the order does not change the result.
    pub(crate) fn faces(&mut self, faces: &[Face], camera: &Camera, light: &Light) {
        let nearest = |face: &Face| {
            face.outline
                .iter()
                .map(|&[s, t]| camera.to_camera(face.plane.at(s, t)).z)
                .fold(f32::MAX, f32::min)
        };
        let mut order: Vec<(f32, usize)> =
            faces.iter().enumerate().map(|(place, face)| (nearest(face), place)).collect();
        // Near faces first: what they hide is never coloured.
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, place) in order {
            self.face(&faces[place], camera, light);
        }
    }

    fn face(&mut self, face: &Face, camera: &Camera, light: &Light) {
        let origin = camera.to_camera(face.plane.origin);
        let (s_axis, t_axis) = (camera.rotate(face.plane.s_axis), camera.rotate(face.plane.t_axis));
        let normal = s_axis.cross(t_axis);
        let distance = origin.dot(normal);
        if distance.abs() < 1e-4 {
            return; // seen edge-on
        }
        let corners: Vec<Vec3> =
            face.outline.iter().map(|&[s, t]| origin + s_axis * s + t_axis * t).collect();
        let outward = face.plane.s_axis.cross(face.plane.t_axis);
        let outward = if distance > 0.0 { -outward } else { outward };
        let sun_share = outward.dot(light.to_sun).max(0.0);
        let (s_start, t_start) = (origin.dot(s_axis), origin.dot(t_axis));
        let closer = 1.0 + LAYER_STEP * f32::from(face.style.layer);
        let paint = face.style.paint;
        let width = self.width;
        let picture = camera.project(&corners);
        scan(&picture, [self.width, self.height], |row, columns| {
            for column in columns {
                let pixel = row * width + column;
                let ray = camera.pixel_ray(column, row);
                let toward = ray.dot(normal);
                let nearness = toward / distance;
                if nearness * closer <= self.nearness[pixel] {
                    continue;
                }
                let depth = 1.0 / nearness;
                let (s, t) = (depth * ray.dot(s_axis) - s_start, depth * ray.dot(t_axis) - t_start);
                if !face.mask.contains(s, t, face.grain) {
                    continue;
                }
                let slant = (toward.abs() / ray.length()).max(0.1);
                let footprint = depth / (camera.focal * slant);
                let colour = paint.colour(s, t, footprint, face.grain);
                let colour = if paint.glows {
                    colour
                } else {
                    // Less sky is seen from near the ground.
                    let height =
                        face.plane.origin.y + s * face.plane.s_axis.y + t * face.plane.t_axis.y;
                    let open = 0.72 + 0.28 * (height * 0.6).clamp(0.0, 1.0);
                    light.lit(colour, sun_share).map(|channel| channel * open)
                };
                self.nearness[pixel] = nearness * closer;
                self.colour[pixel] = light.hazy(colour, depth);
                self.label[pixel] = face.style.label;
                self.instance[pixel] = face.style.instance;
            }
        });
    }

    /// Marks the shaded parts of the ground; to be called before [`Canvas::ground_and_sky`].
    pub(crate) fn shadows(&mut self, shadows: &[Shadow], camera: &Camera) {
        for shadow in shadows {
            let corners: Vec<Vec3> =
                shadow.outline.iter().map(|&[x, z]| camera.to_camera(vec3(x, 0.0, z))).collect();
            let width = self.width;
            scan(&camera.project(&corners), [self.width, self.height], |row, columns| {
                for light in &mut self.ground_light[row * width..][columns] {
                    *light = light.min(shadow.light);
                }
            });
        }
    }

    /// Fills what no face covers; `ground` gives label and colour of a place on the ground.
    pub(crate) fn ground_and_sky(
        &mut self,
        camera: &Camera,
        light: &Light,
        ground: impl Fn(f32, f32, f32) -> (Label, Rgb),
    ) {
        let sun_share = light.to_sun.y.max(0.0);
        for row in 0..self.height {
            for column in 0..self.width {
                let pixel = row * self.width + column;
                if self.nearness[pixel] > 0.0 {
                    continue;
                }
                let ray = camera.world_ray(camera.pixel_ray(column, row));
                if ray.y > -1e-3 {
                    self.colour[pixel] = light.sky(ray);
                    continue;
                }
                let depth = camera.position.y / -ray.y;
                let place = camera.position + ray * depth;
                let footprint = depth / (camera.focal * (-ray.y / ray.length()).max(0.1));
                let (label, colour) = ground(place.x, place.z, footprint);
                let shade = self.ground_light[pixel];
                let lit = light.lit(colour, sun_share).map(|channel| channel * shade);
                self.colour[pixel] = light.hazy(lit, depth);
                self.label[pixel] = label;
            }
        }
    }
}

/// Calls `fill` with each row of a convex polygon and the columns whose middles lie inside.
fn scan(
    corners: &[[f32; 2]],
    [width, height]: [usize; 2],
    mut fill: impl FnMut(usize, std::ops::Range<usize>),
) {
    let bounds = corners.iter().fold([f32::MAX, f32::MIN], |[low, high], corner| {
        [low.min(corner[1]), high.max(corner[1])]
    });
    let first = (bounds[0] - 0.5).ceil().clamp(0.0, height as f32) as usize;
    let end = (bounds[1] - 0.5).ceil().clamp(0.0, height as f32) as usize;
    for row in first..end {
        let middle = row as f32 + 0.5;
        let (mut left, mut right) = (f32::MAX, f32::MIN);
        for (place, a) in corners.iter().enumerate() {
            let b = corners[(place + 1) % corners.len()];
            if (a[1] <= middle) != (b[1] <= middle) {
                let crossing = a[0] + (b[0] - a[0]) * (middle - a[1]) / (b[1] - a[1]);
                left = left.min(crossing);
                right = right.max(crossing);
            }
        }
        let left = (left - 0.5).ceil().clamp(0.0, width as f32) as usize;
        let right = (right - 0.5).ceil().clamp(0.0, width as f32) as usize;
        if left < right {
            fill(row, left..right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_that_share_an_edge_cover_each_pixel_once() {
        let mut hits = vec![0; 16 * 16];
        let mut count = |corners: &[[f32; 2]]| {
            scan(corners, [16, 16], |row, columns| {
                columns.for_each(|column| hits[row * 16 + column] += 1);
            });
        };
        count(&[[-2.0, -3.0], [9.3, 5.7], [4.1, 20.0], [-5.0, 20.0]]);
        count(&[[-2.0, -3.0], [30.0, -3.0], [30.0, 20.0], [4.1, 20.0], [9.3, 5.7]]);
        assert!(hits.iter().all(|&hit| hit == 1), "{hits:?}");
    }
}
