//! What may happen to a sample between shard and batch; one augmentation per file.

mod blur;
mod brightness;
mod colour_draw;
mod colours;
mod contrast;
mod exact;
pub mod extra;
mod geometry;
mod hue;
mod jitter;
mod resample;
mod saturation;
mod warp_image;
mod warp_labels;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod level_tests;

pub use blur::BLUR_REACH;
pub use colour_draw::{ColourDraw, ColourJitter};
pub use extra::Extra;
pub use jitter::Operation as ColourOperation;

pub(crate) use blur::{Blur, BlurDraw};
pub(crate) use extra::{ClassBalanceDraw, CutoutDraw};
pub(crate) use geometry::{Geometry, Span};
pub(crate) use jitter::JitterDraw;
pub(crate) use warp_image::{ImageWarp, Target};
pub(crate) use warp_labels::LabelWarp;

use crate::error::LoaderError;

/// Which augmentations are drawn, and from which ranges; each range is uniform.
///
/// Order: scale, crop, flip, colour jitter, blur. Source: Kim et al., CVPR 2022, released code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augment {
    /// Smallest factor on width and height.
    pub scale_min: f32,
    /// Largest factor on width and height.
    pub scale_max: f32,
    /// Probability of mirroring left and right.
    pub flip_probability: f32,
    /// Brightness, contrast, saturation and hue, in random order.
    pub jitter: Jitter,
    /// Smallest standard deviation of the Gaussian blur, in pixels of the crop.
    pub blur_sigma_min: f32,
    /// Largest standard deviation of the Gaussian blur, in pixels of the crop; 0 turns the blur off.
    pub blur_sigma_max: f32,
    /// How the image is resampled; labels always take the nearest pixel.
    pub image_filter: Filter,
    /// Weather, light and what else the reference does not have.
    pub extra: Extra,
    /// Whose arithmetic is used.
    pub mode: Mode,
}

/// Ranges of the colour jitter; a draw is applied whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// Probability that a sample is jittered.
    pub probability: f32,
    /// The factor on brightness is drawn from [max(0, 1 - brightness), 1 + brightness].
    pub brightness: f32,
    /// The factor on contrast is drawn from [max(0, 1 - contrast), 1 + contrast].
    pub contrast: f32,
    /// The factor on saturation is drawn from [max(0, 1 - saturation), 1 + saturation].
    pub saturation: f32,
    /// The turn of the hue is drawn from [-hue, hue], in turns.
    pub hue: f32,
}

/// Antialiased resampling filters of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The triangle filter, support 1 pixel.
    Bilinear,
    /// The Catmull-Rom cubic (a = -0.5), support 2 pixels; the reference's choice.
    Bicubic,
}

/// How exactly pixels follow the reference; in either mode they have the same bits on every
/// machine.
///
/// | Operation | `Fast` | `Reference` |
/// |---|---|---|
/// | bicubic and bilinear resampling | the bits of Pillow | likewise |
/// | nearest labels, padding, crop, flip | exact | likewise |
/// | brightness, contrast, saturation, hue | the bits of torchvision on Pillow | likewise |
/// | Gaussian blur | within one level of scikit-image | the arithmetic of scikit-image |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The blur computes in 16 bits.
    Fast,
    /// The blur computes in double precision, in the order of scikit-image.
    Reference,
}

impl Augment {
    /// Scale 1 and a random crop, nothing else.
    #[must_use]
    pub fn none() -> Self {
        Self {
            scale_min: 1.0,
            scale_max: 1.0,
            flip_probability: 0.0,
            jitter: Jitter {
                probability: 0.0,
                brightness: 0.0,
                contrast: 0.0,
                saturation: 0.0,
                hue: 0.0,
            },
            blur_sigma_min: 0.0,
            blur_sigma_max: 0.0,
            image_filter: Filter::Bicubic,
            extra: Extra::none(),
            mode: Mode::Fast,
        }
    }

    /// The augmentation of every domain in the released code.
    #[must_use]
    pub fn reference() -> Self {
        Self {
            scale_min: 0.5,
            scale_max: 2.0,
            flip_probability: 0.5,
            jitter: Jitter {
                probability: 0.5,
                brightness: 0.4,
                contrast: 0.4,
                saturation: 0.4,
                hue: 0.1,
            },
            blur_sigma_min: 0.15,
            blur_sigma_max: 1.3,
            image_filter: Filter::Bicubic,
            extra: Extra::none(),
            mode: Mode::Fast,
        }
    }

    /// The augmentation of the meta-test stream in the single-source case (paper, section B.1).
    #[must_use]
    pub fn strong() -> Self {
        Self {
            jitter: Jitter {
                probability: 1.0,
                brightness: 0.8,
                contrast: 0.8,
                saturation: 0.8,
                hue: 0.3,
            },
            ..Self::reference()
        }
    }

    /// Refuses values outside their range.
    ///
    /// # Errors
    /// [`LoaderError::Augment`] names the field, the value and the range.
    pub fn validate(&self) -> Result<(), LoaderError> {
        let jitter = self.jitter;
        let checks = [
            ("scale_min", self.scale_min, 0.01, 100.0),
            ("scale_max", self.scale_max, self.scale_min, 100.0),
            ("flip_probability", self.flip_probability, 0.0, 1.0),
            ("jitter.probability", jitter.probability, 0.0, 1.0),
            ("jitter.brightness", jitter.brightness, 0.0, 100.0),
            ("jitter.contrast", jitter.contrast, 0.0, 100.0),
            ("jitter.saturation", jitter.saturation, 0.0, 100.0),
            ("jitter.hue", jitter.hue, 0.0, 0.5),
            ("blur_sigma_min", self.blur_sigma_min, 0.0, 64.0),
            ("blur_sigma_max", self.blur_sigma_max, self.blur_sigma_min, 64.0),
        ];
        for (field, found, low, high) in checks {
            // NaN lies in no range.
            if !(low..=high).contains(&found) {
                return Err(LoaderError::Augment { field, found, low, high });
            }
        }
        self.extra.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_presets_are_valid() {
        for augment in [Augment::none(), Augment::reference(), Augment::strong()] {
            augment.validate().unwrap();
        }
    }

    #[test]
    fn a_reversed_or_undefined_range_is_refused_by_name() {
        let reversed = Augment { scale_max: 0.4, ..Augment::reference() };
        assert!(reversed.validate().unwrap_err().to_string().contains("scale_max"));
        let undefined = Augment { flip_probability: f32::NAN, ..Augment::none() };
        assert!(undefined.validate().unwrap_err().to_string().contains("flip_probability"));
    }
}
