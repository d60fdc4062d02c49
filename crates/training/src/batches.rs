//! Loader batches to samples on the device, and the split into meta-train and meta-test.

use burn::tensor::Device;
use loader::{Batch, DomainBatch};
use models::image;
use models::labels::LabelBatch;
use models::random::Stream;

use crate::objective::Samples;

/// Domains of one episode, as positions in the recipe's sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaSplit {
    /// Domains of the inner pass; at least one.
    pub meta_train: Vec<usize>,
    /// Domains of the outer pass; at least one.
    pub meta_test: Vec<usize>,
}

/// The split of step `step`: a random order cut at a random place.
///
/// # Panics
/// If there are fewer than two domains.
#[must_use]
pub fn meta_split(seed: u64, step: u64, domains: usize) -> MetaSplit {
    assert!(domains >= 2, "an episode needs two domains, found {domains}");
    let order = Stream::new(seed, step, "meta split order").permutation(domains);
    let cut = 1 + Stream::new(seed, step, "meta split size").below(0, domains as u64 - 1) as usize;
    MetaSplit { meta_train: order[..cut].to_vec(), meta_test: order[cut..].to_vec() }
}

/// The chosen domains of a batch as one batch on the device.
#[must_use]
pub fn samples(batch: &Batch, domains: &[usize], classes: usize, device: &Device) -> Samples {
    let parts: Vec<&DomainBatch> = domains.iter().map(|&domain| &batch.domains[domain]).collect();
    let (height, width) = (parts[0].height, parts[0].width);
    let images: Vec<u8> = parts.iter().flat_map(|part| part.images.iter().copied()).collect();
    let labels = LabelBatch {
        batch: parts.iter().map(|part| part.batch).sum(),
        height,
        width,
        train_ids: parts.iter().flat_map(|part| part.labels.iter().copied()).collect(),
    };
    let image = image::upload(&images, [labels.batch, height, width], device);
    Samples::new(image, labels, classes)
}

#[cfg(test)]
mod tests {
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
            }
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
}
