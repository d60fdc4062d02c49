//! The journal of a run: what a run that was cut off has finished, so that the next one goes on.
//!
//! It lies beside the shards, is locked as long as a packer works there, and is gone when the
//! dataset is complete. Its first line is the run's fingerprint; each further line is a finished
//! shard with what its pairs gave. Lines are synced one by one, so that only the last one can be
//! torn.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shard_format::ShardEntry;
use tracing::warn;

use super::findings::{Findings, PackedImage};
use super::fingerprint::Fingerprint;
use crate::json_file::{FileError, sync_folder};

/// Name of the journal in the folder of the shards.
pub(crate) const JOURNAL_FILE: &str = ".pack-journal.jsonl";

/// A shard that is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FinishedShard {
    pub(crate) shard: ShardEntry,
    /// Pairs of the run that are done with this shard and those before it.
    pub(crate) pairs: u64,
    /// Its images, by their files' BLAKE3.
    pub(crate) images: BTreeMap<String, PackedImage>,
    /// What the pairs since the shard before it gave.
    pub(crate) findings: Findings,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    fingerprint: Fingerprint,
}

/// Why a run cannot keep its journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process is at work.
    #[error(
        "{}: another process packs into this folder, expected to be alone; hint: wait for it, or \
         choose another --out",
        dir.display()
    )]
    Busy {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds what another run has left.
    #[error(
        "{}: holds an unfinished run that differs in {}, expected the same; hint: run it again as \
         it was to finish it, or delete the folder",
        dir.display(), differences.join(", ")
    )]
    OtherRun {
        /// The folder.
        dir: PathBuf,
        /// What differs, in words.
        differences: Vec<String>,
    },
    /// The folder holds what a run has left that found other times of modification.
    #[error(
        "{}: holds an unfinished run whose source files had other times of modification, expected \
         the same; hint: names and sizes are the same and the content may be, too: if the files \
         were merely copied or touched, give them their old times back (cp -p and rsync -t keep \
         them), else delete the folder to pack anew",
        dir.display()
    )]
    OtherTimes {
        /// The folder.
        dir: PathBuf,
    },
    /// The journal was altered.
    #[error(
        "{}: line {line} is no record of a shard ({source}); hint: delete the folder to pack anew",
        path.display()
    )]
    Altered {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the JSON reader found.
        source: serde_json::Error,
    },
}

/// The journal of a run that is going on; the lock ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    /// Where each complete line ends, the first one included.
    ends: Vec<u64>,
}

/// A run that begins or goes on.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) journal: Journal,
    /// Whether there was a journal of this run.
    pub(crate) resumed: bool,
    /// What it had finished.
    pub(crate) shards: Vec<FinishedShard>,
}

impl Journal {
    /// Begins or goes on with a run in `dir`, which is created if need be.
    ///
    /// # Errors
    /// Another process packs there, another run was left unfinished there, the journal was
    /// altered, or the file system refuses.
    pub(crate) fn begin(dir: &Path, fingerprint: &Fingerprint) -> Result<Begun, JournalError> {
        let path = dir.join(JOURNAL_FILE);
        let io_error = |action| {
            let path = path.clone();
            move |source| JournalError::File(FileError::Io { path, action, source })
        };
        fs::create_dir_all(dir).map_err(io_error("create the folder of the journal"))?;
        let mut file = locked(dir, &path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io_error("read the journal"))?;
        let (header, shards, ends) = parse(&path, &text)?;
        let mut journal = Self { dir: dir.into(), path: path.clone(), file, ends };
        let resumed = header.is_some();
        match header {
            Some(there) => {
                if there.fingerprint.differs_in_times_alone(fingerprint) {
                    return Err(JournalError::OtherTimes { dir: dir.into() });
                }
                let differences = there.fingerprint.differences(fingerprint);
                if !differences.is_empty() {
                    return Err(JournalError::OtherRun { dir: dir.into(), differences });
                }
                journal.keep_shards(shards.len())?;
            }
            None => {
                journal.file.set_len(0).map_err(io_error("cut the journal"))?;
                journal.append(&Header { fingerprint: fingerprint.clone() })?;
                sync_folder(dir)?;
            }
        }
        Ok(Begun { journal, resumed, shards })
    }

