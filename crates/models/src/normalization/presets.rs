//! Named choices of norms and whitening losses, as in the authors' scripts.

use serde::{Deserialize, Serialize};

use crate::normalization::places::{NormKind, NormPlaces};

/// A named choice of norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPreset {
    /// Batch norm alone.
    Batch,
    /// IBN-Net-a: half instance, half batch norm in every block of the first three stages.
    IbnA,
    /// IBN-Net-b: affine instance norm in the stem and after stages 1 and 2 (`0 0 4 4 4 0 0`).
    Ibn,
    /// Instance whitening at the same places (`0 0 1 1 1 0 0`).
    Iw,
    /// The same with a margin.
    Irw,
    /// The same with the sensitive pairs alone (`0 0 2 2 2 0 0`).
    Isw,
    /// Switchable whitening at the same places (`0 0 5 5 5 0 0`).
    Switchable,
}

impl NormPreset {
    /// What stands where.
    #[must_use]
    pub fn places(self) -> NormPlaces {
        let kind = match self {
            Self::Batch | Self::IbnA => NormKind::Batch,
            Self::Ibn => NormKind::InstanceAffine,
            Self::Iw | Self::Irw | Self::Isw => NormKind::InstanceWhitening,
            Self::Switchable => NormKind::Switchable,
        };
        NormPlaces {
            stem: [NormKind::Batch, NormKind::Batch, kind],
            stages: [kind, kind, NormKind::Batch, NormKind::Batch],
            ibn_a: self == Self::IbnA,
        }
    }

    /// The loss of its whitening layers, as the scripts for GTAV have it.
    #[must_use]
    pub fn whitening(self) -> Option<Whitening> {
        let (weight, pairs) = match self {
            Self::Iw => (0.8, WhitenedPairs::All {}),
            Self::Irw => (0.6, WhitenedPairs::Relaxed { relaxation: 64.0 }),
            Self::Isw => (
                0.6,
                WhitenedPairs::Sensitive {
                    // Six epochs (0 to 5) of 743 steps, as a sample of 2975 in batches of 4.
                    statistics_after_steps: 6 * 743,
                    trials: 10,
                    images_per_trial: 500,
                    clusters: 3,
                },
            ),
            Self::Batch | Self::IbnA | Self::Ibn | Self::Switchable => return None,
        };
        Some(Whitening { weight, pairs })
    }
}

/// The whitening loss of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whitening {
    /// Weight in the total loss (`--wt_reg_weight`).
    pub weight: f64,
    /// Which covariances it counts.
    pub pairs: WhitenedPairs,
}

/// Which pairs of channels ought to be uncorrelated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WhitenedPairs {
    /// IW: all. The braces have serde refuse unknown keys here too.
    All {},
    /// IRW: all, less a margin.
    Relaxed {
        /// The margin is the number of pairs divided by this, rounded down (`--relax_denom`).
        relaxation: f64,
    },
    /// ISW: those that a change of colours changes.
    Sensitive {
        /// Steps without the loss, after which the statistics are taken (`--cov_stat_epoch`).
        statistics_after_steps: u64,
        /// Trials over each source, of which a pair must pass all (`--trials`).
        trials: u64,
        /// Images of each trial.
        images_per_trial: u64,
        /// Clusters of the variances; the lowest is not sensitive (`--clusters`).
        clusters: usize,
    },
}

/// What is wrong with a whitening loss.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WhiteningError {
    /// A value outside its range.
    #[error("{key}: found {found}, expected {expected}")]
    Range {
        /// The key below the table of this loss.
        key: &'static str,
        /// Its value.
        found: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// There is nothing to whiten.
    #[error(
        "weight: found a whitening loss, expected none; hint: the network has no place with \
             \"instance-whitening\""
    )]
    NothingToWhiten,
}

impl Whitening {
    /// What [`CovarianceMask::all_pairs`](super::whitening_loss::CovarianceMask::all_pairs) forgives
    /// with: 0 but for IRW.
    #[must_use]
    pub fn relaxation(&self) -> f64 {
        match self.pairs {
            WhitenedPairs::Relaxed { relaxation } => relaxation,
            WhitenedPairs::All {} | WhitenedPairs::Sensitive { .. } => 0.0,
        }
    }

