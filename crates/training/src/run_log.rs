//! A log of a run: one JSON object per line, each of a step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A line of a log.
pub trait LogLine: Serialize + DeserializeOwned {
    /// Steps taken when it was written.
    fn step(&self) -> u64;
}

/// Appends lines to a log.
#[derive(Debug)]
pub struct RunLog<L> {
    file: File,
    line: PhantomData<L>,
}

impl<L: LogLine> RunLog<L> {
    /// Opens the log at `path` and drops lines after `step`, or all of them if there is none, as a
    /// resumed run writes them anew.
    ///
    /// # Errors
    /// If the log cannot be read or written.
    pub fn open(path: &Path, step: Option<u64>) -> io::Result<Self> {
        if path.exists() {
            let kept: String = fs::read_to_string(path)?
                .lines()
                .filter(|line| {
                    // A line cut short by a crash is after the checkpoint and goes too.
                    serde_json::from_str::<L>(line).is_ok_and(|line| Some(line.step()) <= step)
                })
                .map(|line| format!("{line}\n"))
                .collect();
            whole_file::write(path, kept.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, line: PhantomData })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append(&mut self, line: &L) -> io::Result<()> {
        let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())
    }
}
