//! A keyed permutation of 0..count without an array: a Feistel network with cycle walking.

use crate::random::{Purpose, absorb};

/// Rounds of the network; four give a pseudorandom permutation (Luby and Rackoff, 1988), two more
/// cover the weakness of very short halves.
const ROUNDS: u64 = 6;

/// Where position `index` of the order keyed by `state` points, both in 0..count.
///
/// For a fixed `state` and `count` this is a bijection.
pub(crate) fn permuted(state: u64, count: u64, index: u64) -> u64 {
    assert!(index < count, "index {index} must be less than count {count}");
    let half_bits = half_bits_for(count);
    let key = absorb(state, Purpose::Order as u64);
    let mut value = index;
    // The network permutes 0..4^half_bits, less than four times `count`; walking on until the value
    // falls inside 0..count keeps a bijection and takes fewer than four steps on average.
    loop {
        value = feistel(key, half_bits, value);
        if value < count {
            return value;
        }
    }
}

fn half_bits_for(count: u64) -> u32 {
    let bits = u64::BITS - (count - 1).leading_zeros();
    bits.div_ceil(2).max(1)
}

fn feistel(key: u64, half_bits: u32, value: u64) -> u64 {
    let mask = (1_u64 << half_bits) - 1;
    let (mut left, mut right) = (value >> half_bits, value & mask);
    for round in 0..ROUNDS {
        let mixed = absorb(absorb(key, round), right) & mask;
        (left, right) = (right, left ^ mixed);
    }
    (left << half_bits) | right
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::epoch_state;

    #[test]
    fn every_index_is_hit_exactly_once() {
        for count in (1..70).chain([1000, 4096, 4097]) {
            let state = epoch_state(3, ("synthia", 0), 1);
            let seen: BTreeSet<u64> =
                (0..count).map(|index| permuted(state, count, index)).collect();
            assert_eq!(seen.len() as u64, count);
            assert_eq!(seen.last(), Some(&(count - 1)));
        }
    }

    #[test]
    fn order_differs_by_seed_domain_stream_and_epoch() {
        let order = |seed, stream, epoch| -> Vec<u64> {
            let state = epoch_state(seed, stream, epoch);
            (0..100).map(|index| permuted(state, 100, index)).collect()
        };
        let base = order(1, ("gtav", 0), 0);
        assert_ne!(base, order(2, ("gtav", 0), 0));
        assert_ne!(base, order(1, ("idd", 0), 0));
        assert_ne!(base, order(1, ("gtav", 1), 0));
        assert_ne!(base, order(1, ("gtav", 0), 1));
    }

    #[test]
    fn positions_of_one_sample_are_spread_over_epochs() {
        // 2000 epochs of 10 samples: 200 expected per position, standard deviation 13.4.
        let mut counts = [0_u32; 10];
        for epoch in 0..2000 {
            counts[permuted(epoch_state(5, ("gtav", 0), epoch), 10, 0) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (130..270).contains(&count)), "{counts:?}");
    }
}
