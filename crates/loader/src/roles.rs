//! Which domains an episode learns from and which it is tested on, and who is augmented strongly.

use crate::random::{Purpose, SampleKey};

/// The part of a stream in an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaRole {
    /// The inner pass learns from it.
    Train,
    /// The outer pass is computed on it.
    Test,
}

/// Streams of one episode, by their places among the loader's; a stream is a domain here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaSplit {
    /// Domains of the inner pass; at least one.
    pub meta_train: Vec<usize>,
    /// Domains of the outer pass; at least one.
    pub meta_test: Vec<usize>,
}

impl MetaSplit {
    /// The role of the domain at place `domain`.
    #[must_use]
    pub fn role(&self, domain: usize) -> MetaRole {
        if self.meta_test.contains(&domain) { MetaRole::Test } else { MetaRole::Train }
    }
}

/// Whether the streams of a batch have roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roles {
    /// They have none.
    #[default]
    None,
    /// Those of [`meta_split`] with the loader's seed, the batch's number as the step and all
    /// streams as domains.
    PerStep,
}

/// Which streams get [`strong_augment`](crate::LoaderOptions::strong_augment).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StrongStream {
    /// None does.
    #[default]
    Nobody,
    /// The meta-test streams of each batch do.
    ///
    /// Source: Kim et al., CVPR 2022, section B.1, for training on a single source.
    MetaTest,
    /// The first stream does, whatever its role.
    ///
    /// Source: the released code, whose flag for the strong variant is stuck on domain 0.
    FirstStream,
}

/// The split of step `step`: a random order cut at a random place, both drawn from (seed, step).
///
/// Source: `train_memory_mldg` in the released code, with other random numbers.
///
/// # Panics
/// If there are fewer than two domains.
#[must_use]
pub fn meta_split(seed: u64, step: u64, domains: usize) -> MetaSplit {
    assert!(domains >= 2, "an episode needs two domains, found {domains}");
    let mut order: Vec<usize> = (0..domains).collect();
    // Fisher and Yates: each place takes one of those not yet placed.
    for last in (1..domains).rev() {
        let key = SampleKey::of_batch(seed, step, last as u64);
        order.swap(last, key.below_wide(Purpose::MetaOrder, last as u64 + 1) as usize);
    }
    let key = SampleKey::of_batch(seed, step, 0);
    let cut = 1 + key.below_wide(Purpose::MetaCut, domains as u64 - 1) as usize;
    let meta_test = order.split_off(cut);
    MetaSplit { meta_train: order, meta_test }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_split_of_three_domains_occurs_and_leaves_no_domain_out() {
        let mut sizes = [0; 4];
        let mut held_out = [0; 3];
        for step in 0..600 {
            let split = meta_split(304, step, 3);
            sizes[split.meta_train.len()] += 1;
            for &domain in &split.meta_test {
                held_out[domain] += 1;
                assert_eq!(split.role(domain), MetaRole::Test);
            }
            assert_eq!(split.role(split.meta_train[0]), MetaRole::Train);
            let mut all = [split.meta_train, split.meta_test].concat();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2]);
        }
        assert_eq!((sizes[0], sizes[3]), (0, 0));
        // One or two meta-train domains are equally likely: 300 of 600, deviation 12; five of them.
        assert!((240..=360).contains(&sizes[1]), "{sizes:?}");
        // Each domain is held out half the time.
        assert!(held_out.iter().all(|count| (240..=360).contains(count)), "{held_out:?}");
    }

    #[test]
    fn every_order_of_three_domains_is_equally_likely() {
        let mut counts: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        for step in 0..6000 {
            let split = meta_split(1, step, 3);
            *counts.entry([split.meta_train, split.meta_test].concat()).or_default() += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected, standard deviation 29; five of them on either side.
        assert!(counts.values().all(|count| (855..=1145).contains(count)), "{counts:?}");
    }

    #[test]
    fn another_seed_gives_other_splits() {
        let splits = |seed| (0..50).map(|step| meta_split(seed, step, 4)).collect::<Vec<_>>();
        assert_ne!(splits(1), splits(2));
    }
}
