//! Refuses options that mean nothing, as far as that is known before a file is opened.

use crate::error::LoaderError;
use crate::options::LoaderOptions;
use crate::roles::{Roles, StrongStream};
use crate::sampling::{Sampling, Shares};

/// Bytes of one stream's part of a batch may not reach this: 8 GiB.
const MAX_STREAM_BYTES: u128 = 1 << 33;

/// The largest side of a crop, in pixels: that of a shard's image.
const MAX_CROP_SIDE: u32 = shard_format::MAX_SIDE;

impl LoaderOptions {
    /// Refuses what can be refused without opening a file.
    pub(crate) fn validate(&self) -> Result<(), LoaderError> {
        let is_drawn =
            |by| matches!(self.sampling, Sampling::Drawn { by: found, .. } if found == by);
        let positive = [
            ("crop_width", self.crop_width == 0),
            ("crop_height", self.crop_height == 0),
            ("workers", self.workers == 0),
            ("prefetch_batches", self.prefetch_batches == 0),
            ("ranks", self.ranks == 0),
            ("patience", self.patience.is_some_and(|patience| patience.is_zero())),
            ("batch", matches!(self.sampling, Sampling::Drawn { batch: 0, .. })),
        ];
        if let Some((option, _)) = positive.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(LoaderError::Zero { option });
        }
        self.augment.validate()?;
        self.strong_augment.validate()?;
        self.check_streams()?;
        if is_drawn(Shares::Weights) {
            self.check_weights()?;
        }
        if let Some(classes) = self.class_uniform
            && !(0.0..=1.0).contains(&classes.fraction)
        {
            let (option, found) = ("class_uniform.fraction", classes.fraction);
            return Err(LoaderError::Share { option, found });
        }
        self.check_batch()?;
        self.check_roles()
    }

    fn check_streams(&self) -> Result<(), LoaderError> {
        if self.streams.is_empty() {
            return Err(LoaderError::NoDomains);
        }
        for (position, source) in self.streams.iter().enumerate() {
            let (domain, stream) = (|| source.name.clone(), source.stream);
            let mut siblings =
                self.streams[..position].iter().filter(|earlier| earlier.name == source.name);
            if siblings.clone().any(|earlier| earlier.stream == stream) {
                return Err(LoaderError::DuplicateStream { domain: domain(), stream });
            }
            if siblings.next().is_some_and(|earlier| earlier.shards != source.shards) {
                return Err(LoaderError::StreamsDiffer { domain: domain(), stream });
            }
            if source.shards.is_empty() {
                return Err(LoaderError::NoShards { domain: domain() });
            }
            if self.sampling == Sampling::Quotas && source.samples_per_batch == 0 {
                return Err(LoaderError::Zero { option: "samples_per_batch" });
            }
        }
        Ok(())
    }

    fn check_weights(&self) -> Result<(), LoaderError> {
        for source in &self.streams {
            if !source.weight.is_finite() || source.weight < 0.0 {
                let (domain, stream, found) = (source.name.clone(), source.stream, source.weight);
                return Err(LoaderError::Weight { domain, stream, found });
            }
        }
        let total: f64 = self.streams.iter().map(|source| source.weight).sum();
        if total > 0.0 && total.is_finite() { Ok(()) } else { Err(LoaderError::Weights { total }) }
    }

    /// Checks the number of samples and their size.
    fn check_batch(&self) -> Result<(), LoaderError> {
        let quotas = || self.streams.iter().map(|source| source.samples_per_batch);
        let (least, most) = match (self.sampling, quotas().min().zip(quotas().max())) {
            (Sampling::Drawn { batch, .. }, _) => (batch, batch),
            (Sampling::Quotas, found) => found.unwrap_or_default(),
        };
        let (rank, ranks) = (self.rank, self.ranks);
        if rank >= ranks {
            return Err(LoaderError::Rank { rank, ranks });
        }
        // An episode needs samples of all its domains, other batches need some samples.
        let samples = if self.roles == Roles::PerStep { least } else { most };
        if samples < ranks {
            return Err(LoaderError::TooFewForRanks { samples, ranks });
        }
        let pixels = u128::from(self.crop_width) * u128::from(self.crop_height);
        if self.crop_width.max(self.crop_height) > MAX_CROP_SIDE
            || pixels * 3 * most as u128 >= MAX_STREAM_BYTES
        {
            let (crop_width, crop_height) = (self.crop_width, self.crop_height);
            return Err(LoaderError::BatchTooLarge { samples: most, crop_width, crop_height });
        }
        Ok(())
    }

    fn check_roles(&self) -> Result<(), LoaderError> {
        match (self.roles, self.strong) {
            (Roles::PerStep, _) if self.streams.len() < 2 => Err(LoaderError::RolesNeedStreams),
            (Roles::PerStep, _) if self.sampling != Sampling::Quotas => {
                Err(LoaderError::RolesNeedQuotas)
            }
            (Roles::None, StrongStream::MetaTest) => Err(LoaderError::StrongNeedsRoles),
            _ => Ok(()),
        }
    }
}
