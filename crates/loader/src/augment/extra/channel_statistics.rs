//! Channel statistics: another mean and standard deviation for each colour channel.

use serde::{Deserialize, Serialize};

use super::stream::Stream;
use super::{Check, probability};
use crate::augment::exact::byte;
use crate::random::{Purpose, SampleKey};

/// Randomised first and second moments of each channel.
///
/// Source: the statistics that Zhou et al., "Domain Generalization with MixStyle", ICLR 2021, mix in
/// features; here drawn at random, and of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelStatistics {
    /// Probability that a sample's channels are moved.
    pub probability: f32,
    /// Largest shift of a channel's mean to either side, in levels.
    pub mean_shift_levels_max: f32,
    /// Smallest factor on a channel's standard deviation.
    pub deviation_factor_min: f32,
    /// Largest factor on a channel's standard deviation.
    pub deviation_factor_max: f32,
}

impl ChannelStatistics {
    pub(super) const NONE: Self = Self {
        probability: 0.0,
        mean_shift_levels_max: 40.0,
        deviation_factor_min: 0.5,
        deviation_factor_max: 1.5,
    };

    pub(super) fn checks(&self) -> [Check; 4] {
        let (min, max) = (self.deviation_factor_min, self.deviation_factor_max);
        [
            probability("extra.channel_statistics.probability", self.probability),
            (
                "extra.channel_statistics.mean_shift_levels_max",
                self.mean_shift_levels_max,
                0.0,
                255.0,
            ),
            ("extra.channel_statistics.deviation_factor_min", min, 0.0, 100.0),
            ("extra.channel_statistics.deviation_factor_max", max, min, 100.0),
        ]
    }
}

/// One draw of the statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChannelStatisticsDraw {
    mean_shifts: [f32; 3],
    deviation_factors: [f32; 3],
}

impl ChannelStatisticsDraw {
    pub(super) fn draw(statistics: &ChannelStatistics, key: SampleKey) -> Option<Self> {
        let stream = Stream::applies(key, Purpose::ChannelStatistics, statistics.probability)?;
        let shift = statistics.mean_shift_levels_max;
        let (min, max) = (statistics.deviation_factor_min, statistics.deviation_factor_max);
        Some(Self {
            mean_shifts: [1, 2, 3].map(|number| stream.uniform(number, -shift, shift)),
            deviation_factors: [4, 5, 6].map(|number| stream.uniform(number, min, max)),
        })
    }

    /// Shapes: `planes` [3, H, W].
    pub(super) fn apply(&self, planes: &mut [u8]) {
        let plane_len = planes.len() / 3;
        let moments = self.mean_shifts.into_iter().zip(self.deviation_factors);
        for (plane, (shift, factor)) in planes.chunks_exact_mut(plane_len).zip(moments) {
            let sum: u64 = plane.iter().map(|&value| u64::from(value)).sum();
            let mean = (sum as f64 / plane_len as f64) as f32;
            for value in plane {
                let moved = mean + shift + (f32::from(*value) - mean) * factor;
                *value = byte(moved.clamp(0.0, 255.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(plane: &[u8]) -> (f32, f32) {
        let count = plane.len() as f32;
        let mean = plane.iter().map(|&value| f32::from(value)).sum::<f32>() / count;
        let square = |&value: &u8| (f32::from(value) - mean) * (f32::from(value) - mean);
        (mean, (plane.iter().map(square).sum::<f32>() / count).sqrt())
    }

    #[test]
    fn each_channel_gets_the_drawn_mean_and_deviation() {
        let settings = ChannelStatistics { probability: 1.0, ..ChannelStatistics::NONE };
        // Levels 101 to 155 about a mean of 128: nothing is clipped.
        let scene: Vec<u8> = (0..3 * 64 * 55).map(|pixel| 101 + (pixel % 55) as u8).collect();
        let before = moments(&scene[..64 * 55]);
        let mut drawn = Vec::new();
        for index in 0..50 {
            let key = SampleKey::new(1, "gtav", 0, index);
            let draw = ChannelStatisticsDraw::draw(&settings, key).unwrap();
            let mut planes = scene.clone();
            draw.apply(&mut planes);
            for (channel, plane) in planes.chunks_exact(64 * 55).enumerate() {
                let after = moments(plane);
                let (shift, factor) = (draw.mean_shifts[channel], draw.deviation_factors[channel]);
                assert!(shift.abs() <= 40.0 && (0.5..=1.5).contains(&factor));
                // Levels are rounded, by half a level at most, and at a factor near 1 all alike.
                assert!((after.0 - before.0 - shift).abs() < 0.51, "{index} {channel}");
                assert!((after.1 - before.1 * factor).abs() < 0.51, "{index} {channel}");
                drawn.push(shift);
            }
        }
        drawn.sort_by(f32::total_cmp);
        assert!(drawn[0] < -30.0 && drawn[drawn.len() - 1] > 30.0);
    }
}
