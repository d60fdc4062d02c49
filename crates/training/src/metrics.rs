//! `metrics.jsonl`: one JSON object per logged step.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use burn::tensor::Tensor;
use evaluation::report::Curve;
use serde::{Deserialize, Deserializer, Serialize};

use crate::run_log::LogLine;
use crate::step::{PassReport, StepReport};

/// Name of the log in a run folder.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// One line of the log. Everything in it is a function of the recipe and the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsLine {
    /// Steps taken, this one included.
    pub step: u64,
    /// Outer rate of this step.
    pub learning_rate: f64,
    /// Inner rate of this step; absent in an aggregated step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_rate: Option<f64>,
    /// Domains of the inner pass.
    pub meta_train: Vec<String>,
    /// Domains of the outer pass; none in an aggregated step.
    pub meta_test: Vec<String>,
    /// Losses of the inner, or only, pass.
    #[serde(deserialize_with = "nan_for_null")]
    pub inner: BTreeMap<String, f64>,
    /// Losses of the outer pass.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nan_for_null"
    )]
    pub outer: BTreeMap<String, f64>,
    /// Global norm of the inner gradient.
    pub inner_gradient_norm: f64,
    /// Global norm of the outer gradient, second-order term included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer_gradient_norm: Option<f64>,
    /// Global norm of the second-order term `alpha H g'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_order_norm: Option<f64>,
    /// Batches since the line before in which a loss over pixels found none that counts, of the
    /// inner and the outer passes of every step, logged or not.
    #[serde(default)]
    pub empty_batches: u64,
    /// Pairs of channels that ISW whitens, for each layer; none before their statistics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitive_pairs: Vec<usize>,
}

impl MetricsLine {
    /// Reads a step's report from the device, in one transfer; empty batches of the steps before
    /// are not in it.
    ///
    /// # Panics
    /// If the device fails while it computes the step.
    #[must_use]
    pub fn new(step: u64, rates: [f64; 2], report: &StepReport) -> Self {
        let mut tensors = Vec::new();
        let mut push = |tensor: &Tensor<1>| {
            tensors.push(tensor.clone());
        };
        let passes = [Some(&report.inner), report.outer.as_ref()];
        for pass in passes.iter().flatten() {
            pass.losses.iter().for_each(|(_, tensor)| push(tensor));
            pass.gradient_norm.iter().for_each(&mut push);
        }
        report.second_order_norm.iter().for_each(&mut push);
        let values: Vec<f32> =
            Tensor::cat(tensors, 0).try_into_vec_as().expect("the device computes the losses");
        let mut values = values.into_iter().map(f64::from);
        let mut take = |pass: &PassReport| {
            let losses: BTreeMap<String, f64> = pass
                .losses
                .iter()
                .map(|(name, _)| ((*name).to_owned(), values.next().unwrap_or(f64::NAN)))
                .collect();
            let norm = pass.gradient_norm.as_ref().and_then(|_| values.next());
            (losses, norm)
        };
        let (inner, inner_norm) = take(&report.inner);
        let (outer, outer_gradient_norm) = report.outer.as_ref().map(&mut take).unwrap_or_default();
        let second_order_norm = report.second_order_norm.as_ref().and_then(|_| values.next());
        Self {
            step,
            learning_rate: rates[0],
            inner_rate: report.outer.is_some().then_some(rates[1]),
            meta_train: Vec::new(),
            meta_test: Vec::new(),
            inner,
            outer,
            inner_gradient_norm: inner_norm.unwrap_or(f64::NAN),
            outer_gradient_norm,
            second_order_norm,
            empty_batches: report.empty_batches(),
            sensitive_pairs: Vec::new(),
        }
    }

    /// The first value that is not finite, less the losses of the inner and of the outer pass that
    /// are `excused`, by name.
    #[must_use]
    pub fn not_finite(&self, excused: [&[&str]; 2]) -> Option<(String, f64)> {
        let passes = [("inner", &self.inner), ("outer", &self.outer)];
        let losses = passes.into_iter().zip(excused).flat_map(|((pass, losses), excused)| {
            let counting = losses.iter().filter(|(name, _)| !excused.contains(&name.as_str()));
            counting.map(move |(name, value)| (format!("the {pass} {name} loss"), *value))
        });
        let mut all: Vec<_> = losses.collect();
        all.push(("the inner gradient norm".to_owned(), self.inner_gradient_norm));
        all.extend(
            self.outer_gradient_norm.map(|norm| ("the outer gradient norm".to_owned(), norm)),
        );
        all.into_iter().find(|(_, value)| !value.is_finite())
    }
}

impl LogLine for MetricsLine {
    fn step(&self) -> u64 {
        self.step
    }
}

/// JSON has no NaN: it is written as null.
fn nan_for_null<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let losses = BTreeMap::<String, Option<f64>>::deserialize(from)?;
    Ok(losses.into_iter().map(|(name, loss)| (name, loss.unwrap_or(f64::NAN))).collect())
}

/// Curves of a run's log, for a report.
///
/// # Errors
/// If the log cannot be read.
pub fn curves(run_dir: &Path) -> io::Result<Vec<Curve>> {
    let text = fs::read_to_string(run_dir.join(METRICS_FILE))?;
    let lines: Vec<MetricsLine> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let curve = |name: &str, log_scale, value: &dyn Fn(&MetricsLine) -> Option<f64>| Curve {
        name: name.to_owned(),
        log_scale,
        points: lines.iter().filter_map(|line| Some((line.step as f64, value(line)?))).collect(),
    };
    let curves = [
        curve("segmentation loss (sources)", false, &|l| l.inner.get("segmentation").copied()),
        curve("segmentation loss (meta-test)", false, &|l| l.outer.get("segmentation").copied()),
        curve("feature cohesion loss", false, &|l| l.inner.get("cohesion").copied()),
        curve("memory divergence loss", false, &|l| l.inner.get("divergence").copied()),
        curve("instance whitening loss", false, &|l| l.inner.get("whitening").copied()),
        curve("inner gradient norm", true, &|l| Some(l.inner_gradient_norm)),
        curve("outer gradient norm", true, &|l| l.outer_gradient_norm),
        curve("second-order term norm", true, &|l| l.second_order_norm),
    ];
    Ok(curves.into_iter().filter(|curve| !curve.points.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_not_a_number_survives_the_log_and_is_excused_only_where_allowed() {
        let text = r#"{"step":1,"learning_rate":0.1,"meta_train":["a"],"meta_test":[],
            "inner":{"segmentation":null},"inner_gradient_norm":2.0,"empty_batches":3}"#;
        let line: MetricsLine = serde_json::from_str(text).unwrap();
        assert!(line.inner["segmentation"].is_nan());
        let again = serde_json::to_string(&line).unwrap();
        assert!(again.contains(r#""segmentation":null"#), "{again}");
        assert!(line.not_finite([&[]; 2]).is_some());
        assert!(line.not_finite([&[], &["segmentation"]]).is_some(), "of the other pass");
        assert!(line.not_finite([&["auxiliary", "total"], &[]]).is_some(), "another loss");
        assert!(line.not_finite([&["segmentation"], &[]]).is_none());
        let diverged = MetricsLine { inner_gradient_norm: f64::INFINITY, ..line };
        assert!(
            diverged.not_finite([&["segmentation"], &[]]).is_some(),
            "a gradient is never excused"
        );
    }
}
