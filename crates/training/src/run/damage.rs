//! Damage on its way to the log.

use loader::{Fault, LoaderStats};

use super::log::Log;
use super::{Observer, RunError};
use crate::loading::LoadingLine;

/// What the loader met and did since the line before.
pub(super) struct Damage {
    counted: LoaderStats,
    faults: Vec<String>,
}

impl Damage {
    pub(super) fn new(stats: LoaderStats) -> Self {
        Self { counted: stats, faults: Vec::new() }
    }

    pub(super) fn meet(&mut self, faults: &[Fault], observer: &mut dyn Observer) {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        observer.damaged(&faults);
        self.faults.extend(faults);
    }

    pub(super) fn is_unlogged(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The next line.
    pub(super) fn line(&mut self, step: u64, stats: LoaderStats) -> LoadingLine {
        let faults = std::mem::take(&mut self.faults);
        let line = LoadingLine::new(step, &stats.since(&self.counted), faults);
        self.counted = stats;
        line
    }

    /// Logs what was met last: before an error, it may be the cause.
    pub(super) fn log_rest(
        mut self,
        step: u64,
        stats: LoaderStats,
        log: &mut Log<LoadingLine>,
    ) -> Result<(), RunError> {
        if self.is_unlogged() { log.append(&self.line(step, stats)) } else { Ok(()) }
    }
}
