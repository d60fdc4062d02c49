//! CPU time of every stage, in one thread.

use anyhow::Result;
use loader::{Level, Stage};
use serde::Serialize;

use crate::cpu_time;
use crate::scaling::Samples;
use crate::setup::Setup;

/// CPU milliseconds per sample of each stage, in the order of [`Stage::ALL`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Stages(Vec<StageTime>);

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StageTime {
    pub(crate) stage: &'static str,
    pub(crate) ms: f64,
}

/// The stages with the vector instructions of one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LevelStages {
    pub(crate) level: String,
    pub(crate) stages: Stages,
}

impl Stages {
    pub(crate) fn at(self, level: Level) -> LevelStages {
        LevelStages { level: format!("{level:?}").to_lowercase(), stages: self }
    }

    /// Of stage number `stage`.
    pub(crate) fn ms(&self, stage: usize) -> f64 {
        self.0[stage].ms
    }

    pub(crate) fn sum_ms(&self) -> f64 {
        self.0.iter().map(|stage| stage.ms).sum()
    }
}

/// Renders the samples of a loader's run again, with the same draws, in this thread.
pub(crate) fn measure(setup: &Setup, level: Level, samples: &Samples) -> Result<Stages> {
    let dataset = setup.open()?;
    let mut renderer = setup.renderer().with_level(level);
    let (mut planes, mut labels) = setup.buffers();
    let mut secs = [0.0; Stage::ALL.len()];
    let reading = cpu_time::of_reading()?;
    for (number, rendered) in samples.all.iter().enumerate() {
        let is_measured = number >= samples.unmeasured;
        let mut clock = Ok(cpu_time::of_this_thread()?);
        let mut on_stage = |stage: Stage| {
            let now = cpu_time::of_this_thread();
            if let (Ok(last), Ok(now), true) = (&clock, &now, is_measured) {
                secs[stage as usize] += now - last - reading;
            }
            clock = now;
        };
        let buffers = (planes.as_mut_slice(), labels.as_mut_slice());
        setup.render(&mut renderer, &dataset, *rendered, buffers, &mut on_stage)?;
        clock?;
    }
    let measured = (samples.all.len() - samples.unmeasured) as f64;
    let times = Stage::ALL
        .iter()
        .map(|stage| StageTime { stage: stage.name(), ms: secs[*stage as usize] / measured * 1e3 });
    Ok(Stages(times.collect()))
}
