//! `[model.isw]`: when and from what ISW's covariance statistics are taken, and its loss.

use models::normalization::presets::{NormPreset, WhitenedPairs, Whitening};
use serde::{Deserialize, Serialize};

use super::check::Finding;
use super::{LARGE, Recipe};

/// ISW: selective instance whitening (Choi et al., CVPR 2021).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IswRecipe {
    /// Steps without the loss, after which the statistics are taken; 4458 in the reference.
    pub statistics_after_steps: u64,
    /// Trials over each source, all of which must find a pair sensitive; 10.
    pub trials: u64,
    /// Most images of a source in a trial; 500.
    pub images_per_trial: u64,
    /// Clusters of the variances, of which the lowest is not sensitive; 3.
    pub clusters: usize,
    /// Weight of the loss; 0.6.
    pub weight: f64,
}

impl IswRecipe {
    /// What the authors' scripts for GTAV have.
    #[must_use]
    pub(super) fn reference() -> Self {
        match NormPreset::Isw.whitening() {
            Some(Whitening {
                weight,
                pairs:
                    WhitenedPairs::Sensitive {
                        statistics_after_steps,
                        trials,
                        images_per_trial,
                        clusters,
                    },
            }) => Self { statistics_after_steps, trials, images_per_trial, clusters, weight },
            other => unreachable!("ISW counts sensitive pairs, not {other:?}"),
        }
    }

    /// As the network has it.
    pub(super) fn whitening(self) -> Whitening {
        let Self { statistics_after_steps, trials, images_per_trial, clusters, weight } = self;
        let pairs =
            WhitenedPairs::Sensitive { statistics_after_steps, trials, images_per_trial, clusters };
        Whitening { weight, pairs }
    }
}

/// What no run can have of these keys.
pub(super) fn wrong(recipe: &Recipe) -> Finding {
    let is_isw = recipe.model.normalization == NormPreset::Isw;
    let finding = |key: &str, found: String, expected: String| {
        Some((format!("model.isw{key}"), found, expected))
    };
    let isw = match (&recipe.model.isw, is_isw) {
        (Some(isw), true) => isw,
        (None, false) => return None,
        (Some(_), false) => {
            let expected = "none where model.normalization is not \"isw\"";
            return finding("", "a table".to_owned(), expected.to_owned());
        }
        (None, true) => return finding("", "missing".to_owned(), "a table".to_owned()),
    };
    let counts = [
        (".trials", isw.trials, 1..=1000),
        (".images_per_trial", isw.images_per_trial, 1..=1_000_000),
        (".clusters", isw.clusters as u64, 2..=1000),
    ];
    if let Some((key, value, range)) =
        counts.into_iter().find(|(_, value, range)| !range.contains(value))
    {
        return finding(key, value.to_string(), format!("{} to {}", range.start(), range.end()));
    }
    if !(0.0..=LARGE).contains(&isw.weight) {
        return finding(".weight", isw.weight.to_string(), format!("0 to {LARGE}"));
    }
    if isw.statistics_after_steps >= recipe.steps {
        let found = isw.statistics_after_steps.to_string();
        let expected = format!("fewer than the run's {} steps", recipe.steps);
        return finding(".statistics_after_steps", found, expected);
    }
    None
}
