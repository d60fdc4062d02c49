//! Augmentations beyond the reference's, all off unless asked for; one per file.

mod autocontrast;
mod channel_statistics;
mod class_balanced_crop;
mod coarse_field;
mod cutout;
mod enhance;
mod equalize;
mod fog;
mod grain;
mod haze;
mod night;
mod plane_rows;
mod posterize;
mod rain;
mod rand_augment;
mod shadow;
mod sharpness;
mod snow;
mod solarize;
mod stream;
mod stroke;
mod sun_flare;

#[cfg(test)]
mod pillow_tests;
#[cfg(test)]
mod renderer_tests;
#[cfg(test)]
mod style_tests;

pub use channel_statistics::ChannelStatistics;
pub use class_balanced_crop::ClassBalancedCrop;
pub use cutout::{Cutout, CutoutFill, CutoutLabels};
pub use fog::Fog;
pub use night::Night;
pub use rain::Rain;
pub use rand_augment::RandAugment;
pub use shadow::Shadow;
pub use snow::Snow;
pub use sun_flare::SunFlare;

pub(crate) use class_balanced_crop::ClassBalanceDraw;
pub(crate) use cutout::CutoutDraw;

use serde::{Deserialize, Serialize};

use channel_statistics::ChannelStatisticsDraw;
use fog::FogDraw;
use night::NightDraw;
use rain::RainDraw;
use rand_augment::RandAugmentDraw;
use shadow::ShadowDraw;
use snow::SnowDraw;
use sun_flare::SunFlareDraw;

use crate::error::LoaderError;
use crate::random::SampleKey;

/// Which of the further augmentations are drawn, each with its own probability.
///
/// Order: the class-balanced crop chooses the crop; after the resize come night, shadow, sun flare,
/// fog, rain, snow, channel statistics and RandAugment, then jitter and blur, and last CutOut. All
/// but the crop and CutOut leave labels alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Night with street lamps.
    pub night: Night,
    /// Cast shadows.
    pub shadow: Shadow,
    /// Sun in the lens.
    pub sun_flare: SunFlare,
    /// Fog.
    pub fog: Fog,
    /// Rain.
    pub rain: Rain,
    /// Falling and lying snow.
    pub snow: Snow,
    /// Another mean and standard deviation for each channel.
    pub channel_statistics: ChannelStatistics,
    /// Colour operations in random order.
    pub rand_augment: RandAugment,
    /// Blotted-out rectangles.
    pub cutout: Cutout,
    /// Crops in which no class covers nearly everything.
    pub class_balanced_crop: ClassBalancedCrop,
}

/// A field's name and value, and the least and the greatest value allowed.
type Check = (&'static str, f32, f32, f32);

fn probability(field: &'static str, found: f32) -> Check {
    (field, found, 0.0, 1.0)
}

impl Extra {
    /// Every probability 0; the ranges beside them look like real pictures at 768x768 pixels.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            night: Night::NONE,
            shadow: Shadow::NONE,
            sun_flare: SunFlare::NONE,
            fog: Fog::NONE,
            rain: Rain::NONE,
            snow: Snow::NONE,
            channel_statistics: ChannelStatistics::NONE,
            rand_augment: RandAugment::NONE,
            cutout: Cutout::NONE,
            class_balanced_crop: ClassBalancedCrop::NONE,
        }
    }

    /// Refuses values outside their range.
    ///
    /// # Errors
    /// [`LoaderError::Augment`] names the field, the value and the range.
    pub fn validate(&self) -> Result<(), LoaderError> {
        let checks = self
            .night
            .checks()
            .into_iter()
            .chain(self.shadow.checks())
            .chain(self.sun_flare.checks())
            .chain(self.fog.checks())
            .chain(self.rain.checks())
            .chain(self.snow.checks())
            .chain(self.channel_statistics.checks())
            .chain(self.rand_augment.checks())
            .chain(self.cutout.checks())
            .chain(self.class_balanced_crop.checks());
        for (field, found, low, high) in checks {
            // NaN lies in no range.
            if !(low..=high).contains(&found) {
                return Err(LoaderError::Augment { field, found, low, high });
            }
        }
        Ok(())
    }

    /// Draws and applies the styles that change colours alone, in order.
    ///
    /// Shapes: `planes` [3, H, crop_width].
    pub(crate) fn paint(&self, key: SampleKey, planes: &mut [u8], crop_width: u32) {
        if let Some(night) = NightDraw::draw(&self.night, key) {
            night.apply(planes, crop_width);
        }
        if let Some(shadow) = ShadowDraw::draw(&self.shadow, key) {
            shadow.apply(planes, crop_width);
        }
        if let Some(sun_flare) = SunFlareDraw::draw(&self.sun_flare, key) {
            sun_flare.apply(planes, crop_width);
        }
        if let Some(fog) = FogDraw::draw(&self.fog, key) {
            fog.apply(planes, crop_width);
        }
        if let Some(rain) = RainDraw::draw(&self.rain, key) {
            rain.apply(planes, crop_width);
        }
        if let Some(snow) = SnowDraw::draw(&self.snow, key) {
            snow.apply(planes, crop_width);
        }
        if let Some(statistics) = ChannelStatisticsDraw::draw(&self.channel_statistics, key) {
            statistics.apply(planes);
        }
        if let Some(rand_augment) = RandAugmentDraw::draw(&self.rand_augment, key) {
            rand_augment.apply(planes, crop_width);
        }
    }
}
