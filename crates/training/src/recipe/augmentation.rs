//! `[augmentation]`: what may happen to a training sample.

use loader::{Augment, Extra, Mode};
use serde::{Deserialize, Serialize};

/// Augmentation of training samples; source: method of the reference's transforms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationRecipe {
    /// The arithmetic: `fast` or `reference`.
    pub mode: ModeRecipe,
    /// Where colour jitter and blur run: `loader` or `gpu`.
    pub colours_on: ColoursOn,
    /// Smallest scale; 0.5 in the reference.
    pub scale_min: f32,
    /// Largest scale; 2.0.
    pub scale_max: f32,
    /// Probability of a horizontal flip; 0.5.
    pub flip_probability: f32,
    /// Probability of colour jitter; 0.5.
    pub jitter_probability: f32,
    /// Largest change of brightness; 0.4.
    pub brightness: f32,
    /// Largest change of contrast; 0.4.
    pub contrast: f32,
    /// Largest change of saturation; 0.4.
    pub saturation: f32,
    /// Largest turn of hue, in turns; 0.1.
    pub hue: f32,
    /// Smallest sigma of the Gaussian blur, pixels; 0.15.
    pub blur_sigma_min: f32,
    /// Largest sigma, pixels; 1.3.
    pub blur_sigma_max: f32,
    /// Filter of the image's resize: `bilinear` or `bicubic`.
    pub image_filter: FilterRecipe,
    /// Weather, light, colour sets, CutOut and class-balanced crops.
    pub extra: Extra,
}

/// The arithmetic of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModeRecipe {
    /// The cheapest.
    Fast,
    /// That of Pillow, torchvision and scikit-image.
    Reference,
}

/// Where colour jitter and blur run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColoursOn {
    /// On the loader's threads.
    Loader,
    /// On the device, if that is a GPU.
    Gpu,
}

/// Filter of the image's resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterRecipe {
    /// Triangle.
    Bilinear,
    /// Catmull-Rom, as in Pillow.
    Bicubic,
}

impl AugmentationRecipe {
    /// The loader's augmentation.
    #[must_use]
    pub fn augment(&self) -> Augment {
        Augment {
            mode: match self.mode {
                ModeRecipe::Fast => Mode::Fast,
                ModeRecipe::Reference => Mode::Reference,
            },
            scale_min: self.scale_min,
            scale_max: self.scale_max,
            flip_probability: self.flip_probability,
            jitter: loader::Jitter {
                probability: self.jitter_probability,
                brightness: self.brightness,
                contrast: self.contrast,
                saturation: self.saturation,
                hue: self.hue,
            },
            blur_sigma_min: self.blur_sigma_min,
            blur_sigma_max: self.blur_sigma_max,
            image_filter: match self.image_filter {
                FilterRecipe::Bilinear => loader::Filter::Bilinear,
                FilterRecipe::Bicubic => loader::Filter::Bicubic,
            },
            extra: self.extra,
        }
    }

    /// The strong augmentation of the meta-test stream: the same with the strong colour jitter.
    #[must_use]
    pub fn strong(&self) -> Augment {
        Augment { jitter: Augment::strong().jitter, ..self.augment() }
    }
}
