//! A dataset in a folder of the file system.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::mmap::Map;
use crate::storage::{ShardFile, Storage};

/// How the shards of a folder are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Through a memory map: fastest, but a shard that is cut off while it is open ends the
    /// process with a signal.
    Map,
    /// With one system call for each run of tiles: for network file systems, where a failure
    /// comes back as an error.
    Read,
}

/// A folder that holds a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub dir: PathBuf,
    /// How its shards are read.
    pub access: Access,
}

impl Storage for Folder {
    fn location(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    fn read(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.location(file))?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let message = format!("it holds more than {limit} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
        Ok(bytes)
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn ShardFile>> {
        let file = File::open(self.location(file))?;
        Ok(match self.access {
            Access::Map => Box::new(Map::open(&file)?),
            Access::Read => {
                let length = file.metadata()?.len();
                Box::new(PlainFile { file, length })
            }
        })
    }
}

impl ShardFile for Map {
    fn length(&self) -> u64 {
        self.bytes().len() as u64
    }

    fn mapped(&self) -> Option<&[u8]> {
        Some(self.bytes())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let part = start.and_then(|start| self.bytes().get(start..)?.get(..buffer.len()));
        let part = part.ok_or_else(|| ends_early(self.length(), offset, buffer.len()))?;
        buffer.copy_from_slice(part);
        Ok(())
    }
}

/// A file that is read piece by piece.
#[derive(Debug)]
struct PlainFile {
    file: File,
    length: u64,
}

impl ShardFile for PlainFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self.file.read_exact_at(buffer, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let now = self.file.metadata().map_or(self.length, |metadata| metadata.len());
                Err(ends_early(now, offset, buffer.len()))
            }
            result => result,
        }
    }
}

fn ends_early(length: u64, offset: u64, wanted: usize) -> io::Error {
    let end = offset.saturating_add(wanted as u64);
    let message = format!(
        "the file has {length} bytes, expected at least {end}; hint: it was cut off after it was \
         opened"
    );
    io::Error::new(ErrorKind::UnexpectedEof, message)
}
