//! Cars, trucks, buses, rail carriages and autorickshaws as shaded boxes with wheels.

use crate::geometry::UP;
use crate::labels::Label;
use crate::stage::{Block, Mask, Plane, Pose, Sketch, Stage, Style};
use crate::texture::{Paint, Pattern, Rgb, scaled};

const GLASS: Rgb = [0.12, 0.15, 0.18];
const RED_LIGHT: Rgb = [0.75, 0.06, 0.05];
const HEADLIGHT: Rgb = [0.95, 0.93, 0.8];

/// A car 4.2 m long; a van is higher and has its cabin over the whole length.
pub(crate) fn car(stage: &mut Stage, pose: &Pose, colour: Rgb, van: bool) {
    let style = stage.thing(Label::Car).painted(Paint::plain(colour));
    let (half_width, half_length) = (0.9, 2.1);
    let (waist, roof) = if van { (1.0, 1.9) } else { (0.85, 1.45) };
    let body = Block {
        x: [-half_width, half_width],
        y: [0.24, waist],
        z: [-2.1, 2.1],
        inset: [0.12, 0.04, 0.02],
    };
    stage.block(pose, &body, style);
    let z = if van { [-2.05, 1.25] } else { [-1.75, 1.05] };
    let inset = if van { [0.55, 0.12, 0.1] } else { [0.75, 0.5, 0.16] };
    let cabin = Block { x: [-0.86, 0.86], y: [waist, roof], z, inset };
    let height = roof - waist;
    let panes = panes(colour, [0.03, height - 0.02], 1.3, GLASS, colour);
    stage.block(pose, &cabin, style.painted(panes));
    wheels(stage, pose, style, half_width, 0.33, &[-1.3, 1.35]);

    let mut rear = Sketch::new(stage, end_plane(pose, -half_length - 0.03), style);
    rear.rect([-0.84, -0.5], [0.6, 0.82], Paint::plain(RED_LIGHT));
    rear.rect([0.5, 0.84], [0.6, 0.82], Paint::plain(RED_LIGHT));
    rear.rect([-0.85, 0.85], [0.24, 0.42], Paint::plain(scaled(colour, 0.45)));
    rear.label(Label::LicensePlate);
    rear.rect([-0.27, 0.27], [0.46, 0.6], Paint::plain([0.85, 0.85, 0.8]));
    let mut front = Sketch::new(stage, end_plane(pose, half_length + 0.03), style);
    front.rect([-0.84, -0.45], [0.55, 0.75], Paint::plain(HEADLIGHT));
    front.rect([0.45, 0.84], [0.55, 0.75], Paint::plain(HEADLIGHT));
    front.rect([-0.45, 0.45], [0.4, 0.7], Paint::plain([0.08, 0.08, 0.09]));
    shade(stage, pose, [half_width, half_length], roof);
}

/// A truck with a cab in front and a plain load box.
pub(crate) fn truck(stage: &mut Stage, pose: &Pose, cab: Rgb, load: Rgb) {
    let style = stage.thing(Label::Truck);
    let (half_width, half_length) = (1.2, 3.9);
    let cab_style = style.painted(panes(cab, [1.1, 1.9], 2.2, GLASS, cab));
    let cab_block =
        Block { x: [-1.15, 1.15], y: [0.4, 2.6], z: [2.1, half_length], inset: [0.25, 0.0, 0.05] };
    stage.block(pose, &cab_block, cab_style);
    let frame = Block { x: [-1.0, 1.0], y: [0.4, 0.9], z: [-half_length, 2.1], inset: [0.0; 3] };
    stage.block(pose, &frame, style.painted(Paint::plain([0.12, 0.12, 0.13])));
    let planks = Paint::with(load, Pattern::Courses { stone: [20.0, 0.55], amount: 0.18 });
    let load_block = Block {
        x: [-half_width, half_width],
        y: [0.9, 3.3],
        z: [-half_length, 1.8],
        inset: [0.0; 3],
    };
    stage.block(pose, &load_block, style.painted(planks));
    wheels(stage, pose, style, 1.17, 0.5, &[-2.9, -1.8, 2.8]);
    let mut rear = Sketch::new(stage, end_plane(pose, -half_length - 0.03), style);
    rear.rect([-1.1, -0.75], [0.55, 0.8], Paint::plain(RED_LIGHT));
    rear.rect([0.75, 1.1], [0.55, 0.8], Paint::plain(RED_LIGHT));
    rear.rect([-0.04, 0.04], [0.95, 3.25], Paint::plain(scaled(load, 0.5)));
    let mut front = Sketch::new(stage, end_plane(pose, half_length + 0.03), style);
    front.rect([-0.8, 0.8], [0.8, 1.25], Paint::plain([0.1, 0.1, 0.11]));
    shade(stage, pose, [half_width, half_length], 3.3);
}

