//! Many draws of one purpose within one sample.

use crate::random::{Purpose, SampleKey, absorb};

/// The draws of one purpose: each is a function of (key, purpose, number), whatever was drawn before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    state: u64,
}

/// The number of the draw that decides whether a style applies; others start at 1.
const APPLIES: u64 = 0;

impl Stream {
    /// The draws of `purpose`, or `None` with probability 1 - `probability`.
    pub(super) fn applies(key: SampleKey, purpose: Purpose, probability: f32) -> Option<Self> {
        let stream = Self { state: key.bits(purpose) };
        (stream.unit(APPLIES) < probability).then_some(stream)
    }

    /// An independent stream, for the numbered part of a picture.
    pub(super) fn part(self, number: u64) -> Self {
        Self { state: self.bits(number) }
    }

    /// 64 random bits.
    pub(super) fn bits(self, number: u64) -> u64 {
        absorb(self.state, number)
    }

    /// A draw from [0, 1).
    pub(super) fn unit(self, number: u64) -> f32 {
        // 24 bits fill the mantissa exactly, so 1.0 is never reached.
        (self.bits(number) >> 40) as f32 * (1.0 / (1_u32 << 24) as f32)
    }

    /// A draw from [low, high].
    pub(super) fn uniform(self, number: u64, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit(number)
    }

    /// A draw from 0..count; `count` must not be 0.
    pub(super) fn below(self, number: u64, count: u32) -> u32 {
        ((u128::from(self.bits(number)) * u128::from(count)) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_number_changes_its_draw_and_its_part() {
        let key = SampleKey::new(1, "gtav", 0, 0);
        let stream = Stream::applies(key, Purpose::Rain, 1.0).unwrap();
        for bit in 0..64 {
            assert_ne!(stream.bits(0), stream.bits(1 << bit));
            assert_ne!(stream.part(0).bits(1), stream.part(1 << bit).bits(1));
        }
        let other = Stream::applies(key, Purpose::Snow, 1.0).unwrap();
        assert_ne!(stream.bits(1), other.bits(1));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let key = SampleKey::new(1, "gtav", 0, 0);
        let stream = Stream::applies(key, Purpose::Rain, 1.0).unwrap();
        let mut counts = [0_u32; 8];
        for number in 0..8000 {
            counts[stream.below(number, 8) as usize] += 1;
            assert!((0.0..1.0).contains(&stream.unit(number)));
            assert!((-3.0..=5.0).contains(&stream.uniform(number, -3.0, 5.0)));
        }
        // 1000 expected, standard deviation 30; five of them on either side.
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }
}
