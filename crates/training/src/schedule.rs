//! Learning rates as functions of the step.

use serde::{Deserialize, Serialize};

/// How the rate falls over the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// `rate exp(-gamma step / steps)`; the reference has gamma 9 over 120000 steps.
    Exponential {
        /// Decay over all `steps`.
        gamma: f64,
        /// Steps over which the rate falls by `exp(-gamma)`.
        steps: u64,
    },
    /// `rate (1 - step / steps)^power`, 0 from `steps` on.
    Poly {
        /// Exponent; 0.9 in most work.
        power: f64,
        /// Steps after which the rate is 0.
        steps: u64,
    },
    /// The same rate at every step. Not a unit, which would take any key and drop it.
    Constant {},
}

impl Decay {
    /// Factor at `step`.
    #[must_use]
    pub fn factor(self, step: u64) -> f64 {
        match self {
            Self::Exponential { gamma, steps } => (-gamma * step as f64 / steps as f64).exp(),
            Self::Poly { power, steps } => (1.0 - step as f64 / steps as f64).max(0.0).powf(power),
            Self::Constant {} => 1.0,
        }
    }
}

/// Outer and inner rate of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Outer rate at the start, beta; 0.01 in the reference.
    pub learning_rate: f64,
    /// How it falls.
    pub decay: Decay,
    /// Steps over which the outer rate grows linearly from 0; 0 in the reference.
    pub warmup_steps: u64,
    /// Inner rate per outer rate, alpha / beta; 1/4 in the paper.
    pub inner_ratio: f64,
    /// Steps over which the inner rate grows linearly from 0. Exact second order from random
    /// weights is unstable in its first steps without it.
    pub inner_warmup_steps: u64,
    /// Inner rate of the very first step, where it is not that of the ratio; 0.001 in the released
    /// code, which derives the rate from the outer one after its first step only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_inner_rate: Option<f64>,
}

impl Schedule {
    /// Outer rate at `step`.
    #[must_use]
    pub fn outer(&self, step: u64) -> f64 {
        self.learning_rate * self.decay.factor(step) * ramp(step, self.warmup_steps)
    }

    /// Inner rate at `step`.
    #[must_use]
    pub fn inner(&self, step: u64) -> f64 {
        match self.first_inner_rate {
            Some(rate) if step == 0 => rate,
            _ => self.outer(step) * self.inner_ratio * ramp(step, self.inner_warmup_steps),
        }
    }
}

fn ramp(step: u64, warmup_steps: u64) -> f64 {
    if step < warmup_steps { (step + 1) as f64 / warmup_steps as f64 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_references_schedule_gives_its_first_rates() {
        let schedule = Schedule {
            learning_rate: 0.01,
            decay: Decay::Exponential { gamma: 9.0, steps: 120_000 },
            warmup_steps: 0,
            inner_ratio: 0.25,
            inner_warmup_steps: 0,
            first_inner_rate: Some(0.001),
        };
        // `--inner_lr`, which no script sets, and then the reference's `next_inner_lr`.
        assert_eq!(schedule.inner(0), 0.001);
        assert!((schedule.outer(1) - 0.009_999_250_028_124_297).abs() < 1e-17);
        assert!((schedule.inner(1) - 0.002_499_812_507_031_074_4).abs() < 1e-17);
    }

    #[test]
    fn a_warm_up_of_n_steps_reaches_the_full_rate_at_step_n() {
        let schedule = Schedule {
            learning_rate: 1.0,
            decay: Decay::Constant {},
            warmup_steps: 4,
            inner_ratio: 0.5,
            inner_warmup_steps: 2,
            first_inner_rate: None,
        };
        let outer: Vec<f64> = (0..5).map(|step| schedule.outer(step)).collect();
        assert_eq!(outer, [0.25, 0.5, 0.75, 1.0, 1.0]);
        // Half the outer rate, and half of that in the first of two steps.
        let inner: Vec<f64> = (0..5).map(|step| schedule.inner(step)).collect();
        assert_eq!(inner, [0.0625, 0.25, 0.375, 0.5, 0.5]);
    }
}
