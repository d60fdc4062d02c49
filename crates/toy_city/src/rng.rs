//! Randomness as a function of (seed, city, frame index, purpose): counter-based hashing.

use crate::City;

/// What a stream of draws decides, so that adding a draw to one part of a frame leaves the others as
/// they were.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Lens = 1,
    Weather,
    Street,
    Facades,
    Backdrop,
    Traffic,
    Cycles,
    People,
    Furniture,
    Plants,
    Grain,
    Sensor,
    Phase,
}

/// A stream of draws for one purpose in one frame.
pub(crate) struct Draws {
    key: u64,
    counter: u64,
}

impl Draws {
    pub(crate) fn new(seed: u64, city: City, index: u32, purpose: Purpose) -> Self {
        let place = (u64::from(index) << 16) | ((city as u64) << 8) | purpose as u64;
        Self { key: mix(mix(seed) ^ place), counter: 0 }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.counter += 1;
        mix(self.key.wrapping_add(self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    pub(crate) fn range(&mut self, span: [f32; 2]) -> f32 {
        span[0] + (span[1] - span[0]) * self.unit()
    }

    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// -1 or 1.
    pub(crate) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Uniform in 0..count; `count` is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        assert!(count > 0, "nothing to draw from");
        (self.bits() % count as u64) as usize
    }

    /// The place in `weights` that a draw in proportion to them hits.
    pub(crate) fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f32>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len() - 1
    }
}

/// The finalizer of splitmix64.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_purpose_index_city_and_seed_differ() {
        let first = |seed, city, index, purpose| Draws::new(seed, city, index, purpose).bits();
        let base = first(1, City::Gtav, 0, Purpose::Lens);
        assert_ne!(base, first(2, City::Gtav, 0, Purpose::Lens));
        assert_ne!(base, first(1, City::Idd, 0, Purpose::Lens));
        assert_ne!(base, first(1, City::Gtav, 1, Purpose::Lens));
        assert_ne!(base, first(1, City::Gtav, 0, Purpose::Weather));
    }

    #[test]
    fn unit_draws_average_one_half() {
        let mut draws = Draws::new(3, City::Idd, 0, Purpose::Street);
        let mean = (0..10_000).map(|_| draws.unit()).sum::<f32>() / 10_000.0;
        // Standard error of the mean of 10 000 uniforms: 0.0029.
        assert!((mean - 0.5).abs() < 0.012, "mean {mean}");
    }
}
