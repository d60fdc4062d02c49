//! A small procedural city: street scenes in perspective with exact labels for all 19 Cityscapes
//! classes.
//!
//! The city comes in four looks that differ as GTAV, SYNTHIA, IDD and Cityscapes do: palette,
//! texture, light, weather, camera, mix of things and sensor. [`write_city`] lays its frames out on
//! disk as the dataset of that name is; [`draw_frame`] gives one frame in memory. The same seed gives
//! the same bytes, whatever the number of threads.
#![forbid(unsafe_code)]

mod camera;
mod city;
mod crowd;
mod facades;
mod furniture;
mod geometry;
mod ground;
mod labels;
mod layouts;
mod looks;
mod raster;
mod rng;
mod scene;
mod sensor;
mod sketches;
mod stage;
mod street;
mod texture;
mod traffic;

pub use city::{City, Frame, draw_frame};
pub use labels::{CLASS_NAMES, IGNORE_ID, class_colour};
pub use layouts::{CityError, CityOptions, write_city};
