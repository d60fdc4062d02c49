//! The result, as a table and as JSON.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::{AugmentName, FilterName, ModeName};
use crate::scaling::Scaling;
use crate::setup::BATCH;
use crate::stages::Stages;

/// Everything that was measured, and of what.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) shards: PathBuf,
    pub(crate) stored_samples: usize,
    /// Width and height of the first sample.
    pub(crate) frame: [u32; 2],
    pub(crate) crop: u32,
    pub(crate) mode: ModeName,
    pub(crate) augment: AugmentName,
    pub(crate) filter: FilterName,
    pub(crate) seed: u64,
    pub(crate) samples_per_worker: u64,
    pub(crate) stages: Stages,
    /// What one worker costs beyond its stages: queues, the copy into the batch, its memory.
    pub(crate) assembly_ms: f64,
    pub(crate) scaling: Vec<Scaling>,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.frame;
        let name = |value: &dyn fmt::Debug| format!("{value:?}").to_lowercase();
        writeln!(
            out,
            "{}: {} samples of {width}x{height}; crop {}, batch {BATCH}, mode {}, augment {}, {}, seed {}",
            self.shards.display(),
            self.stored_samples,
            self.crop,
            name(&self.mode),
            name(&self.augment),
            name(&self.filter),
            self.seed,
        )?;
        writeln!(out, "\nCPU ms per sample, one thread, mean of {}", self.samples_per_worker)?;
        for stage in self.stages.iter() {
            writeln!(out, "  {:10} {:7.2}", stage.stage, stage.ms)?;
        }
        writeln!(out, "  {:10} {:7.2}", "assembly", self.assembly_ms)?;
        writeln!(out, "  {:10} {:7.2}", "sum", self.stages.sum_ms() + self.assembly_ms)?;
        writeln!(out, "\nworkers   samples/s   CPU ms per sample   efficiency")?;
        for run in &self.scaling {
            writeln!(
                out,
                "{:7}   {:9.1}   {:17.2}   {:9.0}%",
                run.workers,
                run.samples_per_sec,
                run.cpu_ms_per_sample,
                run.efficiency * 100.0
            )?;
        }
        Ok(())
    }
}