    /// Steps without the loss, after which the statistics are taken that choose its pairs: ISW's.
    #[must_use]
    pub fn statistics_after_steps(&self) -> Option<u64> {
        match self.pairs {
            WhitenedPairs::Sensitive { statistics_after_steps, .. } => Some(statistics_after_steps),
            WhitenedPairs::All {} | WhitenedPairs::Relaxed { .. } => None,
        }
    }

    /// Whether a run of a network with `places` can have this loss.
    ///
    /// # Errors
    /// The first key that is out of range, or that the network has no whitening layer.
    pub fn check(&self, places: &NormPlaces) -> Result<(), WhiteningError> {
        let positive = "a number above 0";
        let ranges = match self.pairs {
            WhitenedPairs::All {} => vec![],
            WhitenedPairs::Relaxed { relaxation } => {
                vec![("pairs.relaxation", relaxation, relaxation > 0.0, positive)]
            }
            WhitenedPairs::Sensitive { trials, images_per_trial, clusters, .. } => vec![
                ("pairs.trials", trials as f64, trials > 0, "at least 1"),
                (
                    "pairs.images_per_trial",
                    images_per_trial as f64,
                    images_per_trial > 0,
                    "at least 1",
                ),
                ("pairs.clusters", clusters as f64, clusters > 1, "at least 2"),
            ],
        };
        let weight = ("weight", self.weight, self.weight >= 0.0, "a number of at least 0");
        for (key, found, allowed, expected) in [weight].into_iter().chain(ranges) {
            if !allowed || !found.is_finite() {
                return Err(WhiteningError::Range { key, found, expected });
            }
        }
        match places.whitening_layers() {
            0 => Err(WhiteningError::NothingToWhiten),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [NormPreset; 7] = [
        NormPreset::Batch,
        NormPreset::IbnA,
        NormPreset::Ibn,
        NormPreset::Iw,
        NormPreset::Irw,
        NormPreset::Isw,
        NormPreset::Switchable,
    ];

    #[test]
    fn every_preset_with_a_loss_passes_its_own_check() {
        for preset in ALL {
            let places = preset.places();
            match preset.whitening() {
                Some(whitening) => assert_eq!(whitening.check(&places), Ok(()), "{preset:?}"),
                None => assert_eq!(places.whitening_layers(), 0, "{preset:?}"),
            }
        }
    }

    #[test]
    fn presets_put_norms_where_the_scripts_do() {
        // `--wt_layer` of `train_r50os16_gtav_*.sh`, whose 1 and 2 differ in their loss alone.
        let kinds = [
            NormKind::Batch,
            NormKind::InstanceWhitening,
            NormKind::InstanceWhitening,
            NormKind::Instance,
            NormKind::InstanceAffine,
            NormKind::Switchable,
        ];
        let scripts = [0, 0, 4, 1, 1, 2, 5];
        for (preset, digit) in ALL.into_iter().zip(scripts) {
            let places = preset.places();
            let digits = [0, 0, digit, digit, digit, 0, 0];
            let found = [places.stem.as_slice(), &places.stages].concat();
            assert_eq!(found, digits.map(|digit: usize| kinds[digit]), "{preset:?}");
            assert_eq!(places.ibn_a, preset == NormPreset::IbnA);
        }
    }

    #[test]
    fn a_value_that_no_run_can_have_is_refused_by_its_key() {
        let places = NormPreset::Isw.places();
        let refused = |weight: f64, pairs: WhitenedPairs| {
            Whitening { weight, pairs }.check(&places).unwrap_err().to_string()
        };
        assert!(refused(f64::NAN, WhitenedPairs::All {}).starts_with("weight: found NaN"));
        assert!(refused(-0.1, WhitenedPairs::All {}).starts_with("weight: found -0.1"));
        let relaxed = WhitenedPairs::Relaxed { relaxation: 0.0 };
        assert!(refused(1.0, relaxed).starts_with("pairs.relaxation: found 0"));
        let one_cluster = WhitenedPairs::Sensitive {
            statistics_after_steps: 0,
            trials: 1,
            images_per_trial: 1,
            clusters: 1,
        };
        assert!(refused(1.0, one_cluster).starts_with("pairs.clusters: found 1"));
        let nothing = Whitening { weight: 1.0, pairs: WhitenedPairs::All {} };
        let error = nothing.check(&NormPreset::Ibn.places()).unwrap_err();
        assert_eq!(error, WhiteningError::NothingToWhiten);
    }
}
