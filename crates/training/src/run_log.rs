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
    unreadable: Vec<usize>,
    line: PhantomData<L>,
}

impl<L: LogLine> RunLog<L> {
    /// Opens the log at `path` and drops lines after `step`, or all of them if there is none, as a
    /// resumed run writes them anew.
    ///
    /// # Errors
    /// If the log cannot be read or written.
    pub fn open(path: &Path, step: Option<u64>) -> io::Result<Self> {
        let mut unreadable = Vec::new();
        if path.exists() {
            let text = fs::read_to_string(path)?;
            let mut kept = String::new();
            for (number, line) in (1..).zip(text.lines()) {
                match serde_json::from_str::<L>(line) {
                    Ok(parsed) if Some(parsed.step()) <= step => kept.extend([line, "\n"]),
                    Ok(_) => {}
                    Err(_) => unreadable.push(number),
                }
            }
            // A line cut short by a crash is after the checkpoint and goes without a word.
            if !text.ends_with('\n') {
                let last = text.lines().count();
                unreadable.retain(|&number| number < last);
            }
            whole_file::write(path, kept.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, unreadable, line: PhantomData })
    }

    /// Numbers of the lines, from 1, that were dropped because they are none of this log.
    #[must_use]
    pub fn unreadable(&self) -> &[usize] {
        &self.unreadable
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tempfile::TempDir;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Line {
        step: u64,
    }

    impl LogLine for Line {
        fn step(&self) -> u64 {
            self.step
        }
    }

    #[test]
    fn lines_that_are_none_are_dropped_and_told_but_for_one_cut_short_at_the_end() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("some.jsonl");
        let line = |step: u64| format!("{{\"step\":{step}}}\n");
        let [first, second, third] = [1, 2, 3].map(line);
        for (text, unreadable) in [
            (format!("{first}garbage\n{second}{third}{{\"st"), &[2][..]),
            (format!("{first}\n{second}{{\"st\n"), &[2, 4]),
            (format!("{first}{second}{third}"), &[]),
        ] {
            fs::write(&path, &text).unwrap();
            let log = RunLog::<Line>::open(&path, Some(2)).unwrap();
            assert_eq!(log.unreadable(), unreadable, "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{first}{second}"), "{text}");
        }
    }
}