/// A bus: one long box with a band of windows.
pub(crate) fn bus(stage: &mut Stage, pose: &Pose, colour: Rgb) {
    let (half_width, half_length) = (1.28, 5.4);
    let paint = panes(colour, [0.75, 1.85], 1.35, GLASS, scaled(colour, 0.7));
    let style = stage.thing(Label::Bus).painted(paint);
    let body = Block {
        x: [-half_width, half_width],
        y: [0.35, 3.05],
        z: [-half_length, half_length],
        inset: [0.12, 0.08, 0.06],
    };
    stage.block(pose, &body, style);
    wheels(stage, pose, style, half_width, 0.48, &[-3.2, 3.1]);
    let mut rear = Sketch::new(stage, end_plane(pose, -half_length - 0.03), style);
    rear.rect([-1.2, -0.95], [0.7, 1.2], Paint::plain(RED_LIGHT));
    rear.rect([0.95, 1.2], [0.7, 1.2], Paint::plain(RED_LIGHT));
    let mut front = Sketch::new(stage, end_plane(pose, half_length + 0.03), style);
    front.rect([-1.15, -0.8], [0.55, 0.8], Paint::plain(HEADLIGHT));
    front.rect([0.8, 1.15], [0.55, 0.8], Paint::plain(HEADLIGHT));
    front.rect([-0.75, 0.75], [2.55, 2.9], Paint::glowing([0.9, 0.6, 0.15]));
    shade(stage, pose, [half_width, half_length], 3.0);
}

/// One carriage of a train; the number is shared by all carriages of one train.
pub(crate) fn carriage(
    stage: &mut Stage,
    pose: &Pose,
    colour: Rgb,
    half_length: f32,
    train: Style,
) {
    let half_width = 1.35;
    let trim = [0.85, 0.85, 0.83];
    let style = train.painted(panes(colour, [1.05, 2.05], 1.9, GLASS, trim));
    let body = Block {
        x: [-half_width, half_width],
        y: [0.45, 3.35],
        z: [-half_length, half_length],
        inset: [0.55, 0.55, 0.12],
    };
    stage.block(pose, &body, style);
    let bogies = Block {
        x: [-1.1, 1.1],
        y: [0.05, 0.45],
        z: [0.4 - half_length, half_length - 0.4],
        inset: [0.0; 3],
    };
    stage.block(pose, &bogies, style.painted(Paint::plain([0.1, 0.1, 0.1])));
    let roof = Block { x: [-0.8, 0.8], y: [3.35, 3.65], z: [-2.0, 2.0], inset: [0.3, 0.3, 0.2] };
    stage.block(pose, &roof, style.painted(Paint::plain([0.4, 0.4, 0.42])));
    for end in [-half_length - 0.03, half_length + 0.03] {
        let mut front = Sketch::new(stage, end_plane(pose, end), style);
        front.rect([-1.0, -0.65], [0.95, 1.2], Paint::plain(HEADLIGHT));
        front.rect([0.65, 1.0], [0.95, 1.2], Paint::plain(HEADLIGHT));
    }
    shade(stage, pose, [half_width, half_length], 3.4);
}

