//! Counts in files of f32 tensors.

const UNIT: u64 = 1 << 24;

/// A count in units of 2^24 and the rest, so that f32 holds both exactly (below 2^48).
pub(crate) fn parts(count: u64) -> [f32; 2] {
    [(count / UNIT) as f32, (count % UNIT) as f32]
}

/// The count of [`parts`]; whatever a file holds, it stays within the integer.
pub(crate) fn count([units, rest]: [f32; 2]) -> u64 {
    (units as u64).saturating_mul(UNIT).saturating_add(rest as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_the_integers_of_f32_comes_back() {
        for exact in [0, 1, (1 << 24) + 1, 1_000_000_007, (1 << 48) - 1] {
            assert_eq!(count(parts(exact)), exact);
        }
    }

    #[test]
    fn values_that_are_no_counts_are_some_count() {
        assert_eq!(count([f32::NAN, -3.0]), 0);
        assert_eq!(count([f32::INFINITY, f32::INFINITY]), u64::MAX);
    }
}
