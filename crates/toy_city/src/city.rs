//! The four cities and their frames.

use crate::ground;
use crate::looks::look_of;
use crate::raster::Canvas;
use crate::rng::{Draws, Purpose};
use crate::scene::Scene;
use crate::sensor;

/// Whose look and whose layout on disk a city has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum City {
    /// Wide sunny roads, hard shadows, crisp picture.
    Gtav,
    /// A rendered town with a high camera and crowds.
    Synthia,
    /// Dusty light, dense mixed traffic on the left.
    Idd,
    /// Grey European streets under clouds, over the hood.
    Cityscapes,
}

impl City {
    /// All cities, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Gtav, Self::Synthia, Self::Idd, Self::Cityscapes];

    /// The dataset's name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gtav => "gtav",
            Self::Synthia => "synthia",
            Self::Idd => "idd",
            Self::Cityscapes => "cityscapes",
        }
    }
}

/// One drawn frame; all maps are row-major and of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The picture, interleaved: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
    /// Cityscapes train ids 0 to 18, or 255 where nothing counts.
    pub train_ids: Vec<u8>,
    /// Ids as the city's own label files have them.
    pub label_ids: Vec<u8>,
    /// Number of the person, rider or vehicle in this frame; 0 elsewhere.
    pub instances: Vec<u16>,
}

/// Draws frame `index` of a city: a function of its arguments alone.
#[must_use]
pub fn draw_frame(city: City, seed: u64, index: u32, width: u32, height: u32) -> Frame {
    let size = [width as usize, height as usize];
    let look = look_of(city);
    let scene = Scene::compose(city, seed, index, size);
    let mut canvas = Canvas::new(size[0], size[1]);
    canvas.faces(&scene.stage.faces, &scene.camera, &scene.light);
    canvas.shadows(&scene.stage.shadows, &scene.camera);
    let grain = Draws::new(seed, city, index, Purpose::Grain).bits() as u32;
    canvas.ground_and_sky(&scene.camera, &scene.light, |x, z, footprint| {
        ground::surface(&scene.street, &look.ground, [x, z], footprint, grain)
    });
    let mut draws = Draws::new(seed, city, index, Purpose::Sensor);
    if let Some(hood) = &look.hood {
        sensor::lay_hood(&mut canvas, hood, scene.light.weather.horizon, &mut draws);
    }
    Frame {
        width,
        height,
        rgb: sensor::expose(&canvas, look, &mut draws),
        train_ids: canvas.label.iter().map(|label| label.train_id(city)).collect(),
        label_ids: canvas.label.iter().map(|label| label.label_id(city)).collect(),
        instances: canvas.instance,
    }
}