    /// Whether a run was begun in `dir` and not finished.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(JOURNAL_FILE).exists()
    }

    /// Forgets all shards but the first so many, and a torn line.
    pub(crate) fn keep_shards(&mut self, shards: usize) -> Result<(), JournalError> {
        self.ends.truncate(shards + 1);
        let end = self.ends.last().copied().unwrap_or(0);
        self.file.set_len(end).map_err(|source| self.io_error("cut the journal", source))
    }

    /// Notes a finished shard, durably.
    pub(crate) fn add(&mut self, shard: &FinishedShard) -> Result<(), JournalError> {
        self.append(shard)
    }

    /// The run is over: removes the journal.
    pub(crate) fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path)
            .map_err(|source| self.io_error("remove the journal", source))?;
        Ok(sync_folder(&self.dir)?)
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), JournalError> {
        let mut append = || {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            // The file was opened for appending.
            self.file.write_all(&text)?;
            self.file.sync_data()?;
            Ok(text.len() as u64)
        };
        let length = append().map_err(|source| self.io_error("write the journal", source))?;
        self.ends.push(self.ends.last().copied().unwrap_or(0) + length);
        Ok(())
    }

    fn io_error(&self, action: &'static str, source: io::Error) -> JournalError {
        FileError::Io { path: self.path.clone(), action, source }.into()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Closing alone keeps the lock where a child process has inherited the file; and if it
        // cannot be unlocked, it is closed all the same.
        drop(self.file.unlock());
    }
}

/// Opens the journal and locks it.
fn locked(dir: &Path, path: &Path) -> Result<File, JournalError> {
    let io_error =
        |action, source| JournalError::File(FileError::Io { path: path.into(), action, source });
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = file.map_err(|source| io_error("open the journal", source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy { dir: dir.into() }),
            Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Unsupported => {
                warn!("{}: this file system has no locks; do not pack here twice", dir.display());
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock the journal", source)),
        }
        // The one who held the lock before may have removed the file.
        if is_at(&file, path).map_err(|source| io_error("look at the journal", source))? {
            return Ok(file);
        }
    }
}

/// Whether `path` still names the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

type Parsed = (Option<Header>, Vec<FinishedShard>, Vec<u64>);

/// The journal's lines and where each ends; a torn last line counts for nothing.
fn parse(path: &Path, text: &[u8]) -> Result<Parsed, JournalError> {
    let (mut header, mut shards, mut ends) = (None, Vec::new(), Vec::new());
    let mut end = 0;
    for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        end += line.len();
        let read = if index == 0 {
            serde_json::from_slice(line).map(|first| header = Some(first))
        } else {
            serde_json::from_slice(line).map(|shard| shards.push(shard))
        };
        match read {
            Ok(()) if line.ends_with(b"\n") => ends.push(end as u64),
            // Whole, but for the end of the line: it may be torn all the same.
            Ok(()) if index == 0 => header = None,
            Ok(()) => _ = shards.pop(),
            Err(_) if end == text.len() => {}
            Err(source) => {
                return Err(JournalError::Altered { path: path.into(), line: index + 1, source });
            }
        }
    }
    Ok((header, shards, ends))
}

#[cfg(test)]
mod tests {
    use shard_format::{FORMAT_VERSION, Preset};

    use super::*;

    fn fingerprint() -> Fingerprint {
        Fingerprint {
            packer: "1".into(),
            format_version: FORMAT_VERSION,
            dataset: "toy".into(),
            split: "train".into(),
            mapping: "toy/1".into(),
            manifest: "m".into(),
            domain: "toy".into(),
            preset: Preset::Default,
            max_shard_bytes: 1 << 20,
            part: None,
            files: "f".into(),
            times: "t".into(),
        }
    }

    fn shard(number: u64) -> FinishedShard {
        FinishedShard {
            shard: ShardEntry {
                file: format!("toy-{number:05}.shard"),
                bytes: 64,
                blake3: "b".into(),
                samples: 1,
            },
            pairs: number + 1,
            images: BTreeMap::new(),
            findings: Findings::default(),
        }
    }

    fn error(result: Result<Begun, JournalError>, dir: &Path) -> String {
        result.unwrap_err().to_string().replace(&dir.display().to_string(), "OUT")
    }