/// A three-wheeled taxi, yellow above and green below.
pub(crate) fn autorickshaw(stage: &mut Stage, pose: &Pose) {
    let style = stage.thing(Label::Autorickshaw);
    let (half_width, half_length) = (0.65, 1.3);
    let green = [0.12, 0.4, 0.2];
    let body = Block {
        x: [-half_width, half_width],
        y: [0.25, 0.95],
        z: [-1.3, 1.3],
        inset: [0.35, 0.0, 0.0],
    };
    stage.block(pose, &body, style.painted(Paint::plain(green)));
    let yellow = [0.9, 0.72, 0.12];
    let hood =
        Block { x: [-0.63, 0.63], y: [0.95, 1.75], z: [-1.25, 0.9], inset: [0.3, 0.15, 0.1] };
    stage.block(pose, &hood, style.painted(panes(yellow, [0.05, 0.5], 1.1, GLASS, yellow)));
    wheels(stage, pose, style, half_width, 0.25, &[-0.8, 0.95]);
    let mut rear = Sketch::new(stage, end_plane(pose, -half_length - 0.03), style);
    rear.rect([-0.6, -0.4], [0.5, 0.65], Paint::plain(RED_LIGHT));
    rear.rect([0.4, 0.6], [0.5, 0.65], Paint::plain(RED_LIGHT));
    shade(stage, pose, [half_width, half_length], 1.7);
}

fn panes(base: Rgb, [low, high]: [f32; 2], spacing: f32, glass: Rgb, stripe: Rgb) -> Paint {
    Paint::with(base, Pattern::Panes { low, high, spacing, glass, stripe })
}

/// The upright plane across a vehicle, `z` metres ahead of its middle.
fn end_plane(pose: &Pose, z: f32) -> Plane {
    let s_axis = pose.at(1.0, 0.0, 0.0) - pose.origin;
    Plane { origin: pose.at(0.0, 0.0, z), s_axis, t_axis: UP }
}

fn wheels(stage: &mut Stage, pose: &Pose, style: Style, half_width: f32, radius: f32, z: &[f32]) {
    let paint = Paint::with([0.35, 0.35, 0.37], Pattern::Wheel { radius });
    for &along in z {
        for x in [-half_width - 0.03, half_width + 0.03] {
            let plane =
                Plane { origin: pose.at(x, radius, along), s_axis: pose.forward, t_axis: UP };
            let outline =
                vec![[-radius, -radius], [radius, -radius], [radius, radius], [-radius, radius]];
            let mask = Mask::Ellipse { radii: [radius, radius] };
            stage.masked(plane, outline, mask, style.painted(paint));
        }
        // Seen from behind or ahead, the tyres fill the gap under the body.
        for x in [[-half_width, 0.25 - half_width], [half_width - 0.25, half_width]] {
            for z in [along - radius * 0.8, along + radius * 0.8] {
                let corner = |x, y| pose.at(x, y, z);
                let tyre = [
                    corner(x[0], 0.0),
                    corner(x[1], 0.0),
                    corner(x[1], radius),
                    corner(x[0], radius),
                ];
                stage.quad(tyre, style.painted(Paint::plain([0.05, 0.05, 0.05])));
            }
        }
    }
}

fn shade(stage: &mut Stage, pose: &Pose, [half_width, half_length]: [f32; 2], height: f32) {
    let corners = |grow: f32| {
        let (x, z) = (half_width + grow, half_length + grow);
        [pose.at(-x, 0.0, -z), pose.at(x, 0.0, -z), pose.at(x, 0.0, z), pose.at(-x, 0.0, z)]
    };
    stage.contact(&corners(0.12));
    stage.cast(&corners(0.0), height);
}
