//! A log of the run and where it lies, for errors.

use std::path::PathBuf;

use super::RunError;
use crate::run_log::{LogLine, RunLog};

pub(super) struct Log<L> {
    path: PathBuf,
    log: RunLog<L>,
}

impl<L: LogLine> Log<L> {
    /// Keeps the lines up to `step`; none of a run that begins.
    pub(super) fn open(path: PathBuf, step: Option<u64>) -> Result<Self, RunError> {
        match RunLog::open(&path, step) {
            Ok(log) => {
                if let lines @ [_, ..] = log.unreadable() {
                    tracing::warn!(
                        "{}: lines {lines:?} are damaged and were dropped: the log has gaps there",
                        path.display()
                    );
                }
                Ok(Self { path, log })
            }
            Err(source) => Err(RunError::File { path, source }),
        }
    }

    pub(super) fn append(&mut self, line: &L) -> Result<(), RunError> {
        let appended = self.log.append(line);
        appended.map_err(|source| RunError::File { path: self.path.clone(), source })
    }
}
