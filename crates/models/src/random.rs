//! Random numbers as a function of a name and an index: no state, no order.

use std::f64::consts::TAU;

use kernels::Noise;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// FNV-1a of the UTF-8 bytes of `name`.
#[must_use]
pub fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// The output function of splitmix64.
#[must_use]
pub fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One stream of random numbers, indexed.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of `name`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { key: fnv1a(name) }
    }

    /// The stream of a purpose at a position of a seeded run.
    #[must_use]
    pub fn new(seed: u64, position: u64, purpose: &str) -> Self {
        let key = mix(fnv1a(purpose) ^ mix(seed.wrapping_add(GOLDEN_GAMMA)));
        Self { key: mix(key ^ mix(position.wrapping_add(GOLDEN_GAMMA))) }
    }

    /// Bits number `index`.
    #[must_use]
    pub fn bits(self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA)))
    }

    /// Number `index`, uniform in `[0, 1)`.
    #[must_use]
    pub fn uniform(self, index: u64) -> f64 {
        // The top 53 bits, exactly representable.
        (self.bits(index) >> 11) as f64 * (-53f64).exp2()
    }

    /// Number `index`, standard normal (Box-Muller on numbers `2 index` and `2 index + 1`).
    #[must_use]
    pub fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * index)).ln()).sqrt();
        radius * (TAU * self.uniform(2 * index + 1)).cos()
    }

    /// Number `index`, standard Gumbel: `-ln(-ln(1 - u))`, as `-log(Exp(1))`.
    #[must_use]
    pub fn gumbel(self, index: u64) -> f64 {
        kernels::gumbel(self.key, index)
    }

    /// The stream's numbers of a memory read, drawn where it runs.
    #[must_use]
    pub fn read_noise(self) -> Noise {
        Noise::Drawn(self.key)
    }

    /// Integer `index`, uniform in `0..bound`; `bound` must not be 0.
    #[must_use]
    pub fn below(self, index: u64, bound: u64) -> u64 {
        // Multiply-shift: the bias is below bound / 2^64.
        ((u128::from(self.bits(index)) * u128::from(bound)) >> 64) as u64
    }

    /// A permutation of `0..len`.
    #[must_use]
    pub fn permutation(self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            let other = self.below(last as u64, last as u64 + 1) as usize;
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let stream = Stream::new(7, 3, "normal");
        let n = 20_000;
        let values: Vec<f64> = (0..n).map(|i| stream.normal(i)).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        // Standard errors are 0.007 and 0.01; five of them.
        assert!(mean.abs() < 0.035, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }

    #[test]
    fn a_permutation_holds_every_number_once_and_moves_some() {
        let mut order = Stream::new(1, 0, "order").permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn gumbel_numbers_are_finite_with_the_euler_mean() {
        let stream = Stream::new(9, 0, "gumbel");
        let n = 20_000;
        let mean = (0..n).map(|i| stream.gumbel(i)).sum::<f64>() / n as f64;
        // Mean 0.5772, standard error 1.28 / sqrt(n) = 0.009; five of them.
        assert!((mean - 0.577_2).abs() < 0.045, "mean {mean}");
    }
}
