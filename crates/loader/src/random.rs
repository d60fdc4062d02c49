//! Counter-based randomness: every draw is a function of a key and a purpose, never of call order.

/// What a draw is for; each purpose is an independent stream of the same sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The order of a domain's samples in one epoch.
    Order = 1,
    Scale,
    CropX,
    CropY,
    Flip,
    JitterApplies,
    JitterOrder,
    Brightness,
    Contrast,
    Saturation,
    Hue,
    Blur,
    // Styles of `augment::extra`: each numbers its own draws within its purpose.
    Night = 128,
    Shadow,
    SunFlare,
    Fog,
    Rain,
    Snow,
    ChannelStatistics,
    RandAugment,
    Cutout,
    ClassBalancedCrop,
}

/// The identity of one augmented sample: equal keys give equal pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleKey {
    state: u64,
}

impl SampleKey {
    /// The key of position `index` of `epoch` in the domain called `domain`.
    #[must_use]
    pub fn new(seed: u64, domain: &str, epoch: u64, index: u64) -> Self {
        Self { state: absorb(epoch_state(seed, domain, epoch), index) }
    }

    /// A draw from [0, 1).
    pub(crate) fn unit(self, purpose: Purpose) -> f64 {
        // 53 bits fill the mantissa exactly, so 1.0 is never reached.
        (self.bits(purpose) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A draw from [low, high).
    pub(crate) fn uniform(self, purpose: Purpose, low: f32, high: f32) -> f64 {
        f64::from(low) + (f64::from(high) - f64::from(low)) * self.unit(purpose)
    }

    /// A draw from 0..count; `count` must not be 0.
    pub(crate) fn below(self, purpose: Purpose, count: u32) -> u32 {
        ((u128::from(self.bits(purpose)) * u128::from(count)) >> 64) as u32
    }

    /// 64 random bits.
    pub(crate) fn bits(self, purpose: Purpose) -> u64 {
        absorb(self.state, purpose as u64)
    }
}

/// The key of one epoch of one domain, from which its permutation is made.
pub(crate) fn epoch_state(seed: u64, domain: &str, epoch: u64) -> u64 {
    let named = domain.bytes().fold(absorb(0, seed), |state, byte| absorb(state, u64::from(byte)));
    absorb(absorb(named, domain.len() as u64), epoch)
}

/// Mixes one more value into a state.
pub(crate) fn absorb(state: u64, value: u64) -> u64 {
    finalize(state ^ finalize(value.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

/// The finalizer of splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
fn finalize(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_changes_the_draw() {
        let draw = |seed, domain, epoch, index| {
            SampleKey::new(seed, domain, epoch, index).unit(Purpose::Scale)
        };
        let base = draw(1, "gtav", 0, 0);
        for other in [
            draw(2, "gtav", 0, 0),
            draw(1, "gtaw", 0, 0),
            draw(1, "gtav", 1, 0),
            draw(1, "gtav", 0, 1),
        ] {
            assert_ne!(base, other);
        }
        let key = SampleKey::new(1, "gtav", 0, 0);
        assert_ne!(key.unit(Purpose::Scale), key.unit(Purpose::Flip));
    }

    #[test]
    fn draws_fill_their_range_evenly() {
        let mut counts = [0_u32; 8];
        for index in 0..8000 {
            let key = SampleKey::new(7, "idd", 3, index);
            counts[key.below(Purpose::CropX, 8) as usize] += 1;
            let scale = key.uniform(Purpose::Scale, 0.5, 2.0);
            assert!((0.5..2.0).contains(&scale));
        }
        // 1000 expected, standard deviation 30; five of them on either side.
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }
}
