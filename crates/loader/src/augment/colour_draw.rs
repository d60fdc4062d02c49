//! The draws of colour jitter and blur, for a consumer that applies these two itself.

use super::{Augment, BlurDraw, ColourOperation, Jitter, JitterDraw, hue};
use crate::random::SampleKey;

/// What colour jitter and blur do to one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct ColourDraw {
    /// `None` leaves the colours as they are.
    pub jitter: Option<ColourJitter>,
    /// The weight at distance 0, 1, ... from the centre; empty where the sample is not blurred.
    pub blur_weights: Vec<f32>,
}

/// One draw of the colour jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColourJitter {
    /// Each operation once, the first one first.
    pub order: [ColourOperation; 4],
    /// The factor on every channel.
    pub brightness: f32,
    /// The factor on the distance from the image's rounded mean grey level.
    pub contrast: f32,
    /// The factor on the distance from the pixel's own grey level.
    pub saturation: f32,
    /// Added to the byte-valued hue, wrapping around at 256; `None` leaves the hue as it is.
    pub hue_step: Option<u8>,
}

impl ColourDraw {
    /// What the loader itself does to the sample of `key` between resizing and the end.
    #[must_use]
    pub fn of(augment: &Augment, key: SampleKey) -> Self {
        Self {
            jitter: JitterDraw::draw(&augment.jitter, key).map(|draw| ColourJitter {
                order: draw.order,
                brightness: draw.brightness,
                contrast: draw.contrast,
                saturation: draw.saturation,
                hue_step: draw.hue.map(hue::step),
            }),
            blur_weights: BlurDraw::draw(augment, key).map_or_else(Vec::new, |draw| {
                draw.weights.iter().map(|&weight| weight as f32).collect()
            }),
        }
    }
}

impl Augment {
    /// The same without colour jitter and blur, for a consumer that applies [`ColourDraw`]: no
    /// other draw changes.
    #[must_use]
    pub fn without_colours(self) -> Self {
        let jitter = Jitter { probability: 0.0, ..self.jitter };
        Self { jitter, blur_sigma_min: 0.0, blur_sigma_max: 0.0, ..self }
    }
}
