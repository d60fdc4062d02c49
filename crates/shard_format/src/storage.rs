//! Where the bytes of a dataset come from.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// The files of a dataset, by name.
pub trait Storage: Debug + Send + Sync {
    /// Where `file` is, for messages: a path or a URL.
    fn location(&self, file: &str) -> PathBuf;

    /// The whole content of `file`.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `FileTooLarge` if it holds more than `limit` bytes,
    /// or whatever else keeps it from being read.
    fn read(&self, file: &str, limit: u64) -> io::Result<Vec<u8>>;

    /// Opens `file` for reads at any place.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, or whatever else keeps it from being opened.
    fn open(&self, file: &str) -> io::Result<Box<dyn ShardFile>>;
}

/// An open shard, of which any number of threads read at once.
pub trait ShardFile: Debug + Send + Sync {
    /// Size of the file in bytes when it was opened.
    fn length(&self) -> u64;

    /// All bytes of the file, if they are in the address space; `read_at` is not called then.
    fn mapped(&self) -> Option<&[u8]>;

    /// Fills `buffer` with the bytes that start at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or whatever else keeps it from being read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Announces that these ranges will be read next; they are sorted and do not overlap.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being fetched.
    fn prefetch(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let _: &[Range<u64>] = ranges;
        Ok(())
    }
}
