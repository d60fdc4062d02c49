//! The pinhole camera.

use crate::geometry::{Vec3, vec3};

/// Points nearer than this are cut off before projection, in metres.
const NEAR: f32 = 0.4;

/// A pinhole camera: where it is, its axes in the world, and focal length in pixels.
pub(crate) struct Camera {
    pub(crate) position: Vec3,
    pub(crate) focal: f32,
    right: Vec3,
    down: Vec3,
    forward: Vec3,
    center: [f32; 2],
}

impl Camera {
    /// Angles in radians; a positive pitch looks down, a positive yaw to the right.
    pub(crate) fn new(
        position: Vec3,
        [yaw, pitch]: [f32; 2],
        focal: f32,
        size: [usize; 2],
    ) -> Self {
        let forward = vec3(yaw.sin() * pitch.cos(), -pitch.sin(), yaw.cos() * pitch.cos());
        let right = vec3(yaw.cos(), 0.0, -yaw.sin());
        let down = right.cross(forward);
        Self {
            position,
            focal,
            right,
            down,
            forward,
            center: [size[0] as f32 / 2.0, size[1] as f32 / 2.0],
        }
    }

    /// A direction of the world in camera axes: right, down, forward.
    pub(crate) fn rotate(&self, direction: Vec3) -> Vec3 {
        vec3(direction.dot(self.right), direction.dot(self.down), direction.dot(self.forward))
    }

    pub(crate) fn to_camera(&self, point: Vec3) -> Vec3 {
        self.rotate(point - self.position)
    }

    /// The ray through the middle of a pixel in camera axes, of depth 1.
    pub(crate) fn pixel_ray(&self, column: usize, row: usize) -> Vec3 {
        vec3(
            (column as f32 + 0.5 - self.center[0]) / self.focal,
            (row as f32 + 0.5 - self.center[1]) / self.focal,
            1.0,
        )
    }

    /// A ray in camera axes, turned into the world.
    pub(crate) fn world_ray(&self, ray: Vec3) -> Vec3 {
        self.right * ray.x + self.down * ray.y + self.forward * ray.z
    }

    /// The picture of a polygon given in camera axes, cut off in front of the camera.
    pub(crate) fn project(&self, corners: &[Vec3]) -> Vec<[f32; 2]> {
        let mut picture = Vec::with_capacity(corners.len() + 2);
        for (place, &corner) in corners.iter().enumerate() {
            let next = corners[(place + 1) % corners.len()];
            if corner.z >= NEAR {
                picture.push(self.project_point(corner));
            }
            if (corner.z >= NEAR) != (next.z >= NEAR) {
                let share = (NEAR - corner.z) / (next.z - corner.z);
                picture.push(self.project_point(corner + (next - corner) * share));
            }
        }
        picture
    }

    /// The horizontal direction that points to the right in the picture of something at `point`.
    pub(crate) fn facing(&self, point: Vec3) -> Vec3 {
        let away = point - self.position;
        vec3(away.z, 0.0, -away.x).direction()
    }

    /// How far along the street something at the lateral place `u` enters the picture's middle
    /// part, in metres.
    pub(crate) fn first_seen(&self, u: f32) -> f32 {
        (u - self.position.x).abs() * self.focal / (0.84 * self.center[0])
    }

    fn project_point(&self, point: Vec3) -> [f32; 2] {
        [
            self.center[0] + self.focal * point.x / point.z,
            self.center[1] + self.focal * point.y / point.z,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_projects_into_the_pixel_whose_ray_meets_it() {
        let camera = Camera::new(vec3(1.0, 1.5, 0.0), [0.1, 0.05], 200.0, [256, 128]);
        let ray = camera.pixel_ray(40, 90);
        let point = camera.position + camera.world_ray(ray) * 7.0;
        let corner = camera.to_camera(point);
        let [x, y] = camera.project(&[corner])[0];
        // Coordinates of some hundred pixels in f32: 1e-3 is far under a pixel.
        assert!((x - 40.5).abs() < 1e-3 && (y - 90.5).abs() < 1e-3, "({x}, {y})");
        assert!((corner.z - 7.0).abs() < 1e-3);
    }

    #[test]
    fn a_polygon_that_passes_the_camera_is_cut_off_in_front_of_it() {
        let camera = Camera::new(vec3(0.0, 1.5, 0.0), [0.0, 0.0], 200.0, [256, 128]);
        let strip = [
            vec3(-1.0, 1.5, -5.0),
            vec3(1.0, 1.5, -5.0),
            vec3(1.0, 1.5, 20.0),
            vec3(-1.0, 1.5, 20.0),
        ];
        let picture = camera.project(&strip);
        assert_eq!(picture.len(), 4);
        assert!(picture.iter().all(|corner| corner[1] > 64.0));
    }
}
