//! The result, as a table and as JSON.

use std::fmt;
use std::path::PathBuf;

use loader::Stage;
use serde::Serialize;

use crate::cli::{AugmentName, FilterName, ModeName};
use crate::scaling::Scaling;
use crate::setup::BATCH;
use crate::stages::LevelStages;

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
    /// The best level last.
    pub(crate) stages: Vec<LevelStages>,
    /// What one worker costs beyond its stages at the best level: queues and memory.
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
        self.write_row(out, "", |level| format!("{:>9}", level.level))?;
        for (number, stage) in Stage::ALL.iter().enumerate() {
            let ms = |level: &LevelStages| format!("{:9.2}", level.stages.ms(number));
            self.write_row(out, stage.name(), ms)?;
        }
        self.write_row(out, "assembly", |_| format!("{:9.2}", self.assembly_ms))?;
        let sum = |level: &LevelStages| level.stages.sum_ms() + self.assembly_ms;
        self.write_row(out, "sum", |level| format!("{:9.2}", sum(level)))?;
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

impl Report {
    fn write_row(
        &self,
        out: &mut fmt::Formatter<'_>,
        name: &str,
        cell: impl Fn(&LevelStages) -> String,
    ) -> fmt::Result {
        let cells: String = self.stages.iter().map(cell).collect();
        writeln!(out, "  {name:10}{cells}")
    }
}