    #[test]
    fn whatever_is_torn_off_the_end_the_whole_lines_before_it_count() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let mut begun = Journal::begin(dir, &fingerprint()).unwrap();
        assert!(!begun.resumed);
        begun.journal.add(&shard(0)).unwrap();
        begun.journal.add(&shard(1)).unwrap();
        drop(begun);
        let text = fs::read(dir.join(JOURNAL_FILE)).unwrap();
        let line_ends: Vec<usize> =
            (1..=text.len()).filter(|&end| text[end - 1] == b'\n').collect();
        assert_eq!(line_ends.len(), 3);
        let near_an_end = |length: &usize| line_ends.iter().any(|end| length.abs_diff(*end) < 3);
        let lengths = (0..=text.len()).filter(|length| length % 29 == 0 || near_an_end(length));
        for length in lengths {
            fs::write(dir.join(JOURNAL_FILE), &text[..length]).unwrap();
            let lines = line_ends.iter().filter(|&&end| end <= length).count();
            let mut begun = Journal::begin(dir, &fingerprint()).unwrap();
            assert_eq!(begun.resumed, lines > 0, "{length} bytes");
            assert_eq!(
                begun.shards,
                (0..2).map(shard).take(lines.saturating_sub(1)).collect::<Vec<_>>()
            );
            // What is written next does not stand behind the torn line.
            for number in begun.shards.len() as u64..2 {
                begun.journal.add(&shard(number)).unwrap();
            }
            assert_eq!(fs::read(dir.join(JOURNAL_FILE)).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_takes_one_packer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let begun = Journal::begin(dir, &fingerprint()).unwrap();
        insta::assert_snapshot!(
            error(Journal::begin(dir, &fingerprint()), dir),
            @"OUT: another process packs into this folder, expected to be alone; hint: wait for it, or choose another --out"
        );
        drop(begun);
        assert!(Journal::begin(dir, &fingerprint()).unwrap().resumed);
    }

    #[test]
    fn a_run_that_differs_is_refused_and_told_in_what() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        drop(Journal::begin(dir, &fingerprint()).unwrap());
        let other = Fingerprint {
            preset: Preset::Fast,
            part: Some("2/3".parse().unwrap()),
            times: "u".into(),
            ..fingerprint()
        };
        insta::assert_snapshot!(error(Journal::begin(dir, &other), dir), @"OUT: holds an unfinished run that differs in preset (default there, fast now), part (none there, 2/3 now), times of the dataset's files, expected the same; hint: run it again as it was to finish it, or delete the folder");
        let other = Fingerprint { files: "g".into(), manifest: "n".into(), ..fingerprint() };
        insta::assert_snapshot!(error(Journal::begin(dir, &other), dir), @"OUT: holds an unfinished run that differs in content of the manifest or its list, names or sizes of the dataset's files, expected the same; hint: run it again as it was to finish it, or delete the folder");
    }

    #[test]
    fn where_only_times_differ_the_hint_says_that_the_content_need_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        drop(Journal::begin(dir, &fingerprint()).unwrap());
        let touched = Fingerprint { times: "u".into(), ..fingerprint() };
        insta::assert_snapshot!(error(Journal::begin(dir, &touched), dir), @"OUT: holds an unfinished run whose source files had other times of modification, expected the same; hint: names and sizes are the same and the content may be, too: if the files were merely copied or touched, give them their old times back (cp -p and rsync -t keep them), else delete the folder to pack anew");
    }

    #[test]
    fn an_altered_line_before_the_last_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let mut begun = Journal::begin(dir, &fingerprint()).unwrap();
        begun.journal.add(&shard(0)).unwrap();
        begun.journal.add(&shard(1)).unwrap();
        drop(begun);
        let path = dir.join(JOURNAL_FILE);
        let text = fs::read_to_string(&path).unwrap().replacen("\"pairs\":1", "\"pears\":1", 1);
        fs::write(&path, text).unwrap();
        insta::assert_snapshot!(error(Journal::begin(dir, &fingerprint()), dir), @"OUT/.pack-journal.jsonl: line 2 is no record of a shard (missing field `pairs` at line 1 column 218); hint: delete the folder to pack anew");
    }
}
