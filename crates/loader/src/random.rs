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

    /// Which stream a slot of a drawn batch belongs to.
    Stream = 64,
    /// Which sample of its stream a slot of a drawn batch shows.
    Sample,
    /// The order of the domains of an episode.
    MetaOrder,
    /// Where that order is cut.
    MetaCut,
    /// Whether a sample is chosen for a class.
    ClassUniform,
    Class,
    /// Which tile that shows the class.
    ClassTile,

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
    /// The key of position `index` of `epoch` in stream 0 of the domain called `domain`.
    #[must_use]
    pub fn new(seed: u64, domain: &str, epoch: u64, index: u64) -> Self {
        Self::of_stream(seed, (domain, 0), epoch, index)
    }

    /// The key of position `index` of `epoch` in a stream: its domain's name and its number.
    #[must_use]
    pub fn of_stream(seed: u64, stream: (&str, u32), epoch: u64, index: u64) -> Self {
        Self { state: absorb(epoch_state(seed, stream, epoch), index) }
    }

    /// The key of what is drawn for a batch rather than for a sample of a stream.
    pub(crate) fn of_batch(seed: u64, batch: u64, index: u64) -> Self {
        Self::new(seed, "", batch, index)
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

    /// A draw from 0..count; `count` must not be 0.
    pub(crate) fn below_wide(self, purpose: Purpose, count: u64) -> u64 {
        ((u128::from(self.bits(purpose)) * u128::from(count)) >> 64) as u64
    }

    /// 64 random bits.
    pub(crate) fn bits(self, purpose: Purpose) -> u64 {
        absorb(self.state, purpose as u64)
    }
}

/// The key of one epoch of one stream, from which its permutation is made.
pub(crate) fn epoch_state(seed: u64, (domain, stream): (&str, u32), epoch: u64) -> u64 {
    let named = domain.bytes().fold(absorb(0, seed), |state, byte| absorb(state, u64::from(byte)));
    let mut state = absorb(named, domain.len() as u64);
    // The first stream is keyed by its domain alone, as in runs that know of no streams.
    if stream != 0 {
        // No epoch is as large.
        state = absorb(state, u64::MAX - u64::from(stream));
    }
    absorb(state, epoch)
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
        let draw = |seed, stream, epoch, index| {
            SampleKey::of_stream(seed, stream, epoch, index).unit(Purpose::Scale)
        };
        let base = draw(1, ("gtav", 0), 0, 0);
        for other in [
            draw(2, ("gtav", 0), 0, 0),
            draw(1, ("gtaw", 0), 0, 0),
            draw(1, ("gtav", 1), 0, 0),
            draw(1, ("gtav", 0), 1, 0),
            draw(1, ("gtav", 0), 0, 1),
        ] {
            assert_ne!(base, other);
        }
        let key = SampleKey::new(1, "gtav", 0, 0);
        assert_ne!(key.unit(Purpose::Scale), key.unit(Purpose::Flip));
    }

    #[test]
    fn the_draws_of_a_first_stream_never_change() {
        // From runs without streams, which must go on with the same pixels.
        let key = SampleKey::new(304, "gtav", 3, 17);
        assert_eq!(key.bits(Purpose::Scale), 0x0251_9ad8_ad72_7a49);
        assert_eq!(key, SampleKey::of_stream(304, ("gtav", 0), 3, 17));
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
