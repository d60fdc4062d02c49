//! A dataset in memory, whose files can be altered and whose reads are counted.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use shard_format::{Dataset, ReadError, ShardFile, Storage};

/// The files of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<String, Arc<Vec<u8>>>,
    /// Whether shards are lent as a map lends them, or read piece by piece.
    pub(crate) mapped: bool,
    /// What was announced and read, in order.
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    /// Whether shards refuse to be read, those already open too.
    pub(crate) fails: Arc<AtomicBool>,
}

/// A call of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Prefetch(Vec<Range<u64>>),
    Read(Range<u64>),
}

impl Memory {
    pub(crate) fn new(mapped: bool) -> Self {
        Self { files: BTreeMap::new(), mapped, calls: Arc::default(), fails: Arc::default() }
    }

    /// The files of the folder `dir`.
    pub(crate) fn load(dir: &Path, mapped: bool) -> Self {
        let mut memory = Self::new(mapped);
        for file in std::fs::read_dir(dir).expect("a folder") {
            let file = file.expect("a file");
            let bytes = std::fs::read(file.path()).expect("a readable file");
            memory.put(&file.file_name().to_string_lossy(), bytes);
        }
        memory
    }

    pub(crate) fn put(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), Arc::new(bytes));
    }

    pub(crate) fn open_dataset(&self) -> Result<Dataset, ReadError> {
        Dataset::open_in(Arc::new(self.clone()))
    }

    fn get(&self, file: &str) -> io::Result<Arc<Vec<u8>>> {
        self.files.get(file).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Storage for Memory {
    fn location(&self, file: &str) -> PathBuf {
        Path::new("memory").join(file)
    }

    fn read(&self, file: &str, _: u64) -> io::Result<Vec<u8>> {
        Ok(self.get(file)?.to_vec())
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn ShardFile>> {
        let (bytes, mapped) = (self.get(file)?, self.mapped);
        let (calls, fails) = (Arc::clone(&self.calls), Arc::clone(&self.fails));
        Ok(Box::new(MemoryFile { bytes, mapped, calls, fails }))
    }
}

#[derive(Debug)]
struct MemoryFile {
    bytes: Arc<Vec<u8>>,
    mapped: bool,
    calls: Arc<Mutex<Vec<Call>>>,
    fails: Arc<AtomicBool>,
}

impl MemoryFile {
    fn note(&self, call: Call) {
        self.calls.lock().expect("no panic under the lock").push(call);
    }
}

impl ShardFile for MemoryFile {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn mapped(&self) -> Option<&[u8]> {
        self.mapped.then_some(self.bytes.as_slice())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        self.note(Call::Read(offset..end));
        if self.fails.load(Ordering::Relaxed) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let part = self.bytes.get(offset as usize..end as usize);
        buffer.copy_from_slice(part.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn prefetch(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        self.note(Call::Prefetch(ranges.to_vec()));
        Ok(())
    }
}
