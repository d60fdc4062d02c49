//! What stands in a frame: flat faces in space and shadows on the ground.

use crate::geometry::{UP, Vec3, convex_hull, vec3};
use crate::labels::Label;
use crate::rng::mix;
use crate::texture::{Paint, noise};

/// A plane in space with its own coordinates; the axes are orthonormal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    pub(crate) origin: Vec3,
    pub(crate) s_axis: Vec3,
    pub(crate) t_axis: Vec3,
}

impl Plane {
    pub(crate) fn at(&self, s: f32, t: f32) -> Vec3 {
        self.origin + self.s_axis * s + self.t_axis * t
    }
}

/// Which part of a face's outline is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mask {
    All,
    /// An ellipse about the origin of the plane.
    Ellipse {
        radii: [f32; 2],
    },
    /// An ellipse about the origin with a leafy rim.
    Ragged {
        radii: [f32; 2],
        scale: f32,
    },
}

impl Mask {
    pub(crate) fn contains(&self, s: f32, t: f32, grain: u32) -> bool {
        let (radii, reach) = match *self {
            Self::All => return true,
            Self::Ellipse { radii } => (radii, 1.0),
            Self::Ragged { radii, scale } => {
                (radii, 0.55 + 0.5 * noise(s / scale, t / scale, grain))
            }
        };
        let (across, up) = (s / radii[0], t / radii[1]);
        across * across + up * up < reach
    }
}

/// One flat convex piece of a thing.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) plane: Plane,
    /// Corners in the plane's coordinates.
    pub(crate) outline: Vec<[f32; 2]>,
    pub(crate) mask: Mask,
    pub(crate) style: Style,
    pub(crate) grain: u32,
}

/// What a face belongs to and how it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) label: Label,
    /// Number of the thing in the frame; 0 for what is not counted.
    pub(crate) instance: u16,
    /// Faces of a higher layer lie upon those of a lower one in the same plane.
    pub(crate) layer: u8,
    pub(crate) paint: Paint,
}

impl Style {
    pub(crate) fn painted(self, paint: Paint) -> Self {
        Self { paint, ..self }
    }

    pub(crate) fn over(self) -> Self {
        Self { layer: self.layer + 1, ..self }
    }

    pub(crate) fn labelled(self, label: Label) -> Self {
        Self { label, ..self }
    }
}

/// Where a solid thing stands on the ground and where its front points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    pub(crate) origin: Vec3,
    pub(crate) forward: Vec3,
}

impl Pose {
    /// A point `x` to the right, `y` up and `z` ahead.
    pub(crate) fn at(&self, x: f32, y: f32, z: f32) -> Vec3 {
        let right = vec3(self.forward.z, 0.0, -self.forward.x);
        self.origin + right * x + UP * y + self.forward * z
    }
}

/// A box whose upper side is smaller by the insets at front, back and the two sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) x: [f32; 2],
    pub(crate) y: [f32; 2],
    pub(crate) z: [f32; 2],
    /// Front, back, each side.
    pub(crate) inset: [f32; 3],
}

/// A convex polygon of shade on the ground, in world x and z.
pub(crate) struct Shadow {
    pub(crate) outline: Vec<[f32; 2]>,
    /// Share of the light that is left.
    pub(crate) light: f32,
}

/// All that has been put into a frame.
pub(crate) struct Stage {
    pub(crate) faces: Vec<Face>,
    pub(crate) shadows: Vec<Shadow>,
    /// Where the shadow of a point one metre up falls, in x and z.
    sun_shift: [f32; 2],
    shade_light: f32,
    instances: u16,
    grain: u64,
}

impl Stage {
    pub(crate) fn new(grain: u64, sun_shift: [f32; 2], shade_light: f32) -> Self {
        let (faces, shadows) = (Vec::with_capacity(1024), Vec::with_capacity(256));
        Self { faces, shadows, sun_shift, shade_light, instances: 0, grain }
    }

    /// The style of a new thing; things that SYNTHIA counts get the next number.
    pub(crate) fn thing(&mut self, label: Label) -> Style {
        let instance = if label.has_instances() {
            self.instances += 1;
            self.instances
        } else {
            0
        };
        Style { label, instance, layer: 0, paint: Paint::plain([0.5; 3]) }
    }

    pub(crate) fn polygon(&mut self, plane: Plane, outline: Vec<[f32; 2]>, style: Style) {
        self.masked(plane, outline, Mask::All, style);
    }

    /// A face of which only `mask` is there.
    pub(crate) fn masked(
        &mut self,
        plane: Plane,
        outline: Vec<[f32; 2]>,
        mask: Mask,
        style: Style,
    ) {
        self.grain = mix(self.grain);
        let grain = self.grain as u32;
        self.faces.push(Face { plane, outline, mask, style, grain });
    }

