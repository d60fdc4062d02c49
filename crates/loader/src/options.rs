//! What a loader is asked for.

use std::path::PathBuf;

use shard_store::StoreOptions;

use crate::augment::Augment;
use crate::error::LoaderError;

/// Bytes of one domain's part of a batch may not reach this: 8 GiB.
const MAX_DOMAIN_BYTES: u128 = 1 << 33;

/// The largest side of a crop, in pixels: that of a shard's image.
const MAX_CROP_SIDE: u32 = shard_format::MAX_SIDE;

/// What to load, how to augment it, and with how many threads.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderOptions {
    /// The source domains; names must differ.
    pub domains: Vec<DomainSource>,
    /// How shards are read: mapped or not, and the cache for those behind a URL; changes no pixel.
    pub store: StoreOptions,
    /// Samples of each domain in a batch.
    pub samples_per_domain: usize,
    /// Width of the crop in pixels.
    pub crop_width: u32,
    /// Height of the crop in pixels.
    pub crop_height: u32,
    /// The augmentation of every domain.
    pub augment: Augment,
    /// With equal seeds, equal (epoch, index) give equal pixels.
    pub seed: u64,
    /// Worker threads; their number changes no pixel.
    pub workers: usize,
    /// Batches under way or waiting at any time, the one handed out not counted.
    pub prefetch_batches: usize,
    /// The number of the first batch: 0, or where a stopped run goes on.
    pub first_batch: u64,
    /// One past the number of the last batch; `u64::MAX` for an endless stream.
    pub end_batch: u64,
}

/// One domain and the folders of shards that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSource {
    /// The domain's name, part of the key of every random draw.
    pub name: String,
    /// Dataset folders as `shard pack` writes them, or their URLs; their samples are concatenated in this order.
    pub shards: Vec<PathBuf>,
}

impl LoaderOptions {
    /// Refuses what can be refused without opening a file.
    pub(crate) fn validate(&self) -> Result<(), LoaderError> {
        let positive = [
            ("samples_per_domain", self.samples_per_domain == 0),
            ("crop_width", self.crop_width == 0),
            ("crop_height", self.crop_height == 0),
            ("workers", self.workers == 0),
            ("prefetch_batches", self.prefetch_batches == 0),
        ];
        if let Some((option, _)) = positive.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(LoaderError::Zero { option });
        }
        self.augment.validate()?;
        let pixels = u128::from(self.crop_width) * u128::from(self.crop_height);
        if self.crop_width.max(self.crop_height) > MAX_CROP_SIDE
            || pixels * 3 * self.samples_per_domain as u128 >= MAX_DOMAIN_BYTES
        {
            return Err(LoaderError::BatchTooLarge {
                samples_per_domain: self.samples_per_domain,
                crop_width: self.crop_width,
                crop_height: self.crop_height,
            });
        }
        if self.domains.is_empty() {
            return Err(LoaderError::NoDomains);
        }
        for (position, domain) in self.domains.iter().enumerate() {
            if self.domains[..position].iter().any(|earlier| earlier.name == domain.name) {
                return Err(LoaderError::DuplicateDomain { domain: domain.name.clone() });
            }
            if domain.shards.is_empty() {
                return Err(LoaderError::NoShards { domain: domain.name.clone() });
            }
        }
        Ok(())
    }
}