    /// A flat quadrangle; the pattern's `s` runs from the first corner to the second.
    pub(crate) fn quad(&mut self, corners: [Vec3; 4], style: Style) {
        let s_axis = (corners[1] - corners[0]).direction();
        let normal = s_axis.cross(corners[3] - corners[0]).direction();
        let t_axis = normal.cross(s_axis);
        let plane = Plane { origin: corners[0], s_axis, t_axis };
        let outline = corners
            .map(|corner| {
                let offset = corner - corners[0];
                [offset.dot(s_axis), offset.dot(t_axis)]
            })
            .to_vec();
        self.polygon(plane, outline, style);
    }

    /// The four sides and the top of a block.
    pub(crate) fn block(&mut self, pose: &Pose, block: &Block, style: Style) {
        let [front, back, side] = block.inset;
        let low = |x: usize, z: usize| pose.at(block.x[x], block.y[0], block.z[z]);
        let high = |x: usize, z: usize| {
            let x = block.x[x] + if x == 0 { side } else { -side };
            let z = block.z[z] + if z == 0 { back } else { -front };
            pose.at(x, block.y[1], z)
        };
        self.quad([low(0, 0), low(1, 0), high(1, 0), high(0, 0)], style);
        self.quad([low(0, 1), low(1, 1), high(1, 1), high(0, 1)], style);
        self.quad([low(0, 0), low(0, 1), high(0, 1), high(0, 0)], style);
        self.quad([low(1, 0), low(1, 1), high(1, 1), high(1, 0)], style);
        let roof = style.painted(Paint::plain(style.paint.base));
        self.quad([high(0, 0), high(1, 0), high(1, 1), high(0, 1)], roof);
    }

    /// The shadow of a thing of this height whose foot has these corners.
    pub(crate) fn cast(&mut self, foot: &[Vec3], height: f32) {
        let [dx, dz] = self.sun_shift.map(|shift| shift * height);
        let mut points: Vec<[f32; 2]> = foot.iter().map(|corner| [corner.x, corner.z]).collect();
        points.extend(foot.iter().map(|corner| [corner.x + dx, corner.z + dz]));
        self.shadows.push(Shadow { outline: convex_hull(points), light: self.shade_light });
    }

    /// The shade right under a thing, whatever the weather.
    pub(crate) fn contact(&mut self, foot: &[Vec3]) {
        let outline = convex_hull(foot.iter().map(|corner| [corner.x, corner.z]).collect());
        self.shadows.push(Shadow { outline, light: 0.45 });
    }
}

/// Draws a flat thing part by part, each part upon the parts before it.
pub(crate) struct Sketch<'a> {
    stage: &'a mut Stage,
    plane: Plane,
    style: Style,
}

impl<'a> Sketch<'a> {
    pub(crate) fn new(stage: &'a mut Stage, plane: Plane, style: Style) -> Self {
        Self { stage, plane, style }
    }

    pub(crate) fn polygon(&mut self, corners: &[[f32; 2]], paint: Paint) {
        self.stage.polygon(self.plane, corners.to_vec(), self.style.painted(paint));
        self.style = self.style.over();
    }

    pub(crate) fn rect(&mut self, s: [f32; 2], t: [f32; 2], paint: Paint) {
        self.polygon(&[[s[0], t[0]], [s[1], t[0]], [s[1], t[1]], [s[0], t[1]]], paint);
    }

    /// A straight bar of this width.
    pub(crate) fn bar(&mut self, from: [f32; 2], to: [f32; 2], width: f32, paint: Paint) {
        let (ds, dt) = (to[0] - from[0], to[1] - from[1]);
        let half = 0.5 * width / (ds * ds + dt * dt).sqrt().max(1e-6);
        let (os, ot) = (-dt * half, ds * half);
        self.polygon(
            &[
                [from[0] + os, from[1] + ot],
                [to[0] + os, to[1] + ot],
                [to[0] - os, to[1] - ot],
                [from[0] - os, from[1] - ot],
            ],
            paint,
        );
    }

    pub(crate) fn ellipse(&mut self, center: [f32; 2], radii: [f32; 2], paint: Paint) {
        self.round(center, radii, Mask::Ellipse { radii }, paint);
    }

    /// An ellipse with a leafy rim whose tufts have the size `scale`.
    pub(crate) fn tuft(&mut self, center: [f32; 2], radii: [f32; 2], scale: f32, paint: Paint) {
        self.round(center, radii, Mask::Ragged { radii, scale }, paint);
    }

    pub(crate) fn label(&mut self, label: Label) {
        self.style = self.style.labelled(label);
    }

    /// Goes on with another thing, upon this one.
    pub(crate) fn thing(&mut self, label: Label) {
        let layer = self.style.layer;
        self.style = Style { layer, ..self.stage.thing(label) };
    }

    fn round(&mut self, center: [f32; 2], radii: [f32; 2], mask: Mask, paint: Paint) {
        // An ellipse about the origin of its own plane, so that wheels know where their hub is.
        let plane = Plane { origin: self.plane.at(center[0], center[1]), ..self.plane };
        let [rs, rt] = radii.map(|radius| radius * 1.03);
        let outline = vec![[-rs, -rt], [rs, -rt], [rs, rt], [-rs, rt]];
        self.stage.masked(plane, outline, mask, self.style.painted(paint));
        self.style = self.style.over();
    }
}
